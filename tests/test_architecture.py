"""The design's rules, executable: each failure names the file and every rule that it breaks."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("gateway", "serving", "routing")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
CORE = ROOT / "routing"

MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 40
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager", "managers"}
DATED_WORDS = re.compile(r"(?:^|_)(?:v[2-9]|legacy|old)(?:_|$)")
NOT_IN_CORE = {
    *("asyncio", "anyio", "threading", "subprocess", "socket", "os", "time", "random", "secrets", "uuid", "logging"),
    *("httpx", "aiohttp", "fastapi", "starlette", "prometheus_client", "redis", "sqlalchemy", "pydantic", "msgspec"),
    *("gateway", "serving"),
}
CLIENTS = {"httpx", "aiohttp"}
CLIENT_ERRORS_STAY_IN = (ROOT / "serving", ROOT / "gateway" / "cli")

# What a worker imports before it serves, and what would cost it memory or start-up for nothing.
WORKER = ("gateway.data.app", "gateway.snapshot.document", "gateway.worker")
NOT_IN_WORKER = (
    "scipy",
    "opentelemetry",
    "alembic",
    "httpx",
    "typer",
    "rich",
    "gateway.settings",
    "gateway.control",
    "gateway.cli",
)
# A worker resolves the references to upstreams' keys itself; of the settings' pydantic models it needs none.
LIGHT_SETTINGS = {"gateway.settings", "gateway.settings.expand"}

IMPORT_ALL = """
import importlib, json, socket, sys, threading
def refuse(*args, **kwargs):
    raise AssertionError("a socket was made at import")
socket.socket.__init__ = socket.socket.connect = refuse
broken = {}
for name in json.loads(sys.argv[1]):
    try:
        importlib.import_module(name)
        if threading.active_count() > 1:
            raise AssertionError(f"threads were started at import: {threading.enumerate()}")
    except BaseException as error:
        broken[name] = f"{type(error).__name__}: {error}"
