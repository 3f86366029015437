"""A program that takes vLLM's command line and behaves as one of its ways to live and die; run as a subprocess.

The environment variable FAKE_VLLM says how: `serve` (default), `die` (an error on its output, exit 3), `never_ready`
(runs, does not listen), `stubborn` (serves, ignores SIGTERM), `family` (serves, with a child that ignores SIGTERM),
`forgetful` (serves, but lists the base model alone), `die_later` (serves, exits 4 when asked for /die).
"""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

MANNER = os.environ.get("FAKE_VLLM", "serve")


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def served_names() -> list[str]:
    names = [option("--served-model-name")]
    if "--lora-modules" in sys.argv and MANNER != "forgetful":
        for entry in sys.argv[sys.argv.index("--lora-modules") + 1 :]:
            if entry.startswith("--"):
                break
            names.append(entry.partition("=")[0])
    return names


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/die":
            os._exit(4)
        body = b""
        if self.path == "/v1/models":
            body = json.dumps({"object": "list", "data": [{"id": name} for name in served_names()]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    sys.stderr.write(f"fake vLLM {os.getpid()} starts as {MANNER}\n")
    pid_file = os.environ.get("FAKE_VLLM_PIDS")
    pids = [os.getpid()]
    if MANNER == "die":
        sys.exit("ValueError: the adapter's rank 64 is greater than max_lora_rank 16")
    if MANNER == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if MANNER == "family":
        child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
        process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        pids.append(process.pid)
    if pid_file:
        Path(pid_file).write_text(" ".join(map(str, pids)))
    if MANNER == "never_ready":
        time.sleep(600)
    HTTPServer((option("--host"), int(option("--port"))), Handler).serve_forever()


if __name__ == "__main__":
    main()
