"""Cost: what is spent, on what, and what is not known."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.panels import (
    DOLLARS,
    PER_SECOND,
    SHARE,
    TOKENS_PER_SECOND,
    Panel,
    Query,
    Question,
    dashboard_of,
    graph,
    number,
    rate,
    share,
    signed,
)

SPENT = 'route=~"$route", model=~"$model"'
ROUTE = 'route=~"$route"'
COUNTED = 'route=~"$route", outcome!~"rejected|client_closed"'
CHECKING = 'route=~"$route", purpose=~"shadow|audit|judge|probe"'


def cost() -> Dashboard:
    """The dashboard of money."""
    rows = [
        ("Spent", [*_spent(), *_pace()]),
        ("A request, a token", _unit_costs()),
        ("Saved", [*_saved(), *_beside()]),
        ("Behind it", _behind()),
    ]
    return dashboard_of("Cost", "What is spent, on what, and what is not known.", rows, ("route", "model"))


def _spent() -> list[Panel]:
    """What has been spent, as numbers."""
    return [
        number(
            Question(
                title="How much was spent in the time that is shown?",
                action="The records have it to the nano-dollar. More than planned: docs/runbooks/spend-above-plan.md.",
                unit=DOLLARS,
            ),
            Query(f"sum(increase(gateway_cost_usd_total{{{SPENT}}}[$__range]))"),
            width=8,
        ),
        number(
            Question(
                title="What does a request cost?",
                action="Of the whole path: drafts that were replaced, fallbacks, audits and shadows. Rising: see below "
                "which purpose it is.",
                unit=DOLLARS,
            ),
            Query(
                f"sum(increase(gateway_cost_usd_total{{{ROUTE}}}[$__range])) "
                f"/ sum(increase(gateway_requests_total{{{COUNTED}}}[$__range]))"
            ),
            width=8,
        ),
        number(
            Question(
                title="How many calls have no known price?",
                action="They are missing in every number here. Give their model a `price` in the file.",
                unit=PER_SECOND,
            ),
            Query('sum(rate(gateway_unpriced_requests_total{model=~"$model"}[$__rate_interval])) or vector(0)'),
            warn=1e-9,
            width=8,
        ),
    ]


def _pace() -> list[Panel]:
    """What is being spent, and whether that was planned."""
    a_day = "* 86400"
    return [
        graph(
            Question(
                title="What does a day cost at this pace, by purpose?",
                action="`draft` is what rejected answers cost: many, and a higher threshold saves nothing. `audit` and "
                "`shadow` have caps of their own in the file.",
                unit=DOLLARS,
                is_stacked=True,
            ),
            Query(f"{rate('gateway_cost_usd_total', SPENT, 'purpose')} {a_day}", "{{purpose}}"),
        ),
        graph(
            Question(
                title="What does a day cost at this pace, by model?",
                action="The larger model's part grows: look why answers fall back, on the dashboard Overview.",
                unit=DOLLARS,
                is_stacked=True,
            ),
            Query(f"{rate('gateway_cost_usd_total', SPENT, 'model')} {a_day}", "{{model}}"),
        ),
        graph(
            Question(
                title="Is the last day within the plan?",
                action="The plan is a number in deploy/prometheus/rules/objectives.yaml. Above it: "
                "docs/runbooks/spend-above-plan.md.",
                unit=DOLLARS,
            ),
            Query(f"route:gateway_cost_usd:increase1d{{{ROUTE}}}", "{{route}}"),
            Query(f"route:gateway_cost_usd:plan1d{{{ROUTE}}}", "plan of {{route}}"),
            width=24,
        ),
    ]


def _unit_costs() -> list[Panel]:
    tokens = rate("gateway_tokens_total", SPENT, "model")
    return [
        graph(
            Question(
                title="What does a request cost, by route?",
                action="Compare with what the larger model costs alone. As dear as that: fall back less, or not at "
                "all.",
                unit=DOLLARS,
            ),
            Query(
                f"{rate('gateway_cost_usd_total', ROUTE, 'route')} "
                f"/ ({rate('gateway_requests_total', COUNTED, 'route')} > 0)",
                "{{route}}",
            ),
        ),
        graph(
            Question(
                title="What does a million tokens cost?",
                action="Of all kinds together. One that jumps has a new price in the file, or another mix of input and "
                "output.",
                unit=DOLLARS,
            ),
            Query(f"{rate('gateway_cost_usd_total', SPENT, 'model')} / ({tokens} > 0) * 1e6", "{{model}}"),
        ),
        graph(
            Question(
                title="How much of the money goes into checking?",
                action="Audits, shadows, judges and probes. Too much: lower their shares or their caps in the file.",
                unit=SHARE,
                most=1,
            ),
            Query(
                share(
                    rate("gateway_cost_usd_total", CHECKING, "route"), rate("gateway_cost_usd_total", ROUTE, "route")
                ),
                "{{route}}",
            ),
        ),
    ]


def _saved() -> list[Panel]:
    """What the large model alone would have cost more."""
    return [
        graph(
            Question(
                title="How much do routes save against the large model alone?",
                action="An estimate from pairs of answers, in dollars a day, counted by the hour. Nothing: "
                "`fallgate cost ROUTE` says what is missing.",
                unit=DOLLARS,
            ),
            Query(f"sum by (route) (increase(gateway_savings_usd_total{{{ROUTE}}}[1d]))", "{{route}}"),
        ),
        signed(
            Question(
                title="How sure is what the last 24 hours saved?",
                action="The estimate as it is now, with its 95 % interval. Wide: a larger share of audits. Below "
                "0: fall back less, or let the larger model answer alone. None: fewer than 30 pairs in a week; turn on "
                "`audit`.",
                unit=DOLLARS,
            ),
            *(
                Query(f"max by (route) (gateway_estimated_savings_usd{end}{{{ROUTE}}})", f"{said}{{{{route}}}}")
                for end, said in (("", ""), ("_lower", "lower bound, "), ("_upper", "upper bound, "))
            ),
        ),
    ]


def _beside() -> list[Panel]:
    """What is paid beside answering."""
    return [
        graph(
            Question(
                title="What does hardware cost while it is idle?",
                action="In dollars a day, of models with a rate card. Much: fewer GPUs, or more adapters on each.",
                unit=DOLLARS,
            ),
            Query('sum by (model) (increase(gateway_idle_cost_usd_total{model=~"$model"}[1d]))', "{{model}}"),
        ),
        graph(
            Question(
                title="Do audits and shadows stay within their caps?",
                action="At its cap a check stops until midnight (UTC). Too early in the day: lower the share, or raise "
                "`spend_usd_per_day`.",
                unit=DOLLARS,
            ),
            Query(
                f'sum by (route, purpose) (increase(gateway_cost_usd_total{{{ROUTE}, purpose=~"audit|shadow"}}[1d]))',
                "{{route}} {{purpose}}",
            ),
            Query(
                f"max by (route, purpose) (gateway_planned_spend_usd_per_day{{{ROUTE}}})",
                "cap of {{route}} {{purpose}}",
            ),
        ),
    ]


def _behind() -> list[Panel]:
    read, cached = f'{SPENT}, kind=~"input|cached_input|cache_write"', f'{SPENT}, kind="cached_input"'
    return [
        graph(
            Question(
                title="Which tokens are billed?",
                action="`output` is the dear kind. `reasoning` without need: switch it off in the request.",
                unit=TOKENS_PER_SECOND,
                is_stacked=True,
            ),
            Query(rate("gateway_tokens_total", SPENT, "kind"), "{{kind}}"),
        ),
        graph(
            Question(
                title="How much of the input comes from the upstream's cache?",
                action="Low with a long system prompt: put what changes at the end of the prompt.",
                unit=SHARE,
                most=1,
            ),
            Query(
                share(rate("gateway_tokens_total", cached, "model"), rate("gateway_tokens_total", read, "model")),
                "{{model}}",
            ),
        ),
    ]
