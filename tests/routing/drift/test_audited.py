"""What audits find of a version's answers."""

from math import sqrt

import pytest

from routing.drift.audited import Audited, audited, is_lower


def test_accuracy_weighs_each_audit_by_the_chance_it_had() -> None:
    found = audited([1.0] * 100 + [0.0] * 10, [1.0] * 100 + [0.1] * 10)
    assert found is not None
    assert found.accuracy == 0.5
    assert found.n == 110


def test_few_audits_say_nothing() -> None:
    assert audited([1.0] * 99, [0.02] * 99) is None


def test_the_standard_error_of_equal_chances_is_that_of_a_share_and_never_nothing() -> None:
    mixed, alike = audited([1.0, 0.0] * 200, [0.02] * 400), audited([1.0] * 400, [0.02] * 400)
    assert mixed is not None
    assert alike is not None
    assert mixed.error == pytest.approx(0.025)
    careful = 402 / 404
    assert alike.error == pytest.approx(sqrt(careful * (1 - careful) / 400))


def test_quality_is_lower_where_chance_does_not_explain_it() -> None:
    before = Audited(n=300, accuracy=0.92, error=0.016)
    assert is_lower(before, Audited(n=300, accuracy=0.80, error=0.023))
    assert not is_lower(before, Audited(n=300, accuracy=0.86, error=0.02))
    assert not is_lower(before, Audited(n=300, accuracy=0.99, error=0.006))
    certain = Audited(n=10**9, accuracy=0.92, error=1e-9)
    assert not is_lower(certain, Audited(n=10**9, accuracy=0.901, error=1e-9))
