"""Ask a running vLLM for the label of every held-out ticket and measure accuracy and the scores.

    python examples/support/evaluate.py --model support-v2 --lineage examples/support/v2.yaml

Writes the figures into the lineage file when one is named. `--rows FILE.csv` keeps one row an answer, with the
columns `correct, first_token, mean_logprob, min_logprob`.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

import tickets  # noqa: E402
from lineage import read_lineage, write_lineage  # noqa: E402
from scores import Token, auroc, auroc_interval, scores  # noqa: E402

FIELDS = ("intent", "urgency", "product")
SCORES = ("first_token", "mean_logprob", "min_logprob")
MAX_TOKENS = 48  # a label takes about 25
CONCURRENT = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said about one ticket."""

    ticket: tickets.Ticket
    text: str
    scores: dict[str, float]

    @property
    def label(self) -> dict[str, Any] | None:
        """The label, or None where the answer is not one JSON object with exactly the three fields."""
        try:
            parsed = json.loads(self.text)
        except ValueError:
            return None
        return parsed if isinstance(parsed, dict) and set(parsed) == set(FIELDS) else None

    def is_right(self, *fields: str) -> bool:
        label = self.label
        return label is not None and all(label[f] == getattr(self.ticket, f) for f in fields or FIELDS)


def call(url: str, body: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(url, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, json.dumps(body).encode() if body else None, timeout=300) as reply:
        return json.load(reply)


def ask(url: str, model: str, ticket: tickets.Ticket) -> Answer:
    reply = call(
        f"{url}/chat/completions",
        {
            "model": model,
            "messages": tickets.messages(ticket.text),
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
            "logprobs": True,
        },
    )
    choice = reply["choices"][0]
    tokens = [Token(t["token"], t["logprob"]) for t in choice["logprobs"]["content"]]
    return Answer(ticket, choice["message"]["content"], scores(tokens))


def ask_all(url: str, model: str, asked: Sequence[tickets.Ticket]) -> list[Answer]:
    answers: list[Answer] = []
    with ThreadPoolExecutor(CONCURRENT) as pool:
        for answer in pool.map(lambda t: ask(url, model, t), asked):
            answers.append(answer)
            if len(answers) % 50 == 0 or len(answers) == len(asked):
                print(f"[evaluate] {model}: {len(answers)}/{len(asked)}", flush=True)
    return answers


def share(answers: Sequence[Answer], *fields: str) -> float:
    return round(sum(a.is_right(*fields) for a in answers) / len(answers), 4) if answers else float("nan")


def figures(answers: Sequence[Answer]) -> dict[str, Any]:
    """Accuracy, whole and by part, and the AUROC of each score with its interval."""
    correct = np.array([a.is_right() for a in answers])
    aurocs = {}
    for name in SCORES:
        values = np.array([a.scores[name] for a in answers])
        low, high = auroc_interval(values, correct)
        aurocs[name] = {"value": round(auroc(values, correct), 4), "lower": round(low, 4), "upper": round(high, 4)}
    return {
        "n": len(answers),
        "accuracy": share(answers),
        "valid_json": round(sum(a.label is not None for a in answers) / len(answers), 4),
        "accuracy_by_field": {f: share(answers, f) for f in FIELDS},
        "accuracy_by_intent": {i: share([a for a in answers if a.ticket.intent == i]) for i in tickets.INTENTS},
        "auroc": aurocs,
    }


def at_threshold(answers: Sequence[Answer], score: str, least: float) -> dict[str, Any]:
    """What a `threshold` policy with this score and minimum would do."""
    kept = [a for a in answers if a.scores[score] >= least]
    return {
        "score": score,
        "min": least,
        "fallback_share": round(1 - len(kept) / len(answers), 4),
        "accuracy_of_the_rest": share(kept),
    }


def write_rows(path: Path, answers: Sequence[Answer]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["correct", *SCORES])
        rows.writerows([int(a.is_right()), *(f"{a.scores[s]:.6f}" for s in SCORES)] for a in answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8100/v1")
    parser.add_argument("--model", required=True, help="the name vLLM serves it as")
    parser.add_argument("--split", choices=tickets.SPLITS, default="test")
    parser.add_argument("--limit", type=int, help="ask for the first so many tickets only")
    parser.add_argument("--lineage", type=Path, help="file to write the figures into")
    parser.add_argument("--rows", type=Path, help="CSV file for one row an answer")
    parser.add_argument("--score", choices=SCORES, default="min_logprob", help="score of the threshold line")
    parser.add_argument("--min", type=float, default=0.7, help="threshold of the threshold line")
    args = parser.parse_args()
    asked = [t for t in tickets.tickets() if t.split == args.split][: args.limit]
    started = time.monotonic()
    try:
        answers = ask_all(args.url, args.model, asked)
        vllm = call(args.url.removesuffix("/v1") + "/version")["version"]
    except urllib.error.HTTPError as error:
        sys.exit(f"{args.url} answered {error.code}: {error.read().decode(errors='replace')[:500]}")
    except OSError as error:
        sys.exit(f"no vLLM answers at {args.url} ({error}); start one with `fallgate vllm`")
    result = {
        **figures(answers),
        "threshold": at_threshold(answers, args.score, args.min),
        "split": args.split,
        "vllm": vllm,
        "seconds": round(time.monotonic() - started),
        "measured": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    print(json.dumps(result, indent=2))
    if args.rows:
        write_rows(args.rows, answers)
    if args.lineage:
        write_lineage(args.lineage, {**read_lineage(args.lineage), "evaluation": result})


if __name__ == "__main__":
    main()
