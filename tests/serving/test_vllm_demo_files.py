"""The committed adapters and lineage of the demo belong to the generator beside them."""

import functools
import json
import runpy
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

SUPPORT = Path(__file__).parents[2] / "examples" / "support"
VERSIONS = ("v1", "v2")


@pytest.fixture(scope="module")
def generator() -> Iterator[dict[str, Any]]:
    before = list(sys.path)
    yield runpy.run_path(str(SUPPORT / "tickets.py"))
    sys.path[:] = before


@functools.cache
def lineage(version: str) -> dict[str, Any]:
    return dict(yaml.safe_load((SUPPORT / f"{version}.yaml").read_text()))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lineage_pins_the_tickets_that_the_generator_makes(generator: dict[str, Any], version: str) -> None:
    assert lineage(version)["dataset"]["sha256"] == generator["dataset_sha256"]()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_adapter_is_small_and_names_no_path_of_a_machine(version: str) -> None:
    folder = SUPPORT / lineage(version)["adapter"]
    config = json.loads((folder / "adapter_config.json").read_text())

    assert (folder / "adapter_model.safetensors").stat().st_size < 2_000_000
    assert config["base_model_name_or_path"] == lineage(version)["base_model"]
    assert not [value for value in config.values() if isinstance(value, str) and "/" in value]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lineage_states_what_was_measured(version: str) -> None:
    measured = lineage(version)["evaluation"]

    assert measured["n"] == lineage(version)["dataset"]["test"]
    assert 0 < measured["accuracy"] < 1
    for score in ("first_token", "mean_logprob", "min_logprob"):
        auroc = measured["auroc"][score]
        assert 0 <= auroc["lower"] <= auroc["value"] <= auroc["upper"] <= 1


def test_the_newer_version_is_the_better_one_on_held_out_tickets() -> None:
    assert lineage("v2")["evaluation"]["accuracy"] > lineage("v1")["evaluation"]["accuracy"]


def test_a_ticket_depends_on_nothing_but_its_number_and_the_seed(generator: dict[str, Any]) -> None:
    ticket = generator["ticket"]

    assert ticket(17) == ticket(17)
    assert ticket(17) != ticket(17, seed=1)


def test_no_held_out_ticket_is_in_the_training_set(generator: dict[str, Any]) -> None:
    by_split: dict[str, set[str]] = {split: set() for split in generator["SPLITS"]}
    for ticket in generator["tickets"]():
        by_split[ticket.split].add(" ".join(ticket.text.lower().split()))

    assert not by_split["train"] & (by_split["test"] | by_split["validation"])


def test_the_sentence_that_carries_the_intent_belongs_to_one_split(generator: dict[str, Any]) -> None:
    pools = generator["core_pools"](generator["SEED"])

    times = Counter(core for cores in pools.values() for core in cores)
    assert set(times.values()) == {1}


def test_the_splits_are_eighty_ten_ten(generator: dict[str, Any]) -> None:
    sizes = Counter(ticket.split for ticket in generator["tickets"]())
    total = sum(sizes.values())

    assert total > 2_900
    assert abs(sizes["train"] / total - 0.8) < 0.02
    assert abs(sizes["test"] / total - 0.1) < 0.02
