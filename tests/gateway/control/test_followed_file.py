import logging
from pathlib import Path

import pytest

from gateway.control.file import FollowedFile

REST = """
models: {m: {provider: vllm, base_url: "http://127.0.0.1:1/v1", model: m}}
routes: {r: {split: {m: 100}}}
"""


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("store: {url: 'sqlite:///other.db'}", ["store.url"]),
        ("server: {workers: 3}", ["server"]),
        ("store: {retention_days: 7}", []),
    ],
)
def test_what_waits_for_the_next_start_is_told_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, changed: str, said: list[str]
) -> None:
    path = tmp_path / "fallgate.yaml"
    path.write_text(REST)
    file = FollowedFile(path, {})
    assert file.read()
    path.write_text(changed + REST)

    with caplog.at_level(logging.WARNING):
        assert file.read()
    counts_later = "what changed here counts from the next start on"
    assert caplog.messages == [f"{path}: {key}: {counts_later}" for key in said]
