"""Experiment: does traffic split as asked, and is the candidate better."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.panels import (
    COUNT,
    DOLLARS,
    PROBABILITY,
    SHARE,
    SWITCH,
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

ROUTE = 'route=~"$route"'
NOT_SERVED = f'{ROUTE}, outcome=~"fallback|degraded|failed|interrupted"'
LABELS, HARM = "feedback_success|audit_agreement|confidence", "fallback_share|failure_share|invalid_share"
TIMES, TOKENS, COST = "latency_ms|latency_p95_ms|first_token_ms", "output_tokens", "cost_usd"
MILLISECONDS = "ms"


def experiment() -> Dashboard:
    """The dashboard of what an experiment shows."""
    rows = [("Split", _split()), ("Effects, candidate minus baseline", _effects())]
    return dashboard_of("Experiment", "Does traffic split as asked, and is the candidate better.", rows)


def _split() -> list[Panel]:
    assigned = f"rate(gateway_assignments_total{{{ROUTE}}}[$__rate_interval])"
    return [
        number(
            Question(
                title="Did the arms get what was due to them?",
                action="The p-value of the sample-ratio check. Below 0.001 no result is to be trusted: "
                "docs/runbooks/sample-ratio.md.",
                unit=PROBABILITY,
            ),
            Query(f"min by (route) (gateway_experiment_srm_pvalue{{{ROUTE}}})", "{{route}}"),
            width=8,
        ),
        graph(
            Question(
                title="What state is the experiment in?",
                action="`paused`: by an operator, or after a change of the split by hand; `fallgate experiment` says "
                "why and resumes. `inconclusive`: it came to its stop date.",
                unit=SWITCH,
                most=1,
            ),
            Query(f"max by (route, state) (gateway_experiment_state{{{ROUTE}}}) == 1", "{{route}} {{state}}"),
            width=16,
        ),
        graph(
            Question(
                title="Does traffic split as asked?",
                action="Requests wander about what is asked, since users differ in how many they send. Far off for "
                "hours: some user makes much of the traffic; the admin API warns of it.",
                unit=SHARE,
                most=1,
            ),
            Query(
                f"sum by (route, arm) ({assigned}) / on (route) group_left () (sum by (route) ({assigned}) > 0)",
                "realised, {{route}} {{arm}}",
            ),
            Query(f"max by (route, arm) (gateway_split_ratio{{{ROUTE}}})", "asked, {{route}} {{arm}}"),
        ),
        graph(
            Question(
                title="How many requests does an arm not serve itself?",
                action="Not the verdict, which counts users: a first look at an arm that fails.",
                unit=SHARE,
                most=1,
            ),
            Query(
                share(
                    rate("gateway_requests_total", NOT_SERVED, "route, arm"),
                    rate("gateway_requests_total", ROUTE, "route, arm"),
                ),
                "{{route}} {{arm}}",
            ),
        ),
    ]


def _effect(metrics: str) -> list[Query]:
    def of(suffix: str) -> str:
        return f'max by (route, arm, metric) (gateway_experiment_effect{suffix}{{{ROUTE}, metric=~"{metrics}"}})'

    return [
        Query(of(""), "{{route}} {{arm}} {{metric}}"),
        Query(of("_lower"), "lower bound, {{route}} {{arm}} {{metric}}"),
        Query(of("_upper"), "upper bound, {{route}} {{arm}} {{metric}}"),
    ]


def _effects() -> list[Panel]:
    return [
        signed(
            Question(
                title="Is the candidate right more often?",
                action="Above 0 is better. Settled once the interval lies on one side of 0, or above minus the margin; "
                "it holds however often one looks.",
                unit=SHARE,
            ),
            *_effect(LABELS),
        ),
        signed(
            Question(
                title="Does it fail or fall back more often?",
                action="Below 0 is better. A guardrail whose whole interval is above its margin rolls back by itself.",
                unit=SHARE,
            ),
            *_effect(HARM),
        ),
        signed(
            Question(
                title="Is it slower?",
                action="Below 0 is better. Look at the dashboard Models whether its server has less room.",
                unit=MILLISECONDS,
            ),
            *_effect(TIMES),
        ),
        signed(
            Question(
                title="Does it say more?",
                action="More tokens cost more and take longer; compare with how often it is right.",
                unit=COUNT,
            ),
            *_effect(TOKENS),
        ),
        signed(
            Question(
                title="Does a request cost more?",
                action="Of the whole path, fallbacks included. Below 0 is better.",
                unit=DOLLARS,
            ),
            *_effect(COST),
        ),
    ]
