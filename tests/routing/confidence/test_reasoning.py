import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.confidence.reasoning import answer_start

THOUGHT = ["Hm", ",", " a", " refund", "."]


@pytest.mark.parametrize(
    ("tokens", "answer", "start"),
    [
        pytest.param(["<think>", *THOUGHT, "</think>", "Yes", "<|im_end|>"], "Yes", 7, id="between marks"),
        pytest.param([*THOUGHT, "</think>", "Yes"], "Yes", 6, id="the mark that opens stood in the prompt"),
        pytest.param([*THOUGHT, "</think>\n\n", "Yes"], "Yes", 6, id="a mark with white space"),
        pytest.param([*THOUGHT, "[/THINK]", "Yes", "</s>"], "Yes", 6, id="another mark"),
        pytest.param([*THOUGHT, "</", "th", "ink", ">", "Yes"], "Yes", 9, id="a mark of several tokens"),
        pytest.param([*THOUGHT, "[/THINK]", "THINK"], "THINK", 6, id="an answer that occurs in the mark"),
        pytest.param(
            [*THOUGHT, "[/x]", "end", "<|im_end|>"], "end", 6, id="an answer that occurs in the token at the end"
        ),
        pytest.param([*THOUGHT, "[/x]", "\n\nYes", "!"], "Yes!", 6, id="white space in front, in the same token"),
        pytest.param([*THOUGHT, "[/x]", "a", " refund"], "a refund", 6, id="an answer that was thought before"),
        pytest.param([*THOUGHT, "[/x]", "Ye", "s"], "No", None, id="the answer is not there"),
        pytest.param(["Other", "[/x]", "Yes"], "Yes", None, id="the reasoning is not there"),
        pytest.param([*THOUGHT], "Yes", None, id="the answer was not reached"),
        pytest.param([*THOUGHT], "", None, id="there is no answer"),
        pytest.param([*THOUGHT], None, None, id="nor a call"),
        pytest.param([*THOUGHT, "</think>", "<tool_call>", "{"], None, 6, id="a call"),
        pytest.param([*THOUGHT, "<tool_call>", "{"], None, 5, id="a call right after"),
        pytest.param([], "Yes", None, id="no tokens"),
    ],
)
def test_where_the_answer_begins(tokens: list[str], answer: str | None, start: int | None) -> None:
    assert answer_start(tokens, "Hm, a refund.\n", answer) == start


WORDS = st.lists(st.sampled_from(["a", " a", "b", "\n", " ", "ab", "think", ">", "é"]), min_size=1, max_size=6)


@given(thought=WORDS, answer=WORDS, mark=st.sampled_from(["</think>", "[/THINK]", "<|channel|>"]))
def test_no_token_of_the_reasoning_or_the_mark_is_taken_for_the_answers(
    thought: list[str], answer: list[str], mark: str
) -> None:
    tokens = [*thought, mark, *answer, "<|im_end|>"]
    start = answer_start(tokens, "".join(thought), "".join(answer))
    if "".join(answer).strip():
        assert start is not None
    assert start is None or start > len(thought)
