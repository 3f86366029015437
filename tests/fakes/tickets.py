"""The demo's tickets, as training set and as traffic, with shifts that are planted in them."""

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

_FOLDER = str(Path(__file__).parents[2] / "examples/support")  # no package: the demo's scripts stand by themselves
sys.path.insert(0, _FOLDER)
phrases, tickets = import_module("phrases"), import_module("tickets")
sys.path.remove(_FOLDER)

NEW_PRODUCT = "smart thermostat"
GERMAN = (
    "Guten Tag, wo ist mein Paket? Ich habe es am Montag bestellt und es ist noch nicht da.",
    "Bitte schicken Sie mir die Rechnung für den Router noch einmal, sie ist nicht richtig.",
    "Der Kopfhörer ist kaputt und ich möchte ihn mit der Rechnung bei Ihnen tauschen, danke.",
    "Wie kann ich mein Konto kündigen? Ich finde das auf der Seite nicht und brauche Hilfe.",
)


def training_texts() -> list[str]:
    """What the demo's versions were trained on."""
    return [ticket.text for ticket in tickets.tickets() if ticket.split == "train"]


def conversation(text: str) -> list[dict[str, str]]:
    """The messages with which a ticket is sent."""
    found: list[dict[str, str]] = tickets.messages(text)
    return found


def training_set(path: Path) -> Path:
    """The training set as a file of JSON lines."""
    lines = (json.dumps({"messages": conversation(text)}) + "\n" for text in training_texts())
    path.write_text("".join(lines))
    return path


def about_a_new_product(text: str) -> str:
    """The same ticket about a product that nobody had when the versions were trained."""
    for name in (name for names in phrases.PRODUCTS.values() for name in names):
        text = text.replace(name, NEW_PRODUCT)
    return text


def in_german(number: int) -> str:
    """Another ticket in another language."""
    return f"{GERMAN[number % len(GERMAN)]} Auftrag {number}"


def longer(texts: Sequence[str], at: int) -> str:
    """Three tickets in one."""
    return " ".join(texts[(at + step * 7) % len(texts)] for step in range(3))
