import subprocess
import sys

WORKER = "import gateway.records.writer, gateway.snapshot.follow"
HEAVY = {"alembic", "mako", "pydantic", "redis", "psycopg", "yaml", "fastapi", "numpy", "sqlalchemy.orm"}


def test_what_a_worker_loads_of_the_store_is_light() -> None:
    command = f"{WORKER}; import sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.split()

    assert HEAVY & set(loaded) == set()
