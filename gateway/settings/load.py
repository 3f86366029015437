"""Reading the configuration file: bytes, YAML, environment, models; refused whole with everything that is wrong."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from gateway.clock import Clock, now_us
from gateway.settings.document import Document, Unresolved, read_document
from gateway.settings.expand import ExpandError, expand
from gateway.settings.lineage import Lineage, locate_lineage, read_lineage
from gateway.settings.models import Config
from gateway.settings.notices import warnings_of
from gateway.settings.problems import ConfigError, KeyPath, Problem, dotted
from gateway.settings.redact import plain
from gateway.settings.references import reference_problems
from gateway.settings.sentences import problems_of
from gateway.settings.source import read_text

DEFAULT_FILE = Path("fallgate.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration that was accepted."""

    config: Config
    warnings: tuple[Problem, ...] = ()
    digest: str
    """64 hexadecimal digits, equal as long as what the file means is equal, with its environment and lineage files and
    whatever its layout. An upstream's key that is a reference counts as the reference, not as its value."""
    lineages: Mapping[str, Lineage] = field(default_factory=dict)
    """By model, where the file that it names is there and can be read."""


def load(path: Path, environ: Mapping[str, str], clock: Clock = now_us) -> Loaded:
    """Read and check a configuration file.

    `state_dir` and a SQLite file are relative to the working directory. A lineage file is looked for there first, then
    beside the configuration.

    Args:
        path: the YAML file, at most 1 MiB.
        environ: where `${NAME}` is looked up.
        clock: tells which dates are past.

    Raises:
        ConfigError: it is refused, with all that is wrong with it.
    """
    return load_text(read_text(path), environ, folder=path.parent, clock=clock)


def load_text(text: str, environ: Mapping[str, str], *, folder: Path = Path(), clock: Clock = now_us) -> Loaded:
    """The same for a text, as if it stood in a file of `folder`.

    Raises:
        ConfigError: it is refused, with all that is wrong with it.
    """
    document = read_document(text)
    tree, problems = _expanded(document, environ)
    config = _validated(tree, document, problems)
    lineages, lineage_warnings = _lineages(config, folder)
    return Loaded(
        config=config,
        warnings=_placed(document, [*warnings_of(config, tree, clock()), *lineage_warnings]),
        digest=_digest(config, lineages),
        lineages=lineages,
    )


def _expanded(document: Document, environ: Mapping[str, str]) -> tuple[dict[str, object], list[Problem]]:
    problems: list[Problem] = []

    def visit(value: object, path: KeyPath) -> object:
        if isinstance(value, dict):
            return {key: visit(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [visit(inner, (*path, position)) for position, inner in enumerate(value)]
        try:
            return expand(value, environ) if isinstance(value, str) else value
        except ExpandError as error:
            problems.append(Problem(path=dotted(path), sentence=str(error)))
            return Unresolved()

    tree = visit(document.tree, ())
    if not isinstance(tree, dict):
        sentence = "is empty" if tree is None else "must be a mapping, with models: and routes: among its keys"
        raise ConfigError([Problem(path="", sentence=sentence)])
    return tree, problems


def _validated(tree: dict[str, object], document: Document, told: list[Problem]) -> Config:
    problems = [*document.problems, *told]
    config = None
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        problems += problems_of(error, Config)
        unfit = str(error.errors()[0]["msg"])
    problems += reference_problems(tree)
    if config is not None and not problems:
        return config
    # The last resort is for a check that only the finished models can make.
    raise ConfigError(_placed(document, problems or [Problem(path="", sentence=unfit)]))


def _placed(document: Document, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems with their lines, in the order of the file."""
    placed = [replace(problem, line=problem.line or document.line_of(problem.path)) for problem in problems]
    return tuple(sorted(placed, key=lambda problem: problem.line or 0))


def _lineages(config: Config, folder: Path) -> tuple[dict[str, Lineage], list[Problem]]:
    lineages: dict[str, Lineage] = {}
    warnings: list[Problem] = []
    for name, model in config.models.items():
        if model.lineage is None:
            continue
        path = f"models.{name}.lineage"
        file = locate_lineage(model.lineage, folder)
        if file is None:
            sentence = f"there is no file {model.lineage!r}; the version is served without its lineage"
            warnings.append(Problem(path=path, value=model.lineage, sentence=sentence))
            continue
        try:
            lineages[name] = read_lineage(file)
        except ConfigError as error:
            sentence = f"{model.lineage!r} is not used: " + "; ".join(map(str, error.problems))
            warnings.append(Problem(path=path, value=model.lineage, sentence=sentence))
    return lineages, warnings


def _digest(config: Config, lineages: Mapping[str, Lineage]) -> str:
    meaning = {
        "config": plain(config.model_dump(mode="python", by_alias=True)),
        "keys": [_sha256(key.secret.reveal()) for key in config.keys],
        "upstreams": {
            name: model.api_key.reference or _sha256(model.api_key.reveal())
            for name, model in config.models.items()
            if model.api_key is not None
        },
        "lineages": {name: lineage.model_dump(mode="json") for name, lineage in lineages.items()},
    }
    return _sha256(json.dumps(meaning, sort_keys=True))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
