"""YAML is read strictly: what is ambiguous, doubled or hostile is refused with its place."""

from decimal import Decimal

import pytest

from gateway.settings.document import MAX_DEPTH, Unresolved, read_document
from gateway.settings.problems import ConfigError


def problems(text: str) -> list[tuple[int | None, str]]:
    try:
        found = read_document(text).problems
    except ConfigError as error:
        found = error.problems
    return [(problem.line, str(problem)) for problem in found]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *((word, word) for word in ("on", "off", "yes", "no", "y", "n", "On", "YES")),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("none", "none"),
        ("8080", 8080),
        ("010", 10),
        ("0o10", 8),
        ("0x1f", 31),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2.50", Decimal("2.50")),
        ("1e3", Decimal(1000)),
        (".inf", ".inf"),
        ("2026-11-01", "2026-11-01"),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("9" * 41, "9" * 41),
        ("<<", "<<"),
    ],
)
def test_scalars_mean_what_the_core_schema_of_yaml_1_2_says(written: str, meant: object) -> None:
    assert read_document(f"key: {written}").tree == {"key": meant}


def test_keys_are_the_text_that_stands_there() -> None:
    assert read_document("{1: a, true: b, 2.50: c, null: d}").tree == {"1": "a", "true": "b", "2.50": "c", "null": "d"}


def test_numbers_can_be_made_by_the_caller() -> None:
    assert read_document("rate: 2.5e-1", number=float).tree == {"rate": 0.25}


def test_each_duplicate_key_is_refused_with_both_lines() -> None:
    text = "a: 1\nb:\n  c: 1\n  c: 2\na: 3\n"

    assert problems(text) == [
        (4, "b.c: appears twice (lines 3 and 4); keep one of them"),
        (5, "a: appears twice (lines 1 and 5); keep one of them"),
    ]


def test_a_merge_key_gives_way_to_the_mapping_and_earlier_sources_win() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2, d: 2}\nz: {d: 3, <<: [*x, *y]}\n"

    assert read_document(text).tree == {
        "x": {"a": 1, "b": 1},
        "y": {"b": 2, "c": 2, "d": 2},
        "z": {"a": 1, "b": 1, "c": 2, "d": 3},
    }


def test_what_a_mapping_overrides_has_its_own_line() -> None:
    document = read_document("x: &x\n  a: {b: 1}\n  c: 1\ny:\n  <<: *x\n  a: {d: 1}\n")

    assert document.line_of("y.a") == 6
    assert document.line_of("y.a.b") == 6
    assert document.line_of("y.c") == 3
    assert document.line_of("nowhere") is None


@pytest.mark.parametrize("merged", ["1", "[1]", "[[]]", "*list"])
def test_only_mappings_merge(merged: str) -> None:
    assert problems(f"list: &list [1]\nm: {{<<: {merged}}}") == [
        (1 if merged == "*list" else 2, "m.<<: must be a mapping or a list of mappings, as in <<: *name")
    ]


def test_an_alias_is_copied_not_shared() -> None:
    tree = read_document("a: &a {x: [1]}\nb: *a\n").tree

    assert isinstance(tree, dict)
    assert tree["a"] == tree["b"]
    assert tree["a"]["x"] is not tree["b"]["x"]


@pytest.mark.parametrize("tag", ["!secret", "!!python/object:os.system", "!!binary", "!!set"])
def test_tags_are_refused(tag: str) -> None:
    document = read_document(f"a: {tag} {{}}" if tag == "!!set" else f"a: {tag} x")

    assert [problem.path for problem in document.problems] == ["a"]
    assert isinstance(document.tree, dict)
    assert isinstance(document.tree["a"], Unresolved)


def test_a_tag_that_does_not_fit_its_value_is_refused() -> None:
    assert problems("a: !!int x") == [(1, "a: its YAML tag does not fit the value; leave the tag out")]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: [1", 1, "not valid YAML at line 1, column 6: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n b: 2", 2, "not valid YAML at line 2, column 3: mapping values are not allowed here"),
        (
            "a: {b: ${X}}",
            1,
            "not valid YAML at line 1, column 9: expected ',' or '}', but got '{'; put ${NAME} in quotes inside braces",
        ),
        ("a: 1\n--- \nb: 2", 2, "not valid YAML at line 2, column 1: but found another document"),
        (
            "a: *b",
            1,
            "not valid YAML at line 1, column 4: an alias without an anchor; put text that begins with * in quotes",
        ),
        ("a: \x07", 1, "not valid YAML at line 1: a character that is not allowed"),
        ("{[a]: 1}", 1, "a key must be text; put ${NAME} in quotes inside braces"),
    ],
)
def test_a_syntax_error_has_line_and_column(text: str, line: int, said: str) -> None:
    assert problems(text) == [(line, said)]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000))
MERGE_CHAIN = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 3000))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(BOMB, id="aliases that multiply"),
        pytest.param(CHAIN, id="aliases that nest"),
        pytest.param(MERGE_CHAIN, id="merges that nest"),
        pytest.param("a: &a [*a]", id="an alias inside itself"),
        pytest.param("a: &a {<<: *a}", id="a merge of itself"),
        pytest.param("[" * 5000, id="brackets without end"),
        pytest.param("[" * 5000 + "]" * 5000, id="brackets with an end"),
    ],
)
def test_what_only_an_attack_needs_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"aliases multiply|more than {MAX_DEPTH} deep"):
        read_document(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('a: {b: "x\\0y"}', "a.b: has a NUL or half of a surrogate pair in it, which is no text"),
        ('a: {b: "x\\ud800y"}', "a.b: has a NUL or half of a surrogate pair in it, which is no text"),
        ('a: {"x\\udfff": 1}', "a: a key has a NUL or half of a surrogate pair in it, which is no text"),
    ],
)
def test_what_no_database_takes_is_no_text(text: str, said: str) -> None:
    assert problems(text) == [(1, said)]
