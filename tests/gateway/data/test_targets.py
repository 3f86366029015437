"""Requests that get their arm before the split is asked."""

from typing import Any

import msgspec
import pytest

from routing.assignment.targeting import Condition, Target, parse_place
from routing.words import ModelName, RouteName
from tests.fakes.asking import CHAT, TEXT, Answer, Stage, stage
from tests.fakes.gateways import TESTER_SECRET, document, route

LARGE = ModelName("large")


def target(arm: str, **when: Any) -> Target:
    """`header__x_tier="gold"` is what the file calls `header:x-tier: gold`."""
    places = {name.replace("__", ":").replace("_", "-"): value for name, value in when.items()}
    conditions = [(parse_place(place), value) for place, value in places.items()]
    return Target(
        when=tuple(Condition(place=place, name=name, values=(value,)) for (place, name), value in conditions),
        arm=ModelName(arm),
    )


def publish(made: Stage, *targets: Target, **split: int) -> None:
    entry = msgspec.structs.replace(route(split or {"v1": 10000, "large": 0}), targets=targets)
    made.gateway.publish(document(made.server.base_url, {RouteName("support"): entry}), revision=2)


def arm_of(answer: Answer) -> str:
    assert answer.status == 200
    return answer.headers["x-gateway-arm"]


@pytest.mark.parametrize("path", [CHAT, TEXT], ids=["chat", "text"])
@pytest.mark.parametrize(
    ("when", "fits", "other"),
    [
        ({"header__x_tier": "gold"}, {"headers": {"x-tier": "gold"}}, {"headers": {"x-tier": "tin"}}),
        ({"metadata__team": "a"}, {"metadata": {"team": "a"}}, {"metadata": {"team": "b"}}),
        ({"body__temperature": 0}, {"temperature": 0.0}, {"temperature": 0.5}),
    ],
)
async def test_a_request_that_fits_gets_the_arm_and_any_other_goes_by_the_split(
    path: str, when: dict[str, Any], fits: dict[str, Any], other: dict[str, Any]
) -> None:
    async with stage() as made:
        publish(made, target("large", **when))
        assert arm_of(await made.ask(path, **fits)) == "large"
        assert arm_of(await made.ask(path, **other)) == "v1"
        assert arm_of(await made.ask(path)) == "v1"


async def test_what_a_target_decided_draws_no_bucket_and_is_of_no_ranges() -> None:
    async with stage() as made:
        publish(made, target("large", key="app"))
        answer = await made.ask(user="ann")
        assert "x-gateway-bucket" not in answer.headers
        row = made.gateway.records.kept[-1][0]
        assert (row.arm, row.bucket, row.ranges_revision, row.propensity, row.is_forced) == (
            "large", None, None, 1.0, False,
        )  # fmt: skip
        assert row.unit_hash is not None


async def test_only_what_the_split_gave_counts_as_assigned() -> None:
    async with stage() as made:
        publish(made, target("large", metadata__team="a"))
        for metadata in ({"team": "a"}, {"team": "b"}, {"team": "b"}):
            await made.ask(metadata=metadata)
        headers = {"authorization": f"Bearer {TESTER_SECRET}", "x-gateway-force-arm": "v1"}
        await made.ask(headers=headers)
        counted = {arm: made.gateway.metric("assignments_total", route="support", arm=arm) for arm in ("v1", "large")}
        assert counted == {"v1": 2, "large": 0}


async def test_the_first_target_that_fits_decides() -> None:
    async with stage() as made:
        publish(made, target("v1", metadata__team="a"), target("large", key="app"), v1=5000, large=5000)
        assert arm_of(await made.ask(metadata={"team": "a"})) == "v1"
        assert {arm_of(await made.ask()) for _ in range(10)} == {"large"}


async def test_a_tester_forces_an_arm_past_every_target() -> None:
    async with stage() as made:
        publish(made, target("large", key="tester"))
        headers = {"authorization": f"Bearer {TESTER_SECRET}"}
        assert arm_of(await made.ask(headers=headers)) == "large"
        assert arm_of(await made.ask(headers={**headers, "x-gateway-force-arm": "v1"})) == "v1"
        assert made.last.is_forced
