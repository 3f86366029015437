from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.assignment.buckets import BUCKETS, bucket, draw, unit_hash

CHI_SQUARE_9_DF_P_001 = 27.88

# These numbers are a promise to everybody who is in a running split. Whoever changes the hash, its input or the number
# of buckets moves nearly every unit of every live route to another arm, on the replicas that were updated first, and
# makes the results of every experiment in progress worthless. A failure here is to be mended in the code, not in the
# table; a new hash needs a new salt and a migration.
GOLDEN_BUCKETS = [
    ("route-support-1", "default", "user-1", 6584),
    ("route-support-1", "default", "user-2", 8039),
    ("route-support-2", "default", "user-1", 6880),
    ("route-support-1", "acme", "user-1", 6321),
    ("route-support-1", "default", "0197c7a0-7b1e-7000-8000-000000000001", 5825),
    ("route-support-1", "default", "Zoë Müller", 349),
    ("route-support-1", "default", "顧客-42", 9847),
    ("route-support-1", "default", "🙂", 830),
    ("route-support-1", "default", "\udcff", 4337),
    ("route-support-1", "default", "a\0b", 5120),
    ("route-support-1", "default", "u" * 512, 8876),
    ("", "", "", 2469),
    ("s", "", "", 9249),
    ("", "s", "", 6876),
    ("", "", "s", 1891),
]


@pytest.mark.parametrize(("salt", "tenant", "unit", "golden"), GOLDEN_BUCKETS)
def test_a_bucket_never_changes(salt: str, tenant: str, unit: str, golden: int) -> None:
    assert bucket(salt, tenant, unit) == golden


@pytest.mark.parametrize(
    ("purpose", "request_id", "golden"),
    [
        ("audit", "r-1", 0.6470771572813018),
        ("audit", "r-2", 0.38140902318786396),
        ("shadow", "r-1", 0.4107880155889593),
    ],
)
def test_a_draw_can_be_repeated_years_later(purpose: str, request_id: str, golden: float) -> None:
    assert draw("s", purpose, request_id) == golden


@given(salt=st.text(), tenant=st.text(), unit=st.text(alphabet=st.characters()))
def test_every_text_has_a_bucket(salt: str, tenant: str, unit: str) -> None:
    assert 0 <= bucket(salt, tenant, unit) < BUCKETS


@given(salt=st.text(), purpose=st.text(), request_id=st.text(alphabet=st.characters()))
def test_every_draw_is_at_least_0_and_below_1(salt: str, purpose: str, request_id: str) -> None:
    number = draw(salt, purpose, request_id)
    assert 0.0 <= number < 1.0
    assert number == draw(salt, purpose, request_id)


def test_text_does_not_flow_from_one_part_of_the_key_into_the_next() -> None:
    assert len({bucket("ab", "c", "d"), bucket("a", "bc", "d"), bucket("a", "b", "cd")}) == 3


def test_draws_fall_evenly_into_ten_bins() -> None:
    counts = [0] * 10
    for number in range(10_000):
        counts[floor(draw("salt", "audit", f"request-{number}") * 10)] += 1
    assert sum((count - 1_000) ** 2 / 1_000 for count in counts) < CHI_SQUARE_9_DF_P_001


def test_draws_for_two_purposes_are_independent() -> None:
    audited = {n for n in range(10_000) if draw("salt", "audit", f"request-{n}") < 0.1}
    shadowed = {n for n in range(10_000) if draw("salt", "shadow", f"request-{n}") < 0.1}
    # 100 expected of both, with a standard deviation of 9.95.
    assert 60 < len(audited & shadowed) < 140


def test_a_stored_unit_depends_on_secret_tenant_and_value_and_shows_none_of_them() -> None:
    stored = unit_hash(b"k" * 32, "default", "user-1")
    assert stored == "47be40975cfba319ae553495310256d0"
    assert unit_hash(b"k" * 32, "acme", "user-1") == "26dc34d529acd4113b2477680a558628"
    assert unit_hash(b"x" * 32, "default", "user-1") == "42b55b96e74fb699e9ef7cdcd095978d"
    assert len(unit_hash(b"k" * 32, "default", "\udcff" * 512)) == 32
