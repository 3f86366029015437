"""The metrics of vLLM 0.32.0 that dashboards may name, with their labels beside `model_name` and `engine`.

From its own `vllm/v1/metrics/loggers.py`; a counter has `_total` on the page.
"""

GAUGES: dict[str, tuple[str, ...]] = {
    "vllm:num_requests_running": (),
    "vllm:num_requests_waiting": (),
    "vllm:kv_cache_usage_perc": (),
}
COUNTERS: dict[str, tuple[str, ...]] = {
    "vllm:num_preemptions_total": (),
    "vllm:prompt_tokens_total": (),
    "vllm:generation_tokens_total": (),
    "vllm:prefix_cache_queries_total": (),
    "vllm:prefix_cache_hits_total": (),
    "vllm:request_success_total": ("finished_reason",),
}
HISTOGRAMS: dict[str, tuple[str, ...]] = {
    "vllm:time_to_first_token_seconds": (),
    "vllm:inter_token_latency_seconds": (),
    "vllm:request_queue_time_seconds": (),
}
INFOS = {"vllm:lora_requests_info": ("max_lora", "waiting_lora_adapters", "running_lora_adapters")}
"""These have no other labels."""

NAMES = {*GAUGES, *COUNTERS, *INFOS, *(f"{name}_bucket" for name in HISTOGRAMS)}
