"""A child is told its plan on standard input, and sees by the same pipe that its supervisor is gone."""

import logging
import os
from collections.abc import Iterator
from threading import Event

import pytest

from gateway.launch import WorkerPlan, configure_logging, encode_plan, follow_supervisor, read_plan

PLAN = WorkerPlan(
    writer_id="w1-00ff",
    store_url="postgresql://user:pass\nword@host/name",
    coordination_url=None,
    state_dir="state",
    data_fd=7,
    drain_s=30.0,
    log_level="info",
)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)


def test_a_plan_arrives_as_it_was_sent_and_what_follows_is_left_in_the_pipe(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.write(writer, encode_plan(PLAN) + b"more")
    os.close(writer)
    assert read_plan(WorkerPlan, reader) == PLAN
    assert os.read(reader, 100) == b"more"


def test_a_process_started_by_hand_says_who_starts_it(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(writer)
    with pytest.raises(SystemExit, match="fallgate serve"):
        read_plan(WorkerPlan, reader)


def test_the_end_of_the_pipe_means_that_the_supervisor_is_gone(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    gone = Event()
    follow_supervisor(gone.set, reader)
    os.write(writer, b"still here\n")
    assert not gone.wait(0.05)
    os.close(writer)
    assert gone.wait(5)


def test_lines_after_the_plan_are_heard_however_they_are_cut(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    heard: list[str] = []
    gone = Event()
    follow_supervisor(gone.set, reader, on_line=heard.append)
    for piece in (b"w1-", b"ab\nw2-cd\nw3", b"-ef\n"):
        os.write(writer, piece)
    os.close(writer)
    assert gone.wait(5)
    assert heard == ["w1-ab", "w2-cd", "w3-ef"]


def test_a_message_cannot_forge_a_second_log_line(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        configure_logging("info")
        logging.getLogger("gateway.test").warning("one\nERROR two \x1b[31mred")
    finally:
        root.handlers[:], root.level = before
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert r"one\nERROR two \x1b[31mred" in written
