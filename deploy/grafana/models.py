"""Models: what the gateway sees of them, beside what vLLM says of itself."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.panels import (
    COUNT,
    PER_SECOND,
    SECONDS,
    SHARE,
    TOKENS_PER_SECOND,
    Panel,
    Query,
    Question,
    dashboard_of,
    graph,
    quantile,
    rate,
    share,
    signed,
)

MODEL = 'route=~"$route", model=~"$model"'
MADE = f'{MODEL}, kind=~"output|reasoning"'
SERVED = 'model_name=~"$served"'


def models() -> Dashboard:
    """The dashboard of models and of the engines that run them."""
    rows = [
        ("As the gateway sees them", _seen()),
        ("As vLLM sees itself", _load()),
        ("Tokens and adapters of vLLM", _engine()),
        ("Both", _joined()),
    ]
    variables = ("route", "model", "served")
    return dashboard_of("Models", "What the gateway sees of models, beside what vLLM says of itself.", rows, variables)


def _seen() -> list[Panel]:
    failed = f'{MODEL}, result=~"error|timeout|unavailable|invalid"'
    return [
        graph(
            Question(
                title="How do calls to models end?",
                action="`doubted` answers are replaced, as is meant. `unavailable`: the breaker, or the model's own "
                "429. `error` and `timeout`: look at the model's log.",
                unit=PER_SECOND,
                is_stacked=True,
            ),
            Query(rate("gateway_attempts_total", MODEL, "model, result"), "{{model}} {{result}}"),
        ),
        graph(
            Question(
                title="How many calls fail?",
                action="Some in a row open the breaker. Look at the model's log, and whether it has enough room below.",
                unit=SHARE,
                most=1,
            ),
            Query(
                share(rate("gateway_attempts_total", failed, "model"), rate("gateway_attempts_total", MODEL, "model")),
                "{{model}}",
            ),
        ),
        graph(
            Question(
                title="Which breakers are open?",
                action="2 is open, 1 tries again, 0 is closed. Open for minutes: docs/runbooks/breaker-open.md.",
                unit=COUNT,
                most=2,
            ),
            Query('max by (model) (gateway_breaker_state{model=~"$model"})', "{{model}}"),
        ),
        graph(
            Question(
                title="How many tokens do models make for us?",
                action="Falling at the same traffic: answers have become shorter, or are cut. Look at the finish "
                "reasons below.",
                unit=TOKENS_PER_SECOND,
                is_stacked=True,
            ),
            Query(rate("gateway_tokens_total", MADE, "model"), "{{model}}"),
        ),
    ]


def _load() -> list[Panel]:
    return [
        graph(
            Question(
                title="How long is vLLM's queue?",
                action="Waiting ones for long: it is full. Add a replica, or move traffic with `fallgate split`.",
                unit=COUNT,
            ),
            Query(f"sum by (model_name) (vllm:num_requests_running{{{SERVED}}})", "running, {{model_name}}"),
            Query(f"sum by (model_name) (vllm:num_requests_waiting{{{SERVED}}})", "waiting, {{model_name}}"),
        ),
        graph(
            Question(
                title="How full is the KV cache?",
                action="Near 1 it preempts, and answers are made twice: give it more memory, or let fewer run at once.",
                unit=SHARE,
                most=1,
            ),
            Query(f"max by (model_name) (vllm:kv_cache_usage_perc{{{SERVED}}})", "{{model_name}}"),
        ),
        graph(
            Question(
                title="How long do requests wait in vLLM before they run?",
                action="More than the model's own time: add a replica.",
                unit=SECONDS,
            ),
            Query(quantile(0.5, "vllm:request_queue_time_seconds", SERVED, "model_name"), "median, {{model_name}}"),
            Query(quantile(0.95, "vllm:request_queue_time_seconds", SERVED, "model_name"), "95 %, {{model_name}}"),
        ),
        graph(
            Question(
                title="How often does vLLM preempt?",
                action="Any: the KV cache is too small for what runs at once.",
                unit=PER_SECOND,
            ),
            Query(rate("vllm:num_preemptions_total", SERVED, "model_name"), "{{model_name}}"),
        ),
    ]


def _engine() -> list[Panel]:
    hits, queries = "vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"
    return [
        graph(
            Question(
                title="How many tokens does vLLM read and write?",
                action="What it writes at its busiest is the `tokens_per_second` of its price by GPU hour.",
                unit=TOKENS_PER_SECOND,
            ),
            Query(rate("vllm:generation_tokens_total", SERVED, "model_name"), "written, {{model_name}}"),
            Query(rate("vllm:prompt_tokens_total", SERVED, "model_name"), "read, {{model_name}}"),
        ),
        graph(
            Question(
                title="How long from token to token?",
                action="Rising with the number that run: the batch is too large for the pace that is wanted.",
                unit=SECONDS,
            ),
            Query(quantile(0.5, "vllm:inter_token_latency_seconds", SERVED, "model_name"), "median, {{model_name}}"),
            Query(quantile(0.95, "vllm:inter_token_latency_seconds", SERVED, "model_name"), "95 %, {{model_name}}"),
        ),
        graph(
            Question(
                title="How much of the prompts comes from the prefix cache?",
                action="Low with a long system prompt: put what changes at the end of the prompt.",
                unit=SHARE,
                most=1,
            ),
            Query(
                f"{rate(hits, SERVED, 'model_name')} / ({rate(queries, SERVED, 'model_name')} > 0)", "{{model_name}}"
            ),
        ),
        graph(
            Question(
                title="How do answers finish in vLLM?",
                action="Many `length`: `max_tokens` cuts them, and they are judged as they are. `abort`: clients "
                "leave.",
                unit=PER_SECOND,
                is_stacked=True,
            ),
            Query(
                rate("vllm:request_success_total", SERVED, "model_name, finished_reason"),
                "{{model_name}} {{finished_reason}}",
            ),
        ),
        graph(
            Question(
                title="Which adapters run, and which wait for a place?",
                action="Waiting ones: raise `--max-loras`, or give the version a server of its own.",
                unit=COUNT,
            ),
            Query(
                "count by (running_lora_adapters, waiting_lora_adapters) "
                '(vllm:lora_requests_info{running_lora_adapters!=""} '
                'or vllm:lora_requests_info{waiting_lora_adapters!=""})',
                "running {{running_lora_adapters}}, waiting {{waiting_lora_adapters}}",
            ),
        ),
    ]


def _as_served(expr: str) -> str:
    """The gateway's series under vLLM's label."""
    return f'label_replace({expr}, "model_name", "$1", "model", "(.+)")'


def _joined() -> list[Panel]:
    begun = _as_served(f"rate(gateway_time_to_first_token_seconds_bucket{{{MODEL}}}[$__rate_interval])")
    ours = f"histogram_quantile(0.5, sum by (le, model_name) ({begun}))"
    theirs = quantile(0.5, "vllm:time_to_first_token_seconds", SERVED, "model_name")
    billed = _as_served(f"rate(gateway_tokens_total{{{MADE}}}[$__rate_interval])")
    made = f"sum by (model_name) ({billed})"
    written = rate("vllm:generation_tokens_total", SERVED, "model_name")
    return [
        signed(
            Question(
                title="How long does a stream's beginning take outside vLLM?",
                action="Hold, network and gateway: the median that clients wait, less vLLM's own. More than the hold's "
                "`ms`: look at the gateway's own time on the dashboard Overview. Joined where both have the same name.",
                unit=SECONDS,
            ),
            Query(f"{ours} - on (model_name) {theirs}", "{{model_name}}"),
        ),
        graph(
            Question(
                title="How many of vLLM's tokens were billed here?",
                action="Well below 1: somebody else uses the server, or answers are given up half-way. Joined where "
                "both have the same name.",
                unit=SHARE,
            ),
            Query(f"{made} / on (model_name) ({written} > 0)", "{{model_name}}"),
        ),
    ]
