"""Drift: have requests or answers moved, which of them, and are answers still right."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.panels import (
    COUNT,
    SHARE,
    SWITCH,
    Panel,
    Query,
    Question,
    dashboard_of,
    graph,
    number,
)

ARM = 'route=~"$route"'
NATS = "suffix: nats"
INPUTS = "input_length|input_words|turns|script|language|non_ascii|digits|upper|whitespace|code"
PIECES = "grams|unknown_words|new_word|template"
ANSWERS = "output_length|confidence|entropy|refusal|invalid|finish_reason|fallback|latency"


def drift() -> Dashboard:
    """The dashboard of what has moved."""
    rows = [("Now", _now()), ("What moved", _moved()), ("Are answers still right", _right())]
    return dashboard_of("Drift", "Have requests or answers moved, which of them, and are answers still right.", rows)


def _now() -> list[Panel]:
    return [
        number(
            Question(
                title="How many features have moved?",
                action="0 is calm. More: the next panel names them, `fallgate drifting ROUTE` says how: "
                "docs/runbooks/drift.md.",
                unit=COUNT,
            ),
            Query(f"sum by (route, model) (max by (route, model, feature) (gateway_drift_alarm{{{ARM}}}))",
                  "{{route}} {{model}}"),
            warn=1,
            width=8,
        ),
        graph(
            Question(
                title="Which alarms are on, and since when?",
                action="An alarm ends after three windows without it. `correct` stands for labels. One cause often "
                "moves several features: see which family comes first.",
                unit=SWITCH,
                most=1,
            ),
            Query(
                f"max by (route, model, feature) (gateway_drift_alarm{{{ARM}}}) == 1",
                "{{route}} {{model}} {{feature}}",
            ),
            Query(f"max(gateway_drift_alarm{{{ARM}}})", "any"),
            width=16,
        ),
    ]  # fmt: skip


def _score(features: str) -> Query:
    return Query(
        f'max by (route, model, feature) (gateway_drift_score{{{ARM}, feature=~"{features}"}})',
        "{{route}} {{model}} {{feature}}",
    )


def _moved() -> list[Panel]:
    return [
        graph(
            Question(
                title="How far are requests from what they were, in length, language and form?",
                action="PSI of the last window. Above 0.1 it is large, yet an alarm only if chance and the reference's "
                "own spread do not explain it.",
                unit=NATS,
            ),
            _score(INPUTS),
        ),
        graph(
            Question(
                title="How far are they in their words?",
                action="`new_word`: one that many requests share and that the reference lacks, such as a new product. "
                "Give the next version such examples.",
                unit=NATS,
            ),
            _score(PIECES),
        ),
        graph(
            Question(
                title="How far are answers from what they were?",
                action="Answers that move while requests do not: look at the model's server, and what changed there.",
                unit=NATS,
            ),
            _score(ANSWERS),
        ),
        graph(
            Question(
                title="Which routes want a new version?",
                action="`fallgate versions` and docs/runbooks/retraining-due.md say what to do, and what to train on.",
                unit=SWITCH,
                most=1,
            ),
            Query(f"max by (route, reason) (gateway_retraining_due{{{ARM}}})", "{{route}} {{reason}}"),
        ),
    ]


def _accuracy(what: str) -> list[Query]:
    ends = ("", ""), ("_lower", " at least"), ("_upper", " at most")
    return [
        Query(
            f"max by (route, model) (gateway_{what}_accuracy{suffix}{{{ARM}}})",
            f"{what}{end}, {{{{route}}}} {{{{model}}}}",
        )
        for suffix, end in ends
    ]


def _right() -> list[Panel]:
    return [
        graph(
            Question(
                title="How many answers are right, as confidence estimates it?",
                action="Without labels, from calibrated confidence. A fall while audits are calm: audit more to be "
                "sure.",
                unit=SHARE,
                most=1,
            ),
            *_accuracy("estimated"),
        ),
        graph(
            Question(
                title="How many are right among those audited?",
                action="Nothing here: switch audits on in the route. A wide band: raise audit.share.",
                unit=SHARE,
                most=1,
            ),
            *_accuracy("audited"),
        ),
        graph(
            Question(
                title="Do the two part?",
                action="On: requests mean something else than they did, and confidence does not know. "
                "docs/runbooks/accuracy-parted.md.",
                unit=SWITCH,
                most=1,
            ),
            Query(f"max by (route, model) (gateway_accuracy_parted{{{ARM}}})", "{{route}} {{model}}"),
        ),
    ]
