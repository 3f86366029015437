"""`fallgate experiment ROUTE --report FILE`: what was promised, what happened and what was seen, as a page of Markdown.

Plots are text, so that they are there wherever the page is read.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.cli.client import AdminClient, AdminFailure, Json

WIDTH = 48
"""Characters of a plot."""
MOST_LINES = 24
"""Of a plot over time."""
_HIGHER = frozenset({"feedback_success", "audit_agreement", "confidence"})


def write_report(client: AdminClient, found: Json, path: Path) -> None:
    """Write the page about an experiment that was read from the admin API.

    Raises:
        AdminFailure: the gateway does not answer, or the file cannot be written.
    """
    route, name = found["route"], found["name"]
    looks = client.experiment_looks(route, name)["looks"] if found["id"] is not None else []
    entries = [one for one in client.audit(route) if one["detail"].get("experiment") == name]
    try:
        path.write_text(report(found, looks, entries[::-1]))
    except OSError as error:
        raise AdminFailure(f"{path} cannot be written: {error.strerror}") from None


def report(found: Json, looks: Sequence[Json], entries: Sequence[Json]) -> str:
    """The page.

    Args:
        found: the experiment, as the admin API shows it.
        looks: what was seen of the primary metric, the first look first.
        entries: what the audit has of it, the first entry first.
    """
    contract, result = found["contract"], found["result"]
    parts = [
        f"# Experiment {_text(found['name'])} on route {_text(found['route'])}",
        f"**{_words(found['state']).capitalize()}**: {_text(found['reason'])}",
        _head(found),
        "## Contract\n\nFixed before the start.\n\n" + _contract(contract),
        "## What happened\n\n" + _timeline(entries),
    ]
    if result is not None:
        parts += [
            "## Units\n\n" + _units(contract, result),
            "## Effects\n\n" + _effects(contract, result),
            "## Guardrails\n\n" + _guardrails(contract, result),
            "## Sample ratio\n\n" + _sample_ratio(result),
            "## The primary metric over time\n\n" + _over_time(contract, looks),
            "## Ruling\n\n" + _ruling(result),
        ]
    return "\n\n".join(parts) + "\n"


def _head(found: Json) -> str:
    result = found["result"]
    seen = "Nothing has been seen yet." if result is None else f"Last looked at on {_time(result['at_us'])}."
    contract = found["contract"]
    return (
        f"{_text(contract['candidate'])} (the candidate) against {_text(contract['baseline'])} (the baseline), "
        f"at step {found['step'] + 1} of {len(contract['steps'])}: {found['percent']:g} % of the units. {seen}"
    )


def _contract(contract: Json) -> str:
    primary = contract["primary"]
    asked = "has to be better" if primary["margin"] is None else f"may be worse by {primary['margin']:g}"
    limits = [f"{one['metric']} may be worse by {one['margin']:g}" for one in contract["guardrails"]]
    horizon_s = contract["horizon_s"]
    return _table(
        ("term", "value"),
        [
            ("primary metric", f"{primary['metric']}, {asked}"),
            ("guardrails", "; ".join(limits) or "none"),
            ("steps", ", ".join(f"{step:g} %" for step in contract["steps"])),
            ("soak", f"{contract['soak_s']:g} s a step"),
            ("horizon", "the first request of a unit" if horizon_s is None else f"{horizon_s:g} s"),
            ("least units an arm", f"{contract['min_units']:,}"),
            ("planned units", f"{contract['planned_units']:,}"),
            ("alpha", f"{contract['alpha']:g}"),
            ("stop", _time(contract["stop_us"])),
            ("hold-out", f"{contract['holdout']:g} %"),
            ("mode", str(contract["mode"])),
        ],
    )


def _timeline(entries: Sequence[Json]) -> str:
    if not entries:
        return "Nothing yet."
    rows = []
    for entry in entries:
        state, step = entry["detail"]["state"], entry["detail"]["step"]
        moved = f"step {step['from'] + 1} to {step['to'] + 1}" if isinstance(step, dict) else f"step {step + 1}"
        became = _words(state["to"]) if state["from"] != state["to"] else moved
        rows.append((_time(entry["at_us"]), became, str(entry["who"]), str(entry["reason"] or "")))
    return _table(("when", "what", "by", "why"), rows)


def _units(contract: Json, result: Json) -> str:
    arms = contract["baseline"], contract["candidate"]
    rows = []
    for step in result["units"]["steps"]:
        total = sum(step["due"].values())
        for arm in arms:
            due = f"{100 * step['due'][arm] / total:g} %"
            rows.append((str(step["step"] + 1), arm, due, f"{step['entered'][arm]:,}", f"{step['matured'][arm]:,}"))
    waiting = " and ".join(f"{result['units']['waiting'][arm]:,} of {_text(arm)}" for arm in arms)
    return (
        _table(("step", "arm", "share due", "entered", "matured"), rows)
        + f"\n\nA unit enters once, with its first request. Waiting for their horizon: {waiting}. "
        + f"Seen in both arms, and left where they entered: {result['units']['moved']:,}."
    )


def _effects(contract: Json, result: Json) -> str:
    baseline, candidate = contract["baseline"], contract["candidate"]
    rows, lines = [], []
    for metric, effect in result["effects"].items():
        rows.append(
            (
                f"**{metric}**" if metric == result["primary"] else metric,
                _figure(effect["arms"][baseline]),
                _figure(effect["arms"][candidate]),
                _signed(effect["effect"]),
                f"{_signed(effect['lower'])} to {_signed(effect['upper'])}",
                f"{effect['units'][baseline]:,} / {effect['units'][candidate]:,}",
                "higher" if metric in _HIGHER else "lower",
            )
        )
        lines.append(f"{metric:<16} {_own_scale(effect)}")
    columns = ("metric", baseline, candidate, "effect", f"{100 - 100 * contract['alpha']:g} % interval", "units")
    return (
        _table((*columns, "better"), rows)
        + "\n\nCandidate minus baseline, step by step combined; matured units, by the arm they were assigned to, "
        + "whoever answered. The intervals hold however often one looks, each for itself. `*` is the effect, `|` no "
        + "difference, each on a scale of its own:\n\n"
        + _block(lines)
        + _coverage(result)
    )


def _coverage(result: Json) -> str:
    parts = [
        f"\n\n{metric} is known of " + " and ".join(f"{share:.1%} of {_text(arm)}" for arm, share in found.items())
        for metric, found in result["coverage"].items()
    ]
    return "".join(f"{part}." for part in parts)


def _guardrails(contract: Json, result: Json) -> str:
    if not result["guardrails"]:
        return "None."
    rows = [
        (
            one["metric"],
            f"{one['margin']:g}",
            _signed(one["effect"]),
            "nothing is sure" if one["least_harm"] is None else f"at least {_figure(one['least_harm'])} worse",
            "**breached**" if one["is_breached"] else "kept",
        )
        for one in result["guardrails"]
    ]
    share = contract["alpha"] / len(rows)
    return (
        _table(("metric", "margin", "effect", "surely", "state"), rows)
        + f"\n\nOf first requests, of all units that entered; one-sided, at {share:.3g} each."
    )


def _sample_ratio(result: Json) -> str:
    ratio = result["sample_ratio"]
    says = "**The arms did not get the units that were due to them.**" if ratio["is_off"] else "As it should be."
    return f"{says} p = {ratio['p_value']:.3g}, valid at every look; below 0.001 no verdict is drawn."


def _over_time(contract: Json, looks: Sequence[Json]) -> str:
    known = [look for look in looks if look["lower"] is not None and look["upper"] is not None]
    if not known:
        return "Too little is known yet."
    every = -(-len(known) // MOST_LINES)
    shown = known[::-1][::every][::-1]
    low = min(0.0, *(look["lower"] for look in shown[len(shown) // 4 :]))
    high = max(0.0, *(look["upper"] for look in shown[len(shown) // 4 :]))
    lines = [
        f"{_time(look['at_us'])[5:19]} {contract['steps'][look['step']]:>5g} % {look['units']:>8,} "
        + _interval(look, low, high)
        for look in shown
    ]
    head = f"{'':<14} {'share':>7} {'units':>8} {_signed(low):<{WIDTH // 2}}{_signed(high):>{WIDTH - WIDTH // 2}}"
    return f"Effect on {known[-1]['metric']}, with its interval.\n\n" + _block([head, *lines])


def _ruling(result: Json) -> str:
    move = result["move"]
    verb = "Done" if move["is_acted_on"] else "What follows" if move["kind"] == "stay" else "It would be done"
    numbers = [(name, _figure(value)) for name, value in sorted(result["numbers"].items())]
    follows = f"{verb}: {_words(move['kind'])}: {_text(move['reason'])}"
    table = _table(("number", "value"), numbers)
    return f"`{result['ruling']}`: {_text(result['reason'])}\n\n{follows}\n\n{table}"


def _own_scale(effect: Json) -> str:
    lower, upper = effect["lower"], effect["upper"]
    if lower is None or upper is None:
        return "unknown"
    low, high = min(lower, 0.0), max(upper, 0.0)
    return f"{_signed(low):>10} {_interval(effect, low, high)} {_signed(high)}"


def _interval(look: Json, low: float, high: float) -> str:
    """A line of characters from `low` to `high`."""

    def at(value: float) -> int:
        share = (value - low) / (high - low) if high > low else 0.5
        return round(min(1.0, max(0.0, share)) * (WIDTH - 1))

    line = [" "] * WIDTH
    for place in range(at(look["lower"]), at(look["upper"]) + 1):
        line[place] = "-"
    line[at(0.0)] = "|"
    line[at(look["effect"])] = "*"
    return "".join(line)


def _block(lines: Iterable[str]) -> str:
    return "```text\n" + "\n".join(line.rstrip() for line in lines) + "\n```"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_text(cell) for cell in line) + " |" for line in lines)


def _text(text: str) -> str:
    """What somebody wrote, so that it stays text within a cell."""
    return " ".join(str(text).split()).replace("<", "&lt;").replace("|", "\\|")


def _words(state: str) -> str:
    return state.replace("_", " ")


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _figure(value: Any) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def _signed(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.4g}"
