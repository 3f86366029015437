"""Confidence: what it is worth, and what is done with it."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.panels import (
    COUNT,
    PER_SECOND,
    PROBABILITY,
    SHARE,
    SWITCH,
    Panel,
    Query,
    Question,
    bars,
    dashboard_of,
    graph,
    quantile,
    rate,
    signed,
    spread,
)

ARM = 'route=~"$route", model=~"$model"'


def confidence() -> Dashboard:
    """The dashboard of what answers are worth."""
    rows = [
        ("How sure models are", [*_answers(), *_replaced()]),
        ("What that is worth", _calibration()),
        ("Who says so", _labels()),
    ]
    return dashboard_of("Confidence", "What confidence is worth, and what is done with it.", rows, ("route", "model"))


def _answers() -> list[Panel]:
    """How sure models are of what they say."""
    seen = f"sum by (route, model) (rate(gateway_confidence_count{{{ARM}}}[$__rate_interval]))"
    missing = f"sum by (route, model) (rate(gateway_confidence_missing_total{{{ARM}}}[$__rate_interval]))"
    return [
        spread(
            Question(
                title="How are answers spread over confidence?",
                action="A bulk that moves down: inputs have changed, or the version. Choose one model above. Without "
                "calibration these are raw scores.",
                unit=PROBABILITY,
            ),
            f"sum by (le) (increase(gateway_confidence_bucket{{{ARM}}}[$__rate_interval]))",
        ),
        graph(
            Question(
                title="How sure are models of their answers?",
                action="A tenth that sinks while the median stays: some kind of request goes wrong. Look for it in the "
                "records with `fallgate explain`.",
                unit=PROBABILITY,
                most=1,
            ),
            Query(quantile(0.5, "gateway_confidence", ARM, "route, model"), "median, {{route}} {{model}}"),
            Query(quantile(0.1, "gateway_confidence", ARM, "route, model"), "lowest tenth, {{route}} {{model}}"),
        ),
        graph(
            Question(
                title="How many answers have no confidence?",
                action="They are let through unjudged. Look whether the upstream gives log-probabilities, and whether "
                "clients ask for several answers at once.",
                unit=SHARE,
                most=1,
            ),
            Query(
                f"({missing} or 0 * {seen}) / (({missing} or 0 * {seen}) + ({seen} or 0 * {missing}))",
                "{{route}} {{model}}",
            ),
        ),
    ]


def _replaced() -> list[Panel]:
    """What is not served for it, or should not have been."""
    return [
        graph(
            Question(
                title="Which answers are none at all?",
                action="`transport`: look at the model. The others are the version's: it does not keep the structure "
                "that was asked for; compare versions.",
                unit=PER_SECOND,
                is_stacked=True,
            ),
            Query(rate("gateway_gate_failures_total", ARM, "model, gate"), "{{model}} {{gate}}"),
        ),
        graph(
            Question(
                title="How many streams were doubted too late?",
                action="They were out when their end was doubtful. Many: a longer `hold` judges more of the answer.",
                unit=PER_SECOND,
            ),
            Query(rate("gateway_late_low_confidence_total", ARM, "route, model"), "{{route}} {{model}}"),
        ),
        graph(
            Question(
                title="Why do answers fall back, by arm?",
                action="An arm that stands out is worse than the others: look at its experiment, or roll back.",
                unit=PER_SECOND,
                is_stacked=True,
            ),
            Query(rate("gateway_fallbacks_total", 'route=~"$route"', "arm, reason"), "{{arm}} {{reason}}"),
        ),
    ]


def _figure(name: str) -> list[Query]:
    def of(suffix: str) -> str:
        return f"max by (route, model) (gateway_calibration_{name}{suffix}{{{ARM}}})"

    return [
        Query(of(""), "{{route}} {{model}}"),
        Query(of("_lower"), "lower bound, {{route}} {{model}}"),
        Query(of("_upper"), "upper bound, {{route}} {{model}}"),
    ]


def _calibration() -> list[Panel]:
    return [*_worth(), *_reliability(), *_arming()]


def _worth() -> list[Panel]:
    return [
        graph(
            Question(
                title="Does confidence tell right answers from wrong ones?",
                action="AUROC with its 95 % interval: 0.5 is chance, and nothing is acted on while the lower bound is "
                "under 0.55. Falling: docs/runbooks/calibration-decayed.md.",
                unit=PROBABILITY,
                most=1,
            ),
            *_figure("auroc"),
        ),
        graph(
            Question(
                title="By how much is confidence off?",
                action="Expected calibration error with its 95 % interval. Above 0.1 it should not be read as a "
                "probability: get more labels.",
                unit=SHARE,
            ),
            *_figure("ece"),
        ),
    ]


def _reliability() -> list[Panel]:
    return [
        bars(
            Question(
                title="Of answers that are this sure, how many are right?",
                action="A bar for each tenth of confidence; each should end about there. All of them lower: confidence "
                "promises too much, so get more labels. Choose one route and model above.",
                unit=SHARE,
                most=1,
            ),
            Query(
                f"sum by (bin) (gateway_reliability_correct{{{ARM}}}) "
                f"/ sum by (bin) (gateway_reliability_answers{{{ARM}}})",
                "{{bin}}",
            ),
        ),
        signed(
            Question(
                title="Where does confidence promise too much?",
                action="Confidence less the share that is right, by how sure the answer was. Above 0 it promises too "
                "much there: get more labels of such answers, or look for drift. Bins of few labels wander.",
                unit=SHARE,
            ),
            Query(
                f"(sum by (bin) (gateway_reliability_confidence{{{ARM}}}) - sum by (bin) "
                f"(gateway_reliability_correct{{{ARM}}})) / sum by (bin) (gateway_reliability_answers{{{ARM}}})",
                "{{bin}}",
            ),
        ),
    ]


def _arming() -> list[Panel]:
    return [
        graph(
            Question(
                title="Are doubtful answers replaced?",
                action="Off where that is wanted: docs/runbooks/cascade-disarmed.md. The admin API says why.",
                unit=SWITCH,
                most=1,
            ),
            Query(f"max by (route, model) (gateway_cascade_armed{{{ARM}}})", "{{route}} {{model}}"),
        ),
        graph(
            Question(
                title="How many labels does it rest on?",
                action="A bound on the risk needs 300, a fit 200. Too few: raise the share of audits, or send "
                "feedback.",
                unit=COUNT,
            ),
            Query(f"max by (route, model) (gateway_calibration_labels{{{ARM}}})", "{{route}} {{model}}"),
        ),
    ]


def _labels() -> list[Panel]:
    return [
        graph(
            Question(
                title="What do audits find?",
                action="`disagreed` grows: the version has become worse, or the world has changed. `skipped`: no "
                "money or no room was left; raise `audit.spend_usd_per_day`.",
                unit=PER_SECOND,
                is_stacked=True,
            ),
            Query(rate("gateway_audits_total", ARM, "model, result"), "{{model}} {{result}}"),
        ),
        graph(
            Question(
                title="What becomes of shadows?",
                action="`shed`: the other model has enough to do, or fails. `skipped`: no money or no room. Lower the "
                "share.",
                unit=PER_SECOND,
                is_stacked=True,
            ),
            Query(rate("gateway_shadows_total", 'route=~"$route"', "model, result"), "{{model}} {{result}}"),
        ),
        graph(
            Question(
                title="What becomes of feedback?",
                action="`turned_away`: more comes than can be stored. `accepted` without `joined`: "
                "docs/runbooks/feedback-waits.md.",
                unit=PER_SECOND,
            ),
            Query("sum by (state) (rate(gateway_feedback_total[$__rate_interval]))", "{{state}}"),
        ),
    ]
