"""A page of metrics with what vLLM shows, whose counters grow with every look."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from tests.deploy import vllm_metrics

BOUNDS = ("0.1", "0.5", "1.0", "+Inf")


def page(look: int, model_names: tuple[str, ...]) -> str:
    """In Prometheus' text format."""
    lines = ['vllm:lora_requests_info{max_lora="2",running_lora_adapters="v2",waiting_lora_adapters=""} 1']
    for model in model_names:
        base = f'model_name="{model}",engine="0"'
        lines += [f"{name}{{{base}}} 0.5" for name in vllm_metrics.GAUGES]
        for name, extra in vllm_metrics.COUNTERS.items():
            labels = ",".join([base, *(f'{label}="stop"' for label in extra)])
            lines.append(f"{name}{{{labels}}} {look * 1000}")
        for name in vllm_metrics.HISTOGRAMS:
            lines += [f'{name}_bucket{{{base},le="{bound}"}} {look}' for bound in BOUNDS]
            lines += [f"{name}_count{{{base}}} {look}", f"{name}_sum{{{base}}} {look * 0.05}"]
    return "\n".join(lines) + "\n"


@contextmanager
def vllm_page(*model_names: str) -> Iterator[str]:
    """Serve it; the address."""

    class Handler(BaseHTTPRequestHandler):
        looks: ClassVar[list[None]] = []

        def do_GET(self) -> None:
            self.looks.append(None)
            body = page(len(self.looks), model_names).encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="vLLM's page")
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
