"""Migrations of the store, run by `gateway.store.migrate`."""
