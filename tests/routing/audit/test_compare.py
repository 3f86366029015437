import pytest

from routing.audit.compare import Comparer, ComparerKind, Said

EXACT = Comparer(kind=ComparerKind.EXACT)
JSON = Comparer(kind=ComparerKind.JSON, fields=("intent",))
NUMBER = Comparer(kind=ComparerKind.NUMBER, tolerance=0.01)
JUDGE = Comparer(kind=ComparerKind.JUDGE)
YES = Said(text="yes")
EMPTY = Said(flaw="empty")
CALL = Said(tool_calls=(("find", '{"id": 7}'),))


@pytest.mark.parametrize("comparer", [EXACT, JSON, NUMBER, JUDGE], ids=lambda comparer: str(comparer.kind))
@pytest.mark.parametrize(
    ("arm", "large", "agrees"),
    [
        pytest.param(None, YES, None, id="an answer that did not arrive says nothing of quality"),
        pytest.param(YES, None, None, id="a large model that did not answer leaves nothing to compare with"),
        pytest.param(YES, EMPTY, None, id="a flawed answer of the large model holds nobody to anything"),
        pytest.param(YES, Said(text=" \n"), None, id="white space is no answer to be held to"),
        pytest.param(Said(), YES, None, id="an answer of a form that nobody here reads is not judged"),
        pytest.param(EMPTY, EMPTY, None, id="two flawed answers agree on nothing"),
        pytest.param(EMPTY, YES, False, id="a flawed answer where a good one was possible is wrong"),
        pytest.param(Said(text="yes", flaw="invalid_json"), YES, False, id="a flaw counts whatever the text"),
        pytest.param(Said(text=" "), YES, False, id="so does white space"),
        pytest.param(CALL, YES, False, id="a call where words were wanted is wrong"),
        pytest.param(YES, CALL, False, id="words where a call was wanted are wrong"),
        pytest.param(CALL, Said(tool_calls=(("find", '{"id":7.0}'),)), True, id="equal calls agree for any comparer"),
        pytest.param(CALL, Said(tool_calls=(("find", '{"id":8}'),)), False, id="other arguments do not"),
    ],
)
def test_what_is_clear_without_reading(
    comparer: Comparer, arm: Said | None, large: Said | None, agrees: bool | None
) -> None:
    comparison = comparer.compare(arm, large)
    assert comparison is not None
    assert comparison.agrees is agrees


@pytest.mark.parametrize(
    ("comparer", "arm", "large", "agrees"),
    [
        (EXACT, "Refund", "refund ", True),
        (EXACT, "refund", "complaint", False),
        (JSON, '{"intent": "refund", "sure": 1}', '{"intent": "refund"}', True),
        (JSON, '{"intent": "refund"}', '{"intent": "complaint"}', False),
        (NUMBER, "about 100", "100.9", True),
        (NUMBER, "about 100", "102", False),
        (JUDGE, "Refund", "refund", True),
    ],
)
def test_texts_are_compared_as_the_route_says(comparer: Comparer, arm: str, large: str, agrees: bool) -> None:
    comparison = comparer.compare(Said(text=arm), Said(text=large))
    assert comparison is not None
    assert comparison.agrees is agrees


def test_a_judge_is_asked_where_the_words_differ() -> None:
    assert JUDGE.compare(Said(text="a refund is due"), Said(text="you get your money back")) is None
