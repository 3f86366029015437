"""Fixtures that tests of several packages share."""

from tests.fakes.control import admin, parts, sqlite_template, standin, untouched_admin
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
from tests.fakes.publishing import publisher

__all__ = [
    "admin",
    "empty_store_url",
    "migrated_postgres",
    "parts",
    "postgres",
    "publisher",
    "sqlite_store",
    "sqlite_template",
    "standin",
    "stoppable_postgres",
    "store",
    "store_url",
    "untouched_admin",
    "valkey_url",
]
