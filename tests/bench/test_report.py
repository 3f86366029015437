"""What the rig makes of its measurements, and that nothing it starts outlives it."""

import sys
import time
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.contenders import OURS
from tests.bench.measure import SERVED, Kind, Result, Sample, sum_counters
from tests.bench.million import Point, growth_verdict, slope_mb
from tests.bench.processes import BenchError, ProcessMemory, is_alive, running, tree, wait_until_ready


def result(
    cpu_us: float, *, p50_ms: float = 0.5, judged: bool = True, counters: dict[str, float] | None = None
) -> Result:
    sample = Sample(
        answered=100,
        cpu_us=cpu_us,
        per_second=1e6 / cpu_us,
        p50_ms=p50_ms,
        p99_ms=2 * p50_ms,
        first_byte_p50_ms=p50_ms,
        busy_share=1.0,
        others_share=0.0,
        logprobs_asked=100 if judged else 99,
        models_asked={"support-v1": 100},
    )
    worker = ProcessMemory(pid=1, command="worker", pss_mb=90, rss_mb=100, cpu_s=9)
    return Result(samples=dict.fromkeys(Kind, sample), processes=[worker], counters=counters or {})


def verdict(rounds: list[report.Round], words: str) -> report.Verdict:
    (found,) = [one for one in report.verdicts(rounds) if words in one.what]
    return found


def test_a_ratio_is_taken_within_its_round_and_not_between_medians() -> None:
    rounds = [{OURS: result(100.0 * slow), "smg": result(50.0 * slow)} for slow in (1, 7, 3)]

    assert verdict(rounds, "against smg, JSON with lp").measured == "2.00 × (2.00–2.00)"


@pytest.mark.parametrize(("cpu_us", "is_met"), [(199.0, True), (201.0, False)])
def test_json_may_cost_twice_what_smg_costs(cpu_us: float, is_met: bool) -> None:
    rounds = [{OURS: result(cpu_us), "smg": result(100.0)}]

    assert verdict(rounds, "against smg, JSON with lp").is_met is is_met


def test_added_latency_is_measured_against_nginx() -> None:
    rounds = [{OURS: result(1, p50_ms=1.9), "nginx": result(1, p50_ms=0.5)}]

    assert not verdict(rounds, "whole answer").is_met


def test_a_gateway_that_leaves_one_answer_unjudged_does_not_meet_the_bar() -> None:
    assert not verdict([{OURS: result(1, judged=False)}], "log-probabilities asked for").is_met


@pytest.mark.parametrize("dropped", [0.0, 1.0])
def test_a_dropped_record_does_not_meet_the_bar(dropped: float) -> None:
    counters = {SERVED: 600.0, "upstream answers": 600.0, "gateway_records_dropped_total": dropped}

    assert verdict([{OURS: result(1, counters=counters)}], "counters have").is_met is (dropped == 0)


def test_counters_are_summed_over_arms_and_kept_apart_by_outcome() -> None:
    exposition = """# HELP gateway_requests_total Requests
gateway_requests_total{arm="v1",model="v1",outcome="served",route="support"} 3.0
gateway_requests_total{arm="v2",model="v2",outcome="served",route="support"} 4.0
gateway_requests_total{arm="v2",model="large",outcome="fallback",route="support"} 1.0
gateway_requests_created{arm="v1",model="v1",outcome="served",route="support"} 1.79e+09
gateway_records_dropped_total 2.0
"""
    assert sum_counters(exposition) == {
        SERVED: 7.0,
        "gateway_requests_total fallback": 1.0,
        "gateway_records_dropped_total": 2.0,
    }


def test_tables_have_a_row_for_each_gateway_and_columns_of_one_width() -> None:
    rounds = [{"smg": result(100), OURS: result(150)}]

    lines = report.render(report.speed_table(rounds, ["smg", OURS])).splitlines()

    assert len(lines) == 4
    assert len(set(map(len, lines))) == 1


def test_growth_while_warming_up_is_not_a_leak_and_growth_after_it_is() -> None:
    flat = [Point(requests=n * 50_000, worker_mb=60 + min(n, 3), tree_mb=100) for n in range(1, 21)]
    leak = [Point(requests=n * 50_000, worker_mb=60 + n, tree_mb=100) for n in range(1, 21)]

    assert slope_mb(flat, "worker_mb") == pytest.approx(0)
    assert slope_mb(leak, "worker_mb") == pytest.approx(20)
    assert not growth_verdict({"slope_mb_per_million": {"worker_mb": 20.0, "tree_mb": 0.0}}).is_met


@pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")
def test_what_was_started_is_gone_afterwards_with_its_children(tmp_path: Path) -> None:
    with running(["sh", "-c", "sleep 60 & wait"], 0, tmp_path / "shell.log", {}) as process:
        end = time.monotonic() + 5
        while len(members := tree(process.pid)) < 2 and time.monotonic() < end:
            pass

    assert len(members) == 2
    assert not [pid for pid in members if is_alive(pid)]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")
def test_a_program_that_ends_early_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "shell.log"
    with (
        running(["sh", "-c", "echo port is taken; exit 3"], 0, log, {}) as process,
        pytest.raises(BenchError, match=r"shell ended with 3\n(.|\n)*port is taken"),
    ):
        wait_until_ready(lambda: "nothing listens", 5, process, log)
