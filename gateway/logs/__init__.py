"""Logs: how lines are written, and one event for each request that is to have one."""
