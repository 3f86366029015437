"""A program that starts a server through VllmProcess and waits, for a test to kill: MODEL PORT SCRIPT."""

import asyncio
import sys
from pathlib import Path

from serving.vllm.command import VllmSettings
from serving.vllm.process import VllmProcess


async def main() -> None:
    model, port, script = sys.argv[1:]
    settings = VllmSettings(python=Path(sys.executable), model=Path(model), port=int(port), entrypoint=(script,))
    server = VllmProcess(settings, log=Path(model) / "launcher.log")
    await server.start()
    await server.wait()


if __name__ == "__main__":
    asyncio.run(main())
