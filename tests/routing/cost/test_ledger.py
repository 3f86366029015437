"""A line counts what columns of the same names keep."""

from routing.cost.ledger import COUNTS, Line
from routing.words import ModelName


def test_a_line_has_what_is_added_up_and_begins_at_nothing() -> None:
    line = Line(hour_us=0, route="support", model=ModelName("v1"), purpose="serve")
    assert [getattr(line, name) for name in COUNTS] == [0] * len(COUNTS)
    assert set(Line.__dataclass_fields__) == {"hour_us", "route", "model", "purpose", *COUNTS}
