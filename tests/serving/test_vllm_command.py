from pathlib import Path

import pytest

from serving.vllm.command import Device, VllmSettings, build_command, build_environment, cpu_dtype

MODEL = Path("/models/smollm2")
ADAPTERS = {"v1": Path("/adapters/v1"), "v2": Path("/adapters/v2")}


def settings(**changes: object) -> VllmSettings:
    return VllmSettings(**{"python": Path("/venv/python"), "model": MODEL, "adapters": ADAPTERS, **changes})  # type: ignore[arg-type]  # the test says what it changes


def after(command: list[str], flag: str) -> str:
    return command[command.index(flag) + 1]


def test_the_command_serves_each_adapter_under_its_own_name() -> None:
    command = build_command(settings())

    assert command[:3] == ["/venv/python", "-m", "vllm.entrypoints.openai.api_server"]
    at = command.index("--lora-modules")
    assert command[at + 1 : at + 3] == ["v1=/adapters/v1", "v2=/adapters/v2"]


def test_the_base_model_is_served_by_its_folders_name_and_not_its_path() -> None:
    assert after(build_command(settings()), "--served-model-name") == "smollm2"


def test_a_server_listens_on_this_machine_alone_unless_told_otherwise() -> None:
    assert after(build_command(settings()), "--host") == "127.0.0.1"


def test_there_is_room_for_one_more_adapter_than_is_served() -> None:
    assert after(build_command(settings()), "--max-loras") == "3"


def test_without_adapters_lora_is_off() -> None:
    assert "--enable-lora" not in build_command(settings(adapters={}))


def test_a_gpu_is_given_no_flags_of_the_cpu() -> None:
    on_gpu = settings(device=Device.GPU)

    assert "--enforce-eager" not in build_command(on_gpu)
    assert "VLLM_CPU_KVCACHE_SPACE" not in build_environment(on_gpu, {})


def test_extra_flags_come_last_so_that_they_win() -> None:
    assert build_command(settings(extra=("--max-model-len", "4096")))[-2:] == ["--max-model-len", "4096"]


def test_what_the_operator_set_for_vllm_stands() -> None:
    assert build_environment(settings(), {"VLLM_CPU_KVCACHE_SPACE": "8"})["VLLM_CPU_KVCACHE_SPACE"] == "8"


def test_the_gateways_own_secrets_do_not_reach_the_server() -> None:
    environment = build_environment(settings(), {"FALLGATE_OPS_KEY": "secret", "PATH": "/bin"})

    assert "FALLGATE_OPS_KEY" not in environment
    assert environment["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"port": 0}, "port: 0 is not between", id="a port of zero"),
        pytest.param({"adapters": {"a b": MODEL}}, "no spaces", id="a name with a space"),
        pytest.param({"adapters": {"": MODEL}}, "no spaces", id="a name of nothing"),
        pytest.param({"adapters": {"smollm2": MODEL}}, "already has this name", id="the base model's name"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings(**changes)


@pytest.mark.parametrize(
    ("cpuinfo", "dtype"),
    [
        pytest.param("flags\t\t: fpu avx2 fma\n", "float32", id="AVX2 alone"),
        pytest.param("flags\t\t: fpu avx2 avx512_bf16\n", "bfloat16", id="AVX-512 with bfloat16"),
        pytest.param("Features\t: fp asimd bf16\n", "bfloat16", id="ARM with bfloat16"),
        pytest.param("Features\t: fp asimd\n", "float32", id="ARM without"),
        pytest.param("", "bfloat16", id="nothing known"),
    ],
)
def test_a_processor_without_bfloat16_computes_in_float32(cpuinfo: str, dtype: str) -> None:
    assert cpu_dtype(cpuinfo) == dtype
