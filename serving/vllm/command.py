"""The command line and environment of a vLLM server: plain values, no process."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

ENTRYPOINT = ("-m", "vllm.entrypoints.openai.api_server")  # the `vllm` program is absent from the CPU package

# Runs the rest of its arguments in place of itself, after asking Linux to end it when its parent is gone: a launcher
# that is killed outright leaves no server behind.
LEASH = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGTERM); "
    "os.getppid() == int(sys.argv[1]) or sys.exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)


# What an x86 or ARM processor that computes in bfloat16 calls it in /proc/cpuinfo.
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


class Device(StrEnum):
    """What the server computes on."""

    CPU = "cpu"
    GPU = "gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmSettings:
    """One vLLM server: a base model with LoRA adapters, each served under its own name.

    `python` is an interpreter that has vLLM; it need not be this one. `dtype` is what vLLM's flag of that name takes.
    `extra` are further flags, passed on as they are and last, so that they win. Raises ValueError on names or a port
    that cannot be right.
    """

    python: Path
    model: Path
    adapters: Mapping[str, Path] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 8100
    device: Device = Device.CPU
    max_model_len: int = 1024
    max_lora_rank: int = 16
    dtype: str = "auto"
    extra: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ENTRYPOINT

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port: {self.port} is not between 1 and 65535")
        for name in self.adapters:
            if not name or "=" in name or any(c.isspace() for c in name):
                raise ValueError(f"adapter {name!r}: a name has no spaces and no '='")
        if self.base_name in self.adapters:
            raise ValueError(f"adapter {self.base_name!r}: the base model already has this name (its folder's)")

    @property
    def base_name(self) -> str:
        """What the base model itself is served as: the name of its folder, never its path."""
        return self.model.resolve().name

    @property
    def served_names(self) -> tuple[str, ...]:
        """Every name that a request may put in `model`."""
        return (self.base_name, *self.adapters)

    @property
    def base_url(self) -> str:
        """Scheme, host and port; the OpenAI paths are below `/v1`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def build_command(settings: VllmSettings) -> list[str]:
    """The arguments to execute, the interpreter first."""
    command = [
        *(str(settings.python.absolute()), *settings.entrypoint),
        *("--model", str(settings.model.absolute()), "--served-model-name", settings.base_name),
        *("--host", settings.host, "--port", str(settings.port)),
        *("--max-model-len", str(settings.max_model_len), "--dtype", settings.dtype),
    ]
    if settings.device is Device.CPU:
        # Compiling takes minutes on a CPU and gains little for a small model.
        command += ["--enforce-eager"]
    if settings.adapters:
        # One slot more than there are adapters, so that a new version can be loaded beside them.
        command += ["--enable-lora", "--max-loras", str(max(2, len(settings.adapters) + 1))]
        command += ["--max-lora-rank", str(settings.max_lora_rank), "--lora-modules"]
        command += [f"{name}={path.absolute()}" for name, path in settings.adapters.items()]
    return [*command, *settings.extra]


def cpu_dtype(cpuinfo: str) -> str:
    """The quicker number format of the processor that /proc/cpuinfo describes.

    A processor without bfloat16 arithmetic imitates it: on one with AVX2 alone, answers in float32 took 0.6 times as
    long. Where nothing is known, bfloat16 at least takes half the memory.
    """
    described = [
        line.partition(":")[2].split() for line in cpuinfo.splitlines() if line.startswith(("flags", "Features"))
    ]
    return "float32" if described and not BFLOAT16_FLAGS.intersection(described[0]) else "bfloat16"


def leashed(command: list[str], parent_pid: int) -> list[str]:
    """The same command, ended by the kernel when its parent dies; only Linux can."""
    return [command[0], "-c", LEASH, str(parent_pid), *command] if sys.platform == "linux" else command


def build_environment(settings: VllmSettings, inherited: Mapping[str, str]) -> dict[str, str]:
    """The inherited environment with what vLLM needs; what the operator has set for vLLM stands.

    The gateway's own variables, keys among them, are none of the server's business and stay out.
    """
    wanted = {
        "HF_HUB_OFFLINE": "1",  # every model is a local folder
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "PYTHONUNBUFFERED": "1",  # a log that ends with the reason of an early death
    }
    if settings.device is Device.CPU:
        wanted["VLLM_CPU_KVCACHE_SPACE"] = "1"  # GiB; the default takes far more
    return {**wanted, **{name: value for name, value in inherited.items() if not name.startswith("FALLGATE_")}}
