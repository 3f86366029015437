import pytest

from routing.audit.calls import Calls, canonical_calls, same_calls

FIND = ("find", '{"id": 7, "all": true}')
SEND = ("send", '{"to": "a"}')


@pytest.mark.parametrize(
    ("arm", "large", "agrees"),
    [
        pytest.param([FIND], [("find", '{"all":true,"id":7}')], True, id="keys in any order"),
        pytest.param([FIND], [("find", '{"id": 7.0, "all": true}')], True, id="numbers by value"),
        pytest.param([("find", '{"id": true}')], [("find", '{"id": 1}')], False, id="a truth value is no number"),
        pytest.param([FIND, SEND], [SEND, FIND], True, id="calls side by side in any order"),
        pytest.param([FIND], [FIND, SEND], False, id="one call more"),
        pytest.param([FIND, FIND], [FIND], False, id="the same call twice"),
        pytest.param([FIND], [("seek", FIND[1])], False, id="another tool"),
        pytest.param([("now", "")], [("now", "{}")], True, id="no arguments are an empty object"),
        pytest.param([("find", '{"id": ')], [FIND], False, id="half a JSON counts against the arm"),
        pytest.param([FIND], [("find", '{"id": ')], None, id="and of the large model it says nothing"),
    ],
)
def test_calls_agree_by_name_and_arguments(arm: Calls, large: Calls, agrees: bool | None) -> None:
    assert same_calls(arm, large).agrees is agrees


def test_the_canonical_form_does_not_change() -> None:
    assert canonical_calls([SEND, ("find", '{"b": [1.0, {"d": null}], "a": "é"}')]) == [
        '["find", {"a": "\\u00e9", "b": [1, {"d": null}]}]',
        '["send", {"to": "a"}]',
    ]
