from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update

from gateway.store import head
from gateway.store.engine import Store, open_store
from gateway.store.errors import StoreRefused, StoreUnavailable
from gateway.store.tables import configuration, leases


def test_no_increment_is_lost_between_concurrent_writers(store: Store) -> None:
    def increment() -> None:
        for _ in range(10):
            with store.writing() as connection:
                row = select(configuration.c.revision).with_for_update()
                revision = connection.execute(row).scalar_one()
                connection.execute(update(configuration).values(revision=revision + 1))

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(increment) for _ in range(4)]:
            future.result()

    with store.reading() as connection:
        assert connection.execute(select(configuration.c.revision)).scalar_one() == 40


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.writing() as connection:
            connection.execute(insert(leases).values(name="a", holder="b", until_us=1))
            raise LookupError

    with pytest.raises(LookupError):
        fail()

    with store.reading() as connection:
        assert connection.execute(select(leases)).all() == []


def test_a_connection_sees_what_others_committed_meanwhile(store: Store) -> None:
    with store.reading() as reader:
        assert reader.execute(select(leases)).all() == []
        with store.writing() as writer:
            writer.execute(insert(leases).values(name="a", holder="b", until_us=1))
        assert len(reader.execute(select(leases)).all()) == 1


def test_a_sqlite_file_that_is_gone_is_an_outage_and_not_begun_anew(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/gone.db")

    sentence = r"gone\.db: unable to open database file; check that the file exists"
    with pytest.raises(StoreUnavailable, match=sentence), store.reading() as connection:
        connection.execute(text("SELECT 1"))
    assert list(tmp_path.iterdir()) == []


def test_a_store_without_tables_says_who_makes_them(empty_store_url: str) -> None:
    store = open_store(empty_store_url)
    if not store.is_postgres:
        store.path.touch()

    with pytest.raises(StoreUnavailable, match="start a control plane first"), store.reading() as connection:
        connection.execute(select(leases))
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ana:s3cret-word@127.0.0.1:1/fallgate",
        "postgresql://127.0.0.1:1/fallgate?user=ana&password=s3cret-word",
    ],
)
def test_a_server_that_does_not_answer_is_told_without_its_password(url: str) -> None:
    store = open_store(url)

    with pytest.raises(StoreUnavailable) as caught, store.reading():
        pass
    assert "127.0.0.1:1/fallgate" in str(caught.value)
    assert "s3cret-word" not in str(caught.value)


def test_values_never_stand_in_an_error(store: Store) -> None:
    with pytest.raises(StoreUnavailable) as caught, store.writing() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:secret)"), {"secret": "s3cret-word"})
    assert "s3cret-word" not in str(caught.value)
    assert "s3cret-word" not in str(caught.value.__cause__)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://host/name",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///a.db?mode=memory",
        "nonsense",
        "postgresql+asyncpg://h/n",
    ],
)
def test_what_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(StoreRefused, match=r"store\.url: "):
        open_store(url)


def test_a_change_that_another_one_holds_up_is_given_up_in_time(store: Store) -> None:
    with store.writing() as connection:
        head.lock(connection)
        with pytest.raises(StoreUnavailable, match="another process is busy with it"), store.writing() as second:
            head.lock(second)
