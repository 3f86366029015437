"""From the bytes of a YAML file to plain values, strictly, with the line of every key.

YAML 1.2's core schema, so that `on`, `yes` and `no` are text; keys are the text that stands there; numbers with a
point are `Decimal`, as written. Merge keys work. Refused: duplicate keys, tags, more than one document, and what only
an attack needs (size, depth, aliases that multiply).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import yaml

from gateway.settings.problems import ConfigError, KeyPath, Problem, dotted

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 100_000
"""Values after aliases are resolved."""

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
MAX_DIGITS = 40
"""A longer number stays text: nothing in a configuration has one, and a key made of digits may."""

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_IS_NO_TEXT = "has a NUL or half of a surrogate pair in it, which is no text"
"""Escapes in quotes can make these, and neither a database nor a terminal takes them."""

_PREFIX = "tag:yaml.org,2002:"
_TAGS = {"null": _NULL, "bool": _BOOL, "int": _INT, "float": _FLOAT}
_KNOWN_TAGS = frozenset(_PREFIX + kind for kind in (*_TAGS, "str", "seq", "map", "merge"))

# These messages of the parser quote the file, and an unquoted secret may begin with * & or !.
_OWN_WORDS = {
    "found undefined alias": "an alias without an anchor; put text that begins with * in quotes",
    "found duplicate anchor": "an anchor that is there twice; put text that begins with & in quotes",
    "found undefined tag handle": "an unknown tag; put text that begins with ! in quotes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file's values, where each stands, and what was wrong with the way they are written."""

    tree: object
    lines: dict[str, int] = field(default_factory=dict)
    """By dotted path."""
    problems: tuple[Problem, ...] = ()

    def line_of(self, path: str) -> int | None:
        """The line of a dotted path, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return self.lines.get(path)


class Unresolved:
    """Stands in a tree for a value that could not be made out; the problem is told already."""


def read_document(text: str, *, number: Callable[[str], object] = Decimal) -> Document:
    """Parse one YAML document.

    Args:
        text: at most `MAX_BYTES` when encoded.
        number: makes the values of numbers with a point or an exponent.

    Raises:
        ConfigError: it is not YAML, or more than a configuration can be.
    """
    try:
        node = _Loader(text).get_single_node()
    except yaml.YAMLError as error:
        problem = _syntax_problem(error, text)
    else:
        reader = _Reader(number)
        tree = None if node is None else reader.value(node, ())
        return Document(tree=tree, lines=reader.lines, problems=tuple(reader.problems))
    raise ConfigError([problem])


class _Loader(yaml.SafeLoader):
    """Composes nodes; decides what a plain scalar is by YAML 1.2 instead of 1.1."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            problem = f"nested more than {MAX_DEPTH} deep"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=parent.start_mark if parent else None)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: object) -> str:
        if kind is not yaml.ScalarNode:
            return _PREFIX + ("seq" if kind is yaml.SequenceNode else "map")
        is_plain = isinstance(implicit, tuple) and implicit[0]
        return _PREFIX + (_plain_kind(value or "") if is_plain else "str")


def _plain_kind(text: str) -> str:
    if text == "<<":
        return "merge"
    return next((kind for kind, pattern in _TAGS.items() if pattern.fullmatch(text) and len(text) <= MAX_DIGITS), "str")


class _Reader:
    """Turns nodes into values, once per document."""

    def __init__(self, number: Callable[[str], object]) -> None:
        self._number = number
        self._nodes = 0
        self._open: set[int] = set()
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: KeyPath) -> object:
        """The value of one node. Aliases are copied out, so that a change in one place stays there."""
        self._nodes += 1
        if self._nodes > MAX_NODES or id(node) in self._open or len(self._open) > 2 * MAX_DEPTH:
            raise ConfigError([Problem(path="", sentence="its aliases multiply or contain themselves; write them out")])
        if path:
            self.lines.setdefault(dotted(path), node.start_mark.line + 1)
        self._open.add(id(node))
        try:
            return self._by_kind(node, path)
        finally:
            self._open.discard(id(node))

    def _by_kind(self, node: yaml.Node, path: KeyPath) -> object:
        if node.tag not in _KNOWN_TAGS:
            self._refuse(path, node, "YAML tags have no meaning here; put text that begins with ! in quotes")
            return Unresolved()
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, position)) for position, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: KeyPath) -> object:
        text: str = node.value
        kind = node.tag.removeprefix(_PREFIX)
        if _NO_TEXT.search(text):
            self._refuse(path, node, _IS_NO_TEXT)
            return Unresolved()
        if kind in _TAGS and not _TAGS[kind].fullmatch(text):
            self._refuse(path, node, "its YAML tag does not fit the value; leave the tag out")
            return Unresolved()
        match kind:
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
            case "float":
                return self._number(text)
            case _:
                return text

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        own: dict[str, object] = {}
        merged: dict[str, object] = {}
        first: dict[str, int] = {}
        for key, value in self._entries(node, path):
            line = key.start_mark.line + 1
            name: str = key.value
            if name in first:
                where = f"lines {first[name]} and {line}" if first[name] != line else f"line {line}"
                self._refuse((*path, name), key, f"appears twice ({where}); keep one of them")
                continue
            first[name] = line
            if key.tag == f"{_PREFIX}merge":
                merged = self._merged(value, path)
                continue
            if name in merged:
                self._forget((*path, name))
            self.lines[dotted((*path, name))] = line
            own[name] = self.value(value, (*path, name))
        return merged | own

    def _entries(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        """The pairs of a mapping, merge keys first, since what stands in the mapping itself wins over them."""
        pairs: list[tuple[yaml.Node, yaml.Node]] = node.value
        for key, value in sorted(pairs, key=lambda pair: pair[0].tag != f"{_PREFIX}merge"):
            if not isinstance(key, yaml.ScalarNode):
                self._refuse(path, key, "a key must be text; put ${NAME} in quotes inside braces")
            elif _NO_TEXT.search(key.value):
                self._refuse(path, key, f"a key {_IS_NO_TEXT}")
            else:
                yield key, value

    def _merged(self, node: yaml.Node, path: KeyPath) -> dict[str, object]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, object] = {}
        for source in sources:
            value = self.value(source, path) if isinstance(source, yaml.MappingNode) else None
            if not isinstance(value, dict):
                self._refuse((*path, "<<"), source, "must be a mapping or a list of mappings, as in <<: *name")
                continue
            merged = value | merged
        return merged

    def _forget(self, path: KeyPath) -> None:
        """Drop the lines that a merge key left below a path which the mapping itself defines."""
        place = dotted(path)
        for known in [known for known in self.lines if known == place or known.startswith(f"{place}.")]:
            del self.lines[known]

    def _refuse(self, path: KeyPath, node: yaml.Node, sentence: str) -> None:
        self.problems.append(Problem(path=dotted(path), sentence=sentence, line=node.start_mark.line + 1))


def _syntax_problem(error: yaml.YAMLError, text: str) -> Problem:
    """Where and why it is not YAML, without the text around it, which may be a secret."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1
        return Problem(path="", sentence=f"not valid YAML at line {line}: a character that is not allowed", line=line)
    mark = error.problem_mark
    said = error.problem or "not valid"
    why = next((own for start, own in _OWN_WORDS.items() if said.startswith(start)), said)
    lines = text.split("\n")
    hint = "; put ${NAME} in quotes inside braces" if "${" in lines[min(mark.line, len(lines) - 1)] else ""
    place = f"line {mark.line + 1}, column {mark.column + 1}"
    return Problem(path="", sentence=f"not valid YAML at {place}: {why}{hint}", line=mark.line + 1)
