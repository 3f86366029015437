"""Turns rounds of measurements into medians, ratios, verdicts on the bar, and tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.contenders import OURS
from tests.bench.measure import SERVED, Kind, Result

COLUMNS = {
    Kind.JSON: "CPU µs a JSON request",
    Kind.JSON_LOGPROBS: "with lp",
    Kind.STREAM: "CPU µs a stream of 32 events",
    Kind.STREAM_LOGPROBS: "with lp",
}
# At most so many times what smg costs in the same round.
RATIO_BARS = {Kind.JSON: 2.0, Kind.JSON_LOGPROBS: 2.0, Kind.STREAM: 1.4, Kind.STREAM_LOGPROBS: 1.2}
LATENCY_BAR_MS = 1.0
WORKER_BAR_MB, TREE_BAR_MB = 150.0, 300.0
LITELLM_BAR = 30.0
# A core busy for less than this share was waiting for the load, so the gateway's requests a second say nothing.
SATURATED_SHARE = 0.95

Round = dict[str, Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One line of the bar: what was asked for, what was measured (with its spread over rounds)."""

    what: str
    bar: str
    measured: str
    is_met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median over rounds, with the least and the most."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(middle=median(values), least=min(values), most=max(values))

    def show(self, digits: int, unit: str = "") -> str:
        return f"{self.middle:.{digits}f}{unit} ({self.least:.{digits}f}–{self.most:.{digits}f})"


def over_rounds(rounds: Sequence[Round], names: Sequence[str], figure: Callable[..., float]) -> Spread | None:
    """A figure made of the named gateways' results of one round, for each round that has them all."""
    values = [figure(*(one[name] for name in names)) for one in rounds if all(name in one for name in names)]
    return Spread.of(values) if values else None


def cpu_ratio(kind: Kind) -> Callable[[Result, Result], float]:
    return lambda ours, peer: ours.samples[kind].cpu_us / peer.samples[kind].cpu_us


def verdicts(rounds: Sequence[Round]) -> list[Verdict]:
    """The bar, line by line; lines whose peer was not measured are left out."""
    found = [*ratio_verdicts(rounds), *latency_verdicts(rounds), *memory_verdicts(rounds), *litellm_verdicts(rounds)]
    return found + honesty_verdicts([one[OURS] for one in rounds if OURS in one])


def ratio_verdicts(rounds: Sequence[Round]) -> list[Verdict]:
    found = []
    for kind, bar in RATIO_BARS.items():
        if spread := over_rounds(rounds, [OURS, "smg"], cpu_ratio(kind)):
            what = f"CPU a request against smg, {kind.words}"
            found.append(
                Verdict(what=what, bar=f"≤ {bar} ×", measured=spread.show(2, " ×"), is_met=spread.middle <= bar)
            )
    return found


def latency_verdicts(rounds: Sequence[Round]) -> list[Verdict]:
    figures: dict[str, Callable[[Result, Result], float]] = {
        "whole answer": lambda a, b: a.samples[Kind.LOW_JSON].p50_ms - b.samples[Kind.LOW_JSON].p50_ms,
        "first byte of a stream": lambda a, b: (
            a.samples[Kind.LOW_STREAM].first_byte_p50_ms - b.samples[Kind.LOW_STREAM].first_byte_p50_ms
        ),
    }
    found = []
    for what, figure in figures.items():
        if spread := over_rounds(rounds, [OURS, "nginx"], figure):
            found.append(
                Verdict(
                    what=f"median latency over nginx at 40/s, {what}",
                    bar=f"≤ {LATENCY_BAR_MS:g} ms",
                    measured=spread.show(2, " ms"),
                    is_met=spread.middle <= LATENCY_BAR_MS,
                )
            )
    return found


def memory_verdicts(rounds: Sequence[Round]) -> list[Verdict]:
    found = []
    for what, bar, figure in (
        ("memory of the worker (PSS)", WORKER_BAR_MB, lambda ours: ours.worker_pss_mb),
        ("memory of all processes (PSS)", TREE_BAR_MB, lambda ours: ours.tree_pss_mb),
    ):
        if spread := over_rounds(rounds, [OURS], figure):
            found.append(
                Verdict(what=what, bar=f"≤ {bar:.0f} MB", measured=spread.show(0, " MB"), is_met=spread.most <= bar)
            )
    return found


