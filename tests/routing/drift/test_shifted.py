from routing.drift.features import Side
from routing.drift.reference import Reference
from routing.drift.shifted import fresh_templates, shifted_grams
from routing.drift.summary import Summary
from tests.routing.drift.texts import reference_of, summary_of, texts

REFERENCE = reference_of(texts(1000, 1))


def test_the_pieces_of_a_new_product_are_named() -> None:
    shown = shifted_grams(REFERENCE, summary_of(texts(500, 2, products=["thermostat"])))
    assert {"the", "erm", "mos"} & {piece.piece for piece in shown}
    assert all(len(piece.piece) == 3 for piece in shown)
    assert any(piece.now > piece.before for piece in shown)


def test_new_templates_are_fingerprints_with_their_share() -> None:
    (found,) = fresh_templates(REFERENCE, summary_of(texts(250, 2) + ["status of 7?"] * 250))
    assert found.now == 0.5
    assert len(found.piece) == 16


def test_of_nothing_nothing_is_shown() -> None:
    empty = Reference(Side.INPUT, [])
    assert shifted_grams(empty, summary_of(["abc"])) == []
    assert shifted_grams(REFERENCE, Summary()) == []
    assert fresh_templates(REFERENCE, Summary()) == []
