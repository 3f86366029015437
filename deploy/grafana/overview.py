"""Overview: is all well, and where to look if not."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.panels import (
    COUNT,
    DOLLARS,
    PER_SECOND,
    SECONDS,
    SHARE,
    Panel,
    Query,
    Question,
    dashboard_of,
    graph,
    number,
    quantile,
    rate,
)

ROUTE = 'route=~"$route"'
COUNTED = f'{ROUTE}, outcome!~"rejected|client_closed"'


def overview() -> Dashboard:
    """The dashboard to begin with."""
    rows = [("Now", _now()), ("Answers", _answers()), ("Time", _time()), ("The gateway itself", _itself())]
    return dashboard_of("Overview", "Is all well, and where to look if not.", rows)


def _now() -> list[Panel]:
    return [*_traffic_now(), *_money_now(), *_load_now()]


def _traffic_now() -> list[Panel]:
    return [
        number(
            Question(
                title="How many requests come in?",
                action="Compare with what applications send. None at all: look whether they reach the data plane.",
                unit=PER_SECOND,
            ),
            Query(f"sum(rate(gateway_requests_total{{{ROUTE}}}[$__rate_interval]))"),
        ),
        number(
            Question(
                title="How many of them get no answer?",
                action="Above the promise (0.1 %): open docs/runbooks/availability.md.",
                unit=SHARE,
            ),
            Query(
                f"""(sum(rate(gateway_requests_total{{{ROUTE}, outcome=~"failed|interrupted"}}[$__rate_interval]))
                or vector(0)) / sum(rate(gateway_requests_total{{{COUNTED}}}[$__rate_interval]))"""
            ),
            warn=0.001,
            width=3,
        ),
        number(
            Question(
                title="How many does the larger model answer?",
                action="Above the budget: open docs/runbooks/fallback-share.md. The reasons are below.",
                unit=SHARE,
            ),
            Query(
                f"""(sum(rate(gateway_requests_total{{{ROUTE}, outcome="fallback"}}[$__rate_interval])) or vector(0))
                / sum(rate(gateway_requests_total{{{COUNTED}}}[$__rate_interval]))"""
            ),
            warn=0.3,
            width=3,
        ),
    ]


def _money_now() -> list[Panel]:
    return [
        number(
            Question(
                title="What does a day cost at this pace?",
                action="More than planned: the dashboard Cost says which model and which purpose it is.",
                unit=DOLLARS,
            ),
            Query(f"sum(rate(gateway_cost_usd_total{{{ROUTE}}}[1h])) * 86400"),
        ),
        number(
            Question(
                title="How much was saved in the time that is shown?",
                action="Against the large model alone, by estimate; counted a quarter of an hour after each hour. "
                "Nothing for long: `fallgate cost ROUTE` says why.",
                unit=DOLLARS,
            ),
            Query(f"sum(increase(gateway_savings_usd_total{{{ROUTE}}}[$__range])) or vector(0)"),
        ),
    ]


def _load_now() -> list[Panel]:
    return [
        number(
            Question(
                title="How many requests are being answered now?",
                action="Growing while traffic does not: models have become slow, or workers are too few.",
                unit=COUNT,
            ),
            Query("sum(gateway_inflight_requests)"),
            width=3,
        ),
        number(
            Question(
                title="How many alerts are firing?",
                action="Each names its page in docs/runbooks.",
                unit=COUNT,
            ),
            Query('count(ALERTS{alertname=~"Fallgate.+", alertstate="firing"}) or vector(0)'),
            warn=1,
            width=3,
        ),
    ]


def _answers() -> list[Panel]:
    return [
        graph(
            Question(
                title="How do requests end?",
                action="`failed` and `interrupted` are outages, `degraded` are doubtful answers that nobody replaced: "
                "look at the fallback's model. `rejected` are the clients' faults.",
                unit=PER_SECOND,
                is_stacked=True,
            ),
            Query(rate("gateway_requests_total", ROUTE, "outcome"), "{{outcome}}"),
        ),
        graph(
            Question(
                title="Why does the larger model answer instead?",
                action="`low_confidence` is meant, up to the budget. `error`, `timeout` and `unavailable`: look at the "
                "arm's model. `invalid`: look at the gates on the dashboard Confidence.",
                unit=PER_SECOND,
                is_stacked=True,
            ),
            Query(rate("gateway_fallbacks_total", ROUTE, "reason"), "{{reason}}"),
        ),
        graph(
            Question(
                title="How fast are the errors that the promise allows used up?",
                action="1 uses up exactly what is allowed. Above 14.4 over an hour somebody is called: "
                "docs/runbooks/availability.md.",
                unit=COUNT,
            ),
            Query(
                f"""route:gateway_requests_unanswered:ratio_rate1h{{{ROUTE}}}
                / on (route) (1 - route:gateway_availability:objective)""",
                "answers, {{route}}",
            ),
            Query(
                f"""route:gateway_first_token_late:ratio_rate1h{{{ROUTE}}}
                / on (route) (1 - route:gateway_first_token:objective)""",
                "first content, {{route}}",
            ),
        ),
        graph(
            Question(
                title="Do fallbacks stay within the budget?",
                action="Above it for long: docs/runbooks/fallback-share.md.",
                unit=SHARE,
                most=1,
            ),
            Query(f"route:gateway_fallback:ratio_rate1h{{{ROUTE}}}", "{{route}}"),
            Query(f"route:gateway_fallback:budget{{{ROUTE}}}", "budget of {{route}}"),
        ),
    ]


def _time() -> list[Panel]:
    duration = "gateway_request_duration_seconds"
    return [
        graph(
            Question(
                title="How long does a request take?",
                action="Compare arms. All of them slow: look at the queues of vLLM on the dashboard Models.",
                unit=SECONDS,
            ),
            Query(quantile(0.5, duration, ROUTE, "route, arm"), "median, {{route}} {{arm}}"),
            Query(quantile(0.95, duration, ROUTE, "route, arm"), "95 %, {{route}} {{arm}}"),
        ),
        graph(
            Question(
                title="How long until a stream begins?",
                action="The hold is part of it: a smaller `hold` in the file begins sooner and judges less. "
                "docs/runbooks/first-token.md.",
                unit=SECONDS,
            ),
            Query(
                quantile(0.5, "gateway_time_to_first_token_seconds", ROUTE, "route, model"),
                "median, {{route}} {{model}}",
            ),
            Query(
                quantile(0.95, "gateway_time_to_first_token_seconds", ROUTE, "route, model"),
                "95 %, {{route}} {{model}}",
            ),
        ),
        graph(
            Question(
                title="How much of it does the gateway itself add?",
                action="More than some milliseconds: the machine lacks CPU. Add workers, or take load away.",
                unit=SECONDS,
            ),
            Query(quantile(0.5, "gateway_overhead_seconds", ROUTE, "route"), "median, {{route}}"),
            Query(quantile(0.99, "gateway_overhead_seconds", ROUTE, "route"), "99 %, {{route}}"),
        ),
    ]


def _itself() -> list[Panel]:
    return [*_processes(), *_bookkeeping(), *_settings()]


def _processes() -> list[Panel]:
    return [
        graph(
            Question(
                title="How late are workers' event loops?",
                action="Every request waits that long each time it is its turn. More than some milliseconds: the "
                "machine lacks CPU; add workers, or take load away.",
                unit=SECONDS,
            ),
            *(
                Query(
                    f"histogram_quantile({of}, "
                    "sum by (le, instance) (rate(gateway_loop_lag_seconds_bucket[$__rate_interval])))",
                    f"{name}, {{{{instance}}}}",
                )
                for of, name in ((0.5, "median"), (0.99, "99 %"))
            ),
        ),
        graph(
            Question(
                title="How long ago did each loop of the control plane do its work?",
                action="One that grows for minutes is stuck or fails: docs/runbooks/loop-behind.md.",
                unit=SECONDS,
            ),
            Query(
                # Over some time, since loops that hang show nothing any more.
                "time() - max by (loop) (max_over_time(gateway_loop_last_success_timestamp_seconds[1h]))",
                "{{loop}}",
            ),
        ),
    ]


def _bookkeeping() -> list[Panel]:
    return [
        graph(
            Question(
                title="Is anything counted under `other`?",
                action="Only when a metric has 2,000 sets of labels: docs/runbooks/series-capped.md.",
                unit=PER_SECOND,
            ),
            Query("sum by (metric) (rate(gateway_series_capped_total[$__rate_interval]))", "{{metric}}"),
        ),
        graph(
            Question(
                title="Are records written?",
                action="Waiting ones grow: the store is slow or away. Any loss: docs/runbooks/records-dropped.md.",
                unit=COUNT,
            ),
            Query("sum by (instance) (gateway_records_queued)", "waiting, {{instance}}"),
            Query(
                "sum by (instance) (increase(gateway_records_dropped_total[$__rate_interval]))", "lost, {{instance}}"
            ),
        ),
    ]


def _settings() -> list[Panel]:
    return [
        graph(
            Question(
                title="What have operators changed on top of the file?",
                action="Write what shall stay into the file, then clear it: docs/runbooks/overlay-lasts.md.",
                unit=COUNT,
            ),
            Query(f"max by (route) (gateway_config_overlay{{{ROUTE}}})", "{{route}}"),
        ),
        graph(
            Question(
                title="Which configuration is in force, and was the file accepted?",
                action="A revision that stays behind: a worker hangs. `accepted` off: "
                "docs/runbooks/config-reload-failed.md.",
                unit=COUNT,
            ),
            Query("min(gateway_config_revision)", "revision on every worker"),
            Query("min by (instance) (gateway_config_last_reload_successful)", "accepted, {{instance}}"),
        ),
        graph(
            Question(
                title="How long do roll-backs take?",
                action="One second is promised on a machine, two on several; this is the bucket of the slowest. Above "
                "it: look at the store's speed.",
                unit=SECONDS,
            ),
            Query(
                # Of all there were: they are rare, and the first of a route is born with its series, so has no rate.
                f"histogram_quantile(1, sum by (le, route) (gateway_rollback_duration_seconds_bucket{{{ROUTE}}}))",
                "slowest so far, {{route}}",
            ),
        ),
    ]
