import pytest

from routing.drift.features import BY_NAME, Side
from routing.drift.reference import Reference, counts_of, new_templates
from routing.drift.summary import Summary
from tests.routing.drift.texts import reference_of, summary_of, texts


def test_the_chunks_come_to_the_whole() -> None:
    reference = reference_of(texts(500, 1))
    assert reference.n == 500
    for name in ("input_length", "script", "grams", "template"):
        counts = reference.counts_of(BY_NAME[name])
        assert counts.tolist() == reference.chunk_counts(BY_NAME[name]).sum(axis=0).tolist()
        assert counts.sum() > 0


def test_its_own_words_are_unknown_where_one_chunk_alone_has_them() -> None:
    common, odd = ["one two three"] * 30, ["one two oddity"]
    reference = Reference(Side.INPUT, [summary_of(common), summary_of(common), summary_of(common + odd)])
    known, unknown = reference.counts_of(BY_NAME["unknown_words"])
    total = 3 * 91
    assert known == total - 1
    assert unknown == pytest.approx(1 + 0.03 * total)


def test_templates_that_repeat_are_categories_and_others_are_one() -> None:
    reference = reference_of(["order 1 is late"] * 100 + texts(100, 2), chunks=10)
    assert len(reference.templates) >= 1
    window = summary_of(["order 99 is late"] * 60 + ["status of 5 please"] * 40)
    counts = dict(zip((*reference.templates, "new", "others"), _template(reference, window), strict=True))
    assert counts["new"] == 40
    assert sum(counts.values()) == 100
    assert 60 in counts.values()
    assert list(new_templates(window, reference).values()) == [40]


def _template(reference: Reference, window: Summary) -> list[float]:
    return list(counts_of(BY_NAME["template"], window, reference))


def test_an_empty_reference_has_no_counts() -> None:
    reference = Reference(Side.INPUT, [])
    assert reference.n == 0
    assert reference.counts_of(BY_NAME["input_length"]).sum() == 0
    assert reference.counts_of(BY_NAME["new_word"]).sum() == 0
