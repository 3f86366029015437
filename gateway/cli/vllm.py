"""`fallgate vllm`: a vLLM server with LoRA adapters in the foreground."""

import asyncio
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from serving.vllm.command import Device, VllmSettings, cpu_dtype
from serving.vllm.errors import VllmError
from serving.vllm.process import VllmProcess

DEFAULT_PYTHON = Path(".venv-vllm/bin/python")
DEFAULT_LOG = Path(".fallgate/vllm.log")
EXTRA_ARGUMENTS = "FALLGATE_VLLM_ARGS"


def vllm(
    model: Annotated[Path, typer.Option(help="Folder of the base model's checkpoint.")],
    adapter: Annotated[list[str] | None, typer.Option(metavar="NAME=DIR", help="A LoRA adapter; repeatable.")] = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8100,
    python: Annotated[Path, typer.Option(help="A Python that has vLLM.")] = DEFAULT_PYTHON,
    log: Annotated[Path, typer.Option(help="File for the server's own output; overwritten.")] = DEFAULT_LOG,
    gpu: Annotated[
        bool | None, typer.Option("--gpu/--cpu", help="What to compute on. [default: a GPU where there is one]")
    ] = None,
) -> None:
    """Launch a vLLM server with adapters, wait until it is healthy, and keep it until Ctrl-C or SIGTERM.

    FALLGATE_VLLM_ARGS holds further flags for vLLM itself, such as "--max-model-len 4096".
    """
    device = choose_device(gpu)
    try:
        settings = VllmSettings(
            python=python,
            model=model,
            adapters=parse_adapters(adapter or []),
            port=port,
            device=device,
            dtype=choose_dtype(device),
            extra=tuple(shlex.split(os.environ.get(EXTRA_ARGUMENTS, ""))),
        )
    except ValueError as error:
        _say(str(error))
        raise typer.Exit(2) from error
    try:
        asyncio.run(serve(settings, log))
    except VllmError as error:
        _say(str(error))
        raise typer.Exit(1) from error


def parse_adapters(given: list[str]) -> dict[str, Path]:
    """`NAME=DIR` entries by name. Raises ValueError on an entry of another form or a name given twice."""
    adapters: dict[str, Path] = {}
    for entry in given:
        name, equals, folder = entry.partition("=")
        if not (name and equals and folder):
            raise ValueError(f"--adapter {entry}: write NAME=DIR, such as support-v1=examples/support/adapters/v1")
        if name in adapters:
            raise ValueError(f"--adapter {name}: named twice")
        adapters[name] = Path(folder)
    return adapters


def choose_device(gpu: bool | None) -> Device:
    """What was asked for, else a GPU when NVIDIA's driver tools are here."""
    if gpu is None:
        gpu = shutil.which("nvidia-smi") is not None
    return Device.GPU if gpu else Device.CPU


def choose_dtype(device: Device) -> str:
    """What this machine computes quickly in; a GPU is left to vLLM."""
    if device is Device.GPU:
        return "auto"
    described = Path("/proc/cpuinfo")
    return cpu_dtype(described.read_text(encoding="utf-8", errors="replace") if described.exists() else "")


async def serve(settings: VllmSettings, log: Path) -> None:
    """Run the server until a signal. Raises VllmError when it cannot start or ends by itself."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    server = VllmProcess(settings, log=log, report=_say)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(_start_and_watch(server), name="vllm")
            stopping = tasks.create_task(stopped.wait(), name="signals")
            ended, _ = await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
            running.cancel()
            stopping.cancel()
    finally:
        await server.stop()
    if running in ended and stopping not in ended:
        raise running.result()
    _say("stopped")


async def _start_and_watch(server: VllmProcess) -> VllmError:
    """Start the server and wait for as long as it runs; returns why it could not start or how it ended."""
    _say(f"launching vLLM with {', '.join(server.settings.served_names)}; its log is {server.log}")
    try:
        names = await server.start()
    except VllmError as error:
        return error
    print(f"ready: {server.settings.base_url}/v1 serves {', '.join(names)}", flush=True)
    await server.wait()
    return server.died()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
