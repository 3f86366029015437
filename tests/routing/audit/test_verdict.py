from routing.audit.verdict import AGREES, DISAGREES, undefined, verdict


def test_a_verdict_is_one_of_three() -> None:
    assert verdict(agrees=True) is AGREES
    assert verdict(agrees=False) is DISAGREES
    assert [AGREES.agrees, DISAGREES.agrees, undefined("why").agrees] == [True, False, None]
