"""Fixtures that tests of several packages share."""

from tests.fakes.control import admin, config_file, parts, standin
from tests.fakes.databases import (
    empty_store_url,
    migrated_postgres,
    postgres,
    sqlite_store,
    stoppable_postgres,
    store,
    store_url,
    valkey_url,
)

__all__ = [
    "admin",
    "config_file",
    "empty_store_url",
    "migrated_postgres",
    "parts",
    "postgres",
    "sqlite_store",
    "standin",
    "stoppable_postgres",
    "store",
    "store_url",
    "valkey_url",
]
