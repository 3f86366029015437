"""The gateways that are measured, and how each of them is started."""

import dataclasses
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.processes import BenchError

UPSTREAM_PORT = 9101
UPSTREAM_URL = f"http://127.0.0.1:{UPSTREAM_PORT}"
LITELLM_KEY = "sk-bench-key-of-no-worth"
OURS = "fallgate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One gateway: its command, where it listens, and what the load tells it."""

    name: str
    command: Sequence[str]
    port: int
    more_ports: Sequence[int] = ()
    key: str = "none"
    model: str = "bench"
    env: Mapping[str, str] = field(default_factory=dict)
    # Some gateways rewrite what stands around the text; then only the text is checked.
    is_rewriting: bool = False
    metrics_url: str = ""
    metrics_key: str = ""


NGINX = """
daemon off;
pid {scratch}/nginx.pid;
error_log {scratch}/nginx-error.log;
worker_processes 1;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {scratch}/nginx-body;
    proxy_temp_path {scratch}/nginx-proxy;
    fastcgi_temp_path {scratch}/nginx-fastcgi;
    uwsgi_temp_path {scratch}/nginx-uwsgi;
    scgi_temp_path {scratch}/nginx-scgi;
    upstream model {{
        server 127.0.0.1:{upstream_port};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:9103;
        location / {{
            proxy_pass http://model;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""

LITELLM = """
model_list:
  - model_name: bench
    litellm_params: {{model: openai/bench, api_base: "{upstream_url}/v1", api_key: none}}
"""


def nginx(scratch: Path) -> Contender:
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if not binary:
        raise BenchError("nginx is missing; run scripts/setup_bench.sh.")
    config = scratch / "nginx.conf"
    config.write_text(NGINX.format(scratch=scratch, upstream_port=UPSTREAM_PORT))
    return Contender(name="nginx", command=[binary, "-e", f"{scratch}/nginx-error.log", "-c", str(config)], port=9103)


def smg(bench_dir: Path) -> Contender:
    command = [str(bench_dir / "smg/bin/smg"), "launch", "--host", "127.0.0.1", "--port", "9104"]
    command += ["--worker-urls", UPSTREAM_URL, "--policy", "round_robin"]
    command += ["--prometheus-port", "9204", "--log-level", "error"]
    return Contender(name="smg", command=command, port=9104, more_ports=[9204])


def litellm(bench_dir: Path, scratch: Path) -> Contender:
    config = scratch / "litellm.yaml"
    config.write_text(LITELLM.format(upstream_url=UPSTREAM_URL))
    command = [str(bench_dir / "litellm/bin/litellm"), "--config", str(config)]
    command += ["--host", "127.0.0.1", "--port", "9105", "--num_workers", "1"]
    env = {"LITELLM_MASTER_KEY": LITELLM_KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    return Contender(name="litellm", command=command, port=9105, key=LITELLM_KEY, env=env, is_rewriting=True)


def fallgate(python: Path, config: Path) -> Contender:
    """This project as `fallgate.yaml` beside this file configures it; keys and ports are the ones written there."""
    return Contender(
        name=OURS,
        command=[str(python.parent / "fallgate"), "serve", "--config", str(config)],
        port=9106,
        more_ports=[9107],
        key="bench-key-of-no-worth-1f4b9c",
        model="support",
        metrics_url="http://127.0.0.1:9107/metrics",
        metrics_key="bench-key-of-no-worth-7d20ae",
    )


def replaced(contender: Contender, command: str, port: int, key: str, model: str) -> Contender:
    """The same place in the table for another command, which has no metrics that we could read."""
    return dataclasses.replace(
        contender, command=shlex.split(command), port=port, more_ports=(), key=key, model=model, metrics_url=""
    )
