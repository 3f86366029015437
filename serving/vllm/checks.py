"""What is looked at before a vLLM server is launched, so that a mistake costs no half minute."""

import asyncio
import errno
import os
import socket

from serving.vllm.command import VllmSettings
from serving.vllm.errors import PortTaken, VllmMisconfigured, VllmNotInstalled

INSTALL_HINT = "run scripts/setup_vllm.sh, which makes .venv-vllm, or name an interpreter that has vLLM"


async def check_before_launch(settings: VllmSettings) -> None:
    """Raise the VllmError that a launch would run into: folders, interpreter, vLLM, port."""
    check_folders(settings)
    await check_installed(settings)
    check_port_is_free(settings.host, settings.port)


def check_folders(settings: VllmSettings) -> None:
    if not (settings.model / "config.json").is_file():
        raise VllmMisconfigured(
            f"model: {settings.model} holds no checkpoint (no config.json); "
            "examples/support/prepare_model.py makes the demo's"
        )
    for name, folder in settings.adapters.items():
        if not (folder / "adapter_config.json").is_file():
            raise VllmMisconfigured(f"adapter {name}: {folder} holds no LoRA adapter (no adapter_config.json)")


async def check_installed(settings: VllmSettings) -> None:
    python = settings.python
    if not os.access(python, os.X_OK):
        raise VllmNotInstalled(f"there is no Python at {python}: {INSTALL_HINT}")
    if settings.entrypoint[0] != "-m":
        return
    package = settings.entrypoint[1].partition(".")[0]
    probe = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    process = await asyncio.create_subprocess_exec(
        str(python), "-c", probe, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    if await process.wait() != 0:
        raise VllmNotInstalled(f"{python} has no {package} installed: {INSTALL_HINT}")


def check_port_is_free(host: str, port: int) -> None:
    """Bind for a moment, as the server will.

    Without SO_REUSEPORT, which vLLM sets: a second server would otherwise share the port and take half the requests.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that only rests after use is free
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(
                    f"port {port} on {host} is taken by another process; stop it or choose another with --port"
                ) from error
            raise VllmMisconfigured(f"cannot listen on {host}:{port}: {error.strerror}") from error