def litellm_verdicts(rounds: Sequence[Round]) -> list[Verdict]:
    found = []
    for kind in RATIO_BARS:
        if spread := over_rounds(rounds, ["litellm", OURS], cpu_ratio(kind)):
            what = f"cheaper than LiteLLM, {kind.words}"
            measured, is_met = spread.show(0, " ×"), spread.middle >= LITELLM_BAR
            found.append(Verdict(what=what, bar=f"≥ {LITELLM_BAR:.0f} ×", measured=measured, is_met=is_met))
    return found


def honesty_verdicts(ours: Sequence[Result]) -> list[Verdict]:
    """That nothing was switched off: every answer judged by its log-probabilities, counted and recorded."""
    if not ours:
        return []
    samples = [sample for result in ours for sample in result.samples.values()]
    asked, judged = sum(s.answered for s in samples), sum(s.logprobs_asked for s in samples)
    fell_back = sum(s.models_asked.get("large", 0) for s in samples)
    found = [
        Verdict(
            what="requests that went on with log-probabilities asked for, to the versions alone",
            bar="all",
            measured=f"{judged} of {asked}, {fell_back} to the fallback",
            is_met=judged >= asked and not fell_back,
        )
    ]
    if counted := [result.counters for result in ours if result.counters]:
        served, told = (sum(c.get(name, 0.0) for c in counted) for name in (SERVED, "upstream answers"))
        dropped = sum(c.get("gateway_records_dropped_total", 0.0) for c in counted)
        measured = f"{served:.0f} of {told:.0f}, {dropped:.0f} records dropped"
        found.append(
            Verdict(
                what="requests that the gateway's counters have",
                bar="all",
                measured=measured,
                is_met=served == told and not dropped,
            )
        )
    return found


def speed_table(rounds: Sequence[Round], names: Sequence[str]) -> list[list[str]]:
    rows = [["", *COLUMNS.values(), "requests/s, one core"]]
    for name in names:
        results = [one[name] for one in rounds if name in one]
        cells = [f"{median(r.samples[kind].cpu_us for r in results):,.0f}" for kind in COLUMNS]
        share = median(r.samples[Kind.JSON].core_share for r in results)
        per_second = median(r.samples[Kind.JSON].per_second for r in results)
        limited = f"limited by the load ({per_second:,.0f})"
        rows.append([name, *cells, f"{per_second:,.0f}" if share >= SATURATED_SHARE else limited])
    return rows


def latency_table(rounds: Sequence[Round], names: Sequence[str]) -> list[list[str]]:
    heads = ["32 connections: JSON p50", "p99 ms", "stream p50", "p99 ms"]
    rows = [["", *heads, "40/s: JSON p50", "p99 ms", "stream's first byte", "worker MB", "tree MB"]]
    for name in names:
        results = [one[name] for one in rounds if name in one]
        figures: list[Callable[[Result], float]] = [
            lambda r: r.samples[Kind.JSON].p50_ms,
            lambda r: r.samples[Kind.JSON].p99_ms,
            lambda r: r.samples[Kind.STREAM].p50_ms,
            lambda r: r.samples[Kind.STREAM].p99_ms,
            lambda r: r.samples[Kind.LOW_JSON].p50_ms,
            lambda r: r.samples[Kind.LOW_JSON].p99_ms,
            lambda r: r.samples[Kind.LOW_STREAM].first_byte_p50_ms,
        ]
        cells = [f"{median(map(figure, results)):.2f}" for figure in figures]
        memory = [median(r.worker_pss_mb for r in results), median(r.tree_pss_mb for r in results)]
        rows.append([name, *cells, *(f"{megabytes:.0f}" for megabytes in memory)])
    return rows


def verdict_table(found: Sequence[Verdict]) -> list[list[str]]:
    rows = [["bar", "asked", "measured (spread over rounds)", ""]]
    return rows + [[v.what, v.bar, v.measured, "met" if v.is_met else "NOT MET"] for v in found]


def render(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, padded so that it reads in a terminal too."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
