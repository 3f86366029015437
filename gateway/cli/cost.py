"""`fallgate cost`: what a route costs, and what it saves against the large model alone."""

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.client import AdminClient, Json, run

if TYPE_CHECKING:
    from rich.console import Console


def cost(
    route: Annotated[str, typer.Argument(metavar="ROUTE", help="The route.")],
    days: Annotated[int, typer.Option(metavar="N", help="Of the last N days.", min=1, max=3660)] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a route costs, by model and purpose, and what it saves against the large model alone.

    What the large model would have cost is estimated from requests that it also answered, for an audit or a shadow;
    with too few of them it is unknown. Needs FALLGATE_ADMIN_KEY, and FALLGATE_ADMIN_URL where the gateway is not at
    http://127.0.0.1:8081.
    """

    def act(client: AdminClient) -> Json:
        return {"ok": True, **client.cost(route, days=days)}

    run("cost", act, _show, as_json=as_json)


def _show(found: Json) -> None:
    from rich.console import Console

    console = Console()

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    say(f"{found['route']}: {found['requests']:,} requests in {_span(found['hours'])}")
    _show_lines(console, found["lines"])
    for line in (*_paid(found), *_saved(found), *_breaks_even(found), *_training(found)):
        say(line)


def _show_lines(console: "Console", lines: list[Json]) -> None:
    from rich.table import Table

    if not lines:
        return
    table = Table(box=None, pad_edge=False)
    for word in ("model", "purpose", "attempts", "tokens in", "tokens out", "cost", "unpriced"):
        table.add_column(word, justify="left" if word in ("model", "purpose") else "right")
    for line in lines:
        tokens = line["tokens"]
        taken = tokens["input"] + tokens["cached_input"] + tokens["cache_write"]
        made = tokens["output"] + tokens["reasoning"]
        counts = (f"{number:,}" for number in (line["attempts"], taken, made))
        table.add_row(line["model"], line["purpose"], *counts, _usd(line["cost_usd"]), f"{line['unpriced']:,}")
    console.print(table)


def _paid(found: Json) -> list[str]:
    paid = found["paid"]
    said = [f"paid to answer      {_usd(paid['to_answer_usd'])}{_rate(paid)}"]
    if paid["beside_usd"]:
        said.append(f"audits and shadows  {_usd(paid['beside_usd'])}")
    if paid["idle_usd"]:
        said.append(f"idle hardware       {_usd(paid['idle_usd'])}, this route's part of it")
    return said


def _saved(found: Json) -> list[str]:
    large, saved = found["large"], found["savings"]
    if not saved["known"]:
        return [f"saved               unknown: {saved['reason']}"]
    share = "" if saved["share"] is None else f", {saved['share']:.0%} of it"
    return [
        f"{large['model']} alone".ljust(20)
        + f"{_interval(large['alone_usd'])}{_rate(large)}, from {large['pairs']} pairs",
        f"saved               {_interval(saved['saved_usd'])}; {_usd(saved['a_month_usd'])} a month{share}",
        f"less audits etc.    {_interval(saved['net_usd'])}",
    ]


def _breaks_even(found: Json) -> list[str]:
    fallback, hardware = found["fallback"], found["hardware"]
    said = []
    if fallback["share"] is not None:
        even = fallback["break_even_share"]
        until = "unknown" if even is None else f"{even:.1%}"
        said.append(f"falls back          {fallback['share']:.1%}; cheaper than the large model alone below {until}")
    if hardware["day_usd"] is not None:
        volume = hardware["break_even_requests_a_day"]
        from_on = "unknown" if volume is None else f"{volume:,} requests a day"
        said.append(f"hardware            {_usd(hardware['day_usd'])} a day; pays off from {from_on}")
    return said


def _training(found: Json) -> list[str]:
    training = found["training"]
    if training["cost_usd"] is None:
        return ["training            unknown: no lineage says `training: {cost_usd: …}`"]
    days = training["earned_back_days"]
    if days is None:
        after = "unknown" if not found["savings"]["known"] else "never, as nothing is saved"
    else:
        after = "in under a day" if days < 1 else f"after {days:.1f} days"
    return [f"training            {_usd(training['cost_usd'])}, earned back {after}"]


def _rate(part: Json) -> str:
    if part["a_request_usd"] is None or part["a_month_usd"] is None:
        return "; in all unknown, as some prices are"
    return f"; {_usd(part['a_request_usd'])} a request, {_usd(part['a_month_usd'])} a month"


def _interval(estimate: Json) -> str:
    return f"{_usd(estimate['value'])} ({_usd(estimate['lower'])} to {_usd(estimate['upper'])})"


def _usd(amount: float) -> str:
    size = abs(amount)
    digits = 2 if size >= 1 or not size else 4 if size >= 0.001 else 9
    return f"{'-' if amount < 0 else ''}${size:,.{digits}f}"


def _span(hours: int) -> str:
    return f"{hours} hours" if hours < 48 else f"{hours / 24:g} days" if hours % 24 == 0 else f"{hours / 24:.1f} days"