print(json.dumps(broken))
"""

IMPORT_WORKER = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported, in full."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function, clean=False) is not None
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def size_faults(text: str, tree: ast.Module) -> Iterator[str]:
    count = text.count("\n")
    if count > MAX_FILE_LINES:
        yield f"{count} lines, {MAX_FILE_LINES} are allowed: split it by noun"
    for function in functions(tree):
        if lines_of(function) > MAX_FUNCTION_LINES:
            yield f"{function.name} has {lines_of(function)} lines, {MAX_FUNCTION_LINES} are allowed"


def name_faults(path: Path, tree: ast.Module) -> Iterator[str]:
    stem = path.stem.strip("_")
    if stem in VAGUE_NAMES:
        yield f"{path.name} says nothing: name it after the noun that lives there"
    named = [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    for name in (stem, *named):
        if DATED_WORDS.search(snake(name)):
            yield f"{name} is named after its age: replace what it replaces, in the same commit"


def client_errors(tree: ast.Module) -> Iterator[str]:
    """Errors of the HTTP clients that are caught or suppressed, by module or by imported name."""
    own = set(CLIENTS)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in CLIENTS:
            own |= {alias.asname or alias.name for alias in node.names}
    for node in ast.walk(tree):
        caught: list[ast.expr] = []
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            caught = [node.type]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("suppress", "contextlib.suppress"):
            caught = node.args
        names = (part for error in caught for part in ast.walk(error) if isinstance(part, ast.Name))
        yield from (f"line {name.lineno} catches an error of {name.id}" for name in names if name.id in own)


def core_faults(tree: ast.Module) -> Iterator[str]:
    """What would make a decision depend on anything but its arguments."""
    for module in sorted({name.split(".")[0] for name in imported(tree)} & NOT_IN_CORE):
        yield f"imports {module}: a decision takes facts and returns facts"
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield f"line {node.lineno} is async: a decision waits for nothing"


def faults(path: Path, text: str) -> list[str]:
    """Every rule that a file with this text would break at this place."""
    tree = ast.parse(text, filename=str(path))
    found = [*size_faults(text, tree), *name_faults(path, tree)]
    if not ast.get_docstring(tree):
        found.append("no module docstring: one sentence on what lives here")
    if any(isinstance(node, ast.Global) for node in ast.walk(tree)):
        found.append("`global`: pass it, or let an object own it")
    if not any(path.is_relative_to(folder) for folder in CLIENT_ERRORS_STAY_IN):
        found += client_errors(tree)
    if path.is_relative_to(CORE):
        found += core_faults(tree)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_source_file_keeps_the_rules(path: Path) -> None:
    found = faults(path, path.read_text(encoding="utf-8"))
    assert found == []


@pytest.mark.parametrize(
    ("place", "code", "fault"),
    [
        ("gateway/a.py", "\n" * 300, "301 lines"),
        ("gateway/a.py", "def f():\n" + "    x = 1\n" * 40, "f has 41 lines"),
        ("gateway/a.py", "class A:\n    async def f(self):\n" + "        x = 1\n" * 40, "f has 41 lines"),
        ("serving/utils.py", "", "utils.py says nothing"),
        ("serving/pool_v2.py", "", "pool_v2 is named after its age"),
        ("serving/a.py", "class LegacyPool: ...", "LegacyPool is named after its age"),
        ("gateway/a.py", "def f():\n    global x\n    x = 1", "`global`"),
        ("gateway/a.py", "import httpx\ntry: ...\nexcept (OSError, httpx.HTTPError): ...", "catches an error of httpx"),
        ("gateway/a.py", "from aiohttp import ClientError as E\ntry: ...\nexcept E: ...", "catches an error of E"),
        ("gateway/a.py", "import httpx\nwith suppress(httpx.HTTPError): ...", "catches an error of httpx"),
        ("routing/a.py", "from time import monotonic", "imports time"),
        ("routing/a.py", "import os.path as p", "imports os"),
        ("routing/a.py", "def f():\n    from serving import errors", "imports serving"),
        ("routing/a.py", "async def f(): ...", "is async"),
    ],
)
def test_the_rules_find_what_breaks_them(place: str, code: str, fault: str) -> None:
    found = faults(ROOT / place, f'"""Planted."""\n{code}')
    assert len(found) == 1
    assert fault in found[0]


def test_the_rules_leave_in_peace_what_keeps_them() -> None:
    body = "    x = 1\n" * 39
    docstring = '    """One.\n' + "    more\n" * 60 + '    """\n'
    long_docstring = f'"""Planted."""\ndef f():\n{docstring}{body}'
    assert faults(ROOT / "routing/a.py", long_docstring) == []
    caught = '"""Planted."""\nimport httpx\ntry: ...\nexcept httpx.HTTPError: ...'
    assert faults(ROOT / "serving/a.py", caught) == faults(ROOT / "gateway/cli/a.py", caught) == []
    assert faults(ROOT / "gateway/a.py", "x = 1") == ["no module docstring: one sentence on what lives here"]


@pytest.mark.parametrize("path", TESTS, ids=relative)
def test_a_test_uses_fakes_and_no_mocks(path: Path) -> None:
    tree = parse(path)
    arguments = {arg.arg for function in functions(tree) for arg in function.args.args}
    assert not {name for name in imported(tree) if name.startswith(("unittest.mock", "mock", "pytest_mock"))}
    assert "mocker" not in arguments


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(CORE) and p.stem != "__init__"], ids=relative)
def test_a_decision_has_its_tests_where_one_looks_for_them(path: Path) -> None:
    assert (ROOT / "tests" / path.relative_to(ROOT).with_name(f"test_{path.name}")).is_file()


def run(script: str, modules: Iterable[str]) -> str:
    """Run a script in a fresh interpreter with nothing in its environment."""
    command = [sys.executable, "-c", script, json.dumps(list(modules))]
    done = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_any_module_opens_no_socket_starts_no_thread_and_needs_no_environment() -> None:
    # A `__main__` is there to be run, and Alembic runs `env.py` itself.
    modules = [dotted(path) for path in SOURCES if path.stem not in ("__main__", "env")]
    assert json.loads(run(IMPORT_ALL, modules)) == {}


@pytest.mark.parametrize("module", [name for name in WORKER if find_spec(name)])
def test_a_worker_is_spared_what_it_does_not_need(module: str) -> None:
    loaded = json.loads(run(IMPORT_WORKER, [module]))
    weights = [name for name in loaded if any(name == no or name.startswith(f"{no}.") for no in NOT_IN_WORKER)]
    assert set(weights) <= LIGHT_SETTINGS


# Taken apart, so that this file does not name them.
PLACES = re.compile(
    rb"(?<![\w.~@-])/(?:" + b"|".join([b"wo" + b"rk", b"ro" + b"ot"]) + rb")/"
    rb"|\b(?:files\.)?(?:" + b"|".join([b"py" + b"pi\\.org", b"python" + b"hosted\\.org"]) + rb")\b"
    rb"|/opt" + rb"/(?:" + b"|".join([b"py" + b"pi", b"whe" + b"els"]) + rb")\b"
)


def test_the_project_names_no_path_of_a_machine_and_no_package_index() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout, so nothing says which files belong to the project")
    named = {}
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        found = PLACES.search(path.read_bytes()) if path.is_file() else None
        if found:
            named[name] = found.group().decode()
    assert named == {}
