"""Launch vLLM with both versions, measure them on the held-out tickets, write the figures into their lineage files.

    python examples/support/measure.py        (with the gateway's Python; about ten minutes on two cores)
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from serving.vllm.command import VllmSettings
from serving.vllm.errors import VllmError
from serving.vllm.process import VllmProcess

HERE = Path(__file__).resolve().parent
VERSIONS = ("v2", "v1")


async def measure(settings: VllmSettings, folder: Path, more: list[str]) -> int:
    """Run evaluate.py for each version against one server; returns the first exit code that is not 0."""
    server = VllmProcess(settings, log=Path(".demo/vllm-measure.log"), report=print)
    try:
        print("launching vLLM ...", flush=True)
        await server.start()
        for version in VERSIONS:
            evaluation = await asyncio.create_subprocess_exec(
                *(str(settings.python), str(HERE / "evaluate.py"), "--url", f"{settings.base_url}/v1"),
                *("--model", f"support-{version}", "--lineage", str(folder / f"{version}.yaml")),
                *("--rows", f".demo/rows-{version}.csv", *more),
            )
            if code := await evaluation.wait():
                return code
    finally:
        await server.stop()
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, default=Path(".venv-vllm/bin/python"), help="a Python that has vLLM")
    parser.add_argument("--base", type=Path, default=Path(".demo/smollm2"), help="checkpoint made by prepare_model.py")
    parser.add_argument("--folder", type=Path, default=HERE, help="where adapters/ and the lineage files are")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--dtype", default="float32", help="number format that vLLM computes in")
    args, more = parser.parse_known_args()
    adapters = {f"support-{v}": args.folder / "adapters" / v for v in VERSIONS}
    settings = VllmSettings(python=args.python, model=args.base, adapters=adapters, port=args.port, dtype=args.dtype)
    try:
        sys.exit(asyncio.run(measure(settings, args.folder, more)))
    except VllmError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
