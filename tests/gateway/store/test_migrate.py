from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from gateway.store import migrate as migrate_module
from gateway.store.engine import open_store
from gateway.store.errors import StoreRefused
from gateway.store.migrate import HEAD, migrate
from gateway.store.spend import spent
from gateway.store.tables import metadata
from routing.words import Purpose


def test_a_migrated_store_has_exactly_the_tables_of_the_code(empty_store_url: str) -> None:
    store = open_store(empty_store_url)
    migrate(store)

    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    store.close()


def test_the_newest_migration_is_the_one_that_the_code_names() -> None:
    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(Path(migrate_module.__file__).parent / "migrations"))

    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_replicas_that_start_together_migrate_once(empty_store_url: str) -> None:
    def start() -> str:
        store = open_store(empty_store_url)
        migrate(store)
        with store.reading() as connection:
            secret = connection.execute(text("SELECT unit_secret FROM configuration")).scalar_one()
        store.close()
        return str(secret)

    with ThreadPoolExecutor(6) as pool:
        secrets = {future.result() for future in [pool.submit(start) for _ in range(6)]}

    assert len(secrets) == 1


def test_a_store_of_a_newer_version_is_left_alone(empty_store_url: str) -> None:
    store = open_store(empty_store_url)
    migrate(store)
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(StoreRefused, match="another version of Fallgate"):
        migrate(store)
    store.close()


def test_an_sqlite_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/made/on/the/way/fallgate.db")
    migrate(store)

    modes = {path.name: path.stat().st_mode & 0o777 for path in store.path.parent.iterdir()}
    store.close()
    assert modes["fallgate.db"] == 0o600
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("content", [b"this is no database, but it is long enough to be looked at" * 4])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fallgate.db").write_bytes(content)

    with pytest.raises(StoreRefused, match="is not an SQLite database"):
        migrate(open_store(f"sqlite:///{tmp_path}/fallgate.db"))


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")

    with pytest.raises(StoreRefused, match=r"store\.url: .* cannot be opened for writing"):
        migrate(open_store(f"sqlite:///{tmp_path}/file/fallgate.db"))


def test_what_audits_have_spent_is_kept_by_the_step_that_tells_purposes_apart(empty_store_url: str) -> None:
    store = open_store(empty_store_url)
    if not store.is_postgres:
        store.path.touch()
    config = Config(attributes={})
    config.set_main_option("script_location", str(Path(migrate_module.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with store.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        connection.execute(text("INSERT INTO audit_spend VALUES ('support', 20000, 'w', 7)"))
    migrate(store)
    assert spent(store, "support", Purpose.AUDIT, 20_000) == 7
    assert spent(store, "support", Purpose.SHADOW, 20_000) == 0
    store.close()
