"""Files: what cannot be read, what is worth a warning, and when a file counts as changed."""

from pathlib import Path

import pytest

from gateway.settings.document import MAX_BYTES
from gateway.settings.lineage import read_lineage
from gateway.settings.load import load, load_text
from gateway.settings.problems import ConfigError

LEAST = """\
keys: [{name: app, secret: "${APP}", scopes: [inference]}]
models:
  m: {provider: vllm, base_url: "http://${HOST:-h}/v1", model: m, api_key: "${KEY}", lineage: v1.yaml}
  big: {provider: openai, base_url: http://b/v1, model: b}
routes: {r: {split: {m: 100}, fallback: {to: big}}}
"""
ENVIRON = {"APP": "0123456789abcdef", "KEY": "upstream"}
LINEAGE = """\
version: v1
base_model: SmolLM2-135M-Instruct
base_sha256: 0000000000000000000000000000000000000000000000000000000000000000
adapter: adapters/v1
dataset: {name: support, sha256: ABCDEF0000000000000000000000000000000000000000000000000000000000, train: 800, seed: 7}
training: {rank: 8, learning_rate: 1.0e-3, targets: [q_proj, v_proj]}
evaluation: {accuracy: 0.91}
created: 2026-11-01T12:00:00Z
license: apache-2.0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fallgate.yaml").write_text(LEAST)
    (tmp_path / "v1.yaml").write_text(LINEAGE)
    return tmp_path


def said(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRON)
    return str(caught.value)


def warnings(text: str, environ: dict[str, str] = ENVIRON) -> list[str]:
    return [str(warning) for warning in load_text(text, environ).warnings if "lineage" not in warning.path]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert said(tmp_path / "fallgate.yaml") == "there is no such file"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert said(tmp_path) == "is a directory, not a file"


def test_a_file_behind_a_file_cannot_be_read(folder: Path) -> None:
    assert said(folder / "fallgate.yaml" / "x") == "cannot be read: Not a directory"


def test_other_bytes_than_utf_8_are_told_with_their_line(folder: Path) -> None:
    (folder / "fallgate.yaml").write_bytes(b"version: 1\nstate_dir: caf\xe9\n")

    assert said(folder / "fallgate.yaml") == "is not UTF-8: line 2 has other bytes"


def test_a_byte_order_mark_is_no_matter(folder: Path) -> None:
    (folder / "fallgate.yaml").write_bytes(b"\xef\xbb\xbf" + LEAST.encode())

    assert load(folder / "fallgate.yaml", ENVIRON).config.models


def test_a_file_above_the_limit_is_not_even_parsed(folder: Path) -> None:
    (folder / "fallgate.yaml").write_bytes(b"#" * (MAX_BYTES + 1))

    assert said(folder / "fallgate.yaml") == "is larger than 1 MiB"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("# nothing but a comment", "is empty"),
        ("- a", "must be a mapping, with models: and routes: among its keys"),
        ("models", "must be a mapping, with models: and routes: among its keys"),
    ],
)
def test_what_is_no_mapping_is_no_configuration(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(text, {})

    assert str(caught.value) == sentence


def test_nothing_to_warn_of_is_no_warning(folder: Path) -> None:
    assert load(folder / "fallgate.yaml", ENVIRON).warnings == ()


def test_no_keys_are_a_warning() -> None:
    (warning,) = warnings(LEAST.partition("\n")[2])

    assert warning.startswith("keys: there are none; the first `fallgate serve` makes three (app, tester, ops)")


@pytest.mark.parametrize("written", ["upstream", "${KEY:-upstream}"])
def test_an_upstream_key_in_the_file_itself_is_a_warning(written: str) -> None:
    assert warnings(LEAST.replace("${KEY}", written)) == [
        "models.m.api_key: stands in the file itself; ${NAME} would take it from the environment"
    ]


def test_an_upstream_key_that_comes_out_empty_is_a_warning_unless_the_file_allows_for_it() -> None:
    environ = ENVIRON | {"KEY": ""}

    assert warnings(LEAST, environ) == ["models.m.api_key: ${KEY} is empty, so no key is sent"]
    assert warnings(LEAST.replace("${KEY}", "${KEY:-}"), environ) == []


def test_a_threshold_that_never_acts_is_a_warning() -> None:
    idle = "{to: big, when: [error], confidence: {mode: threshold, score: min_logprob, min: 0.5}}"

    assert warnings(LEAST.replace("{to: big}", idle)) == [
        "routes.r.fallback.confidence: the threshold never acts, since `when` leaves out low_confidence"
    ]


@pytest.mark.parametrize(
    ("mode", "field"),
    [("budget", "share: 0.2"), ("risk", "alpha: 0.1"), ("selective_risk", "alpha: 0.1"), ("utility", "value_usd: 1")],
)
def test_so_is_a_mode_that_never_acts(mode: str, field: str) -> None:
    idle = f"{{to: big, when: [error], confidence: {{mode: {mode}, {field}}}}}"

    assert warnings(LEAST.replace("{to: big}", idle)) == [
        f"routes.r.fallback.confidence: mode {mode} never acts, since `when` leaves out low_confidence"
    ]


def test_so_is_a_utility_that_has_no_price_to_weigh() -> None:
    weighed = "{to: big, confidence: {mode: utility, value_usd: 1}}"

    assert warnings(LEAST.replace("{to: big}", weighed)) == [
        "routes.r.fallback.confidence: mode utility does not act while big has no price"
    ]
    priced = LEAST.replace("model: b}", "model: b, price: {input: 1, output: 2}}")
    assert warnings(priced.replace("{to: big}", weighed)) == []


def test_an_audit_whose_cost_nobody_knows_is_a_warning() -> None:
    audited = "{to: big}, audit: {share: 0.02, spend_usd_per_day: 1, compare: {judge: big}}"

    assert warnings(LEAST.replace("{to: big}", audited)) == [
        "routes.r.audit: nothing is audited while big has no price, since nobody knows what an audit would cost"
    ]


def test_a_missing_lineage_file_is_a_warning_with_its_line(folder: Path) -> None:
    (folder / "v1.yaml").unlink()
    loaded = load(folder / "fallgate.yaml", ENVIRON)

    (warning,) = loaded.warnings
    assert str(warning) == "models.m.lineage: there is no file 'v1.yaml'; the version is served without its lineage"
    assert warning.line == 3
    assert loaded.lineages == {}


def test_a_broken_lineage_file_is_a_warning_that_says_why(folder: Path) -> None:
    (folder / "v1.yaml").write_text("dataset: {train: many}\n")

    (warning,) = load(folder / "fallgate.yaml", ENVIRON).warnings
    assert str(warning) == "models.m.lineage: 'v1.yaml' is not used: dataset.train: 'many' is not a whole number"


def test_a_lineage_that_cannot_be_stored_is_a_warning(folder: Path) -> None:
    (folder / "v1.yaml").write_text('training: {"a\\ud800b": 1}\n')

    loaded = load(folder / "fallgate.yaml", ENVIRON)
    assert loaded.lineages == {}
    (warning,) = loaded.warnings
    assert "which is no text" in str(warning)


def test_a_lineage_file_is_found_beside_the_configuration(folder: Path) -> None:
    lineage = load(folder / "fallgate.yaml", ENVIRON).lineages["m"]

    assert lineage.base_model == "SmolLM2-135M-Instruct"
    assert lineage.dataset is not None
    assert (lineage.dataset.train, lineage.dataset.seed) == (800, 7)
    assert lineage.training == {"rank": 8, "learning_rate": 0.001, "targets": ["q_proj", "v_proj"]}
    assert lineage.evaluation == {"accuracy": 0.91}
    assert lineage.model_extra == {"license": "apache-2.0"}


def test_the_working_directory_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "v1.yaml").write_text("base_model: other")
    monkeypatch.chdir(elsewhere)

    assert load(folder / "fallgate.yaml", ENVIRON).lineages["m"].base_model == "other"


def test_a_lineage_hash_is_checked(folder: Path) -> None:
    (folder / "v1.yaml").write_text("base_sha256: abc\n")

    with pytest.raises(ConfigError, match="base_sha256: 'abc' is not a SHA-256, 64 hexadecimal digits"):
        read_lineage(folder / "v1.yaml")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"# a comment\n{LEAST}\n\n", id="layout"),
        pytest.param(LEAST.replace("split: {m: 100}", "split: {m: 100.00}"), id="the same number"),
        pytest.param(f"server: {{workers: 1}}\n{LEAST}", id="a default that is spelt out"),
        pytest.param(LEAST.replace("${HOST:-h}", "h"), id="where a value came from"),
    ],
)
def test_the_digest_stays_where_the_meaning_stays(text: str) -> None:
    assert load_text(text, ENVIRON).digest == load_text(LEAST, ENVIRON).digest


def test_the_digest_of_an_upstream_key_is_that_of_its_reference() -> None:
    assert load_text(LEAST, ENVIRON | {"KEY": "rotated"}).digest == load_text(LEAST, ENVIRON).digest


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        pytest.param(LEAST.replace("model: m,", "model: n,"), ENVIRON, id="the file"),
        pytest.param(LEAST, ENVIRON | {"HOST": "elsewhere"}, id="the environment"),
        pytest.param(LEAST, ENVIRON | {"APP": "another-secret-00"}, id="a client's secret"),
        pytest.param(LEAST.replace("${KEY}", "literal"), ENVIRON, id="a literal upstream key"),
    ],
)
def test_the_digest_changes_with(text: str, environ: dict[str, str]) -> None:
    assert load_text(text, environ).digest != load_text(LEAST, ENVIRON).digest


def test_the_digest_changes_with_a_lineage_file(folder: Path) -> None:
    before = load(folder / "fallgate.yaml", ENVIRON).digest
    (folder / "v1.yaml").write_text(LINEAGE.replace("0.91", "0.92"))

    assert load(folder / "fallgate.yaml", ENVIRON).digest != before
