"""Pairs of answers in the ledger: sums over requests that an arm answered and, beside, another model too.

They are taken from the records when these go into the lines, and stay when the records go.
"""

from dataclasses import fields
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Float,
    and_,
    case,
    cast,
    func,
    literal_column,
    select,
    text,
)

from gateway.store.ledger_tables import ledger_later, ledger_pairs
from gateway.store.tables import attempts, requests, shadows
from routing.cost.idle import HOUR_US
from routing.cost.savings import Pairs
from routing.words import Purpose, Result

_KEY: Final = ("hour_us", "route", "model")
_SUMS: Final = tuple(field.name for field in fields(Pairs))
_ADD: Final = text(
    f"INSERT INTO ledger_pairs ({', '.join((*_KEY, *_SUMS))}) "
    f"VALUES ({', '.join(f':{name}' for name in (*_KEY, *_SUMS))}) "
    "ON CONFLICT (route, model, hour_us) DO UPDATE SET "
    + ", ".join(f"{name} = ledger_pairs.{name} + excluded.{name}" for name in _SUMS)
)
_ARM: Final = attempts.alias("arm_attempt")
_OTHER: Final = attempts.alias("other_attempt")
_ANSWERED: Final = (Result.COMPLETED.value, Result.INVALID.value)
_HOUR: Final = literal_column(str(HOUR_US), BigInteger)


def add(connection: Connection, writer_id: str, upto: int) -> None:
    """Add the pairs that the marked attempts of a writer's batches make, up to one of them."""
    hour = (requests.c.started_us - requests.c.started_us % _HOUR).label("hour_us")
    by = (hour, requests.c.route, _OTHER.c.model)
    marked = and_(_OTHER.c.request_id == ledger_later.c.request_id, _OTHER.c.number == ledger_later.c.number)
    is_shadow = and_(shadows.c.request_id == _OTHER.c.request_id, shadows.c.number == _OTHER.c.number)
    arms = and_(_ARM.c.request_id == _OTHER.c.request_id, _ARM.c.purpose == Purpose.SERVE.value)
    query = (
        select(*by, *(value.label(name) for name, value in _sums().items()))
        .select_from(
            ledger_later.join(_OTHER, marked)
            .join(requests, requests.c.request_id == _OTHER.c.request_id)
            .join(_ARM, arms)
            .outerjoin(shadows, is_shadow)
        )
        .where(
            ledger_later.c.writer_id == writer_id,
            ledger_later.c.seq <= upto,
            _OTHER.c.purpose.in_((Purpose.AUDIT.value, Purpose.SHADOW.value)),
            _OTHER.c.result.in_(_ANSWERED),
            _ARM.c.model != _OTHER.c.model,
            _OTHER.c.cost_nanousd.is_not(None),
            _ARM.c.cost_nanousd.is_not(None),
            _chance() > 0,
        )
        .group_by(*by)
    )
    rows = [dict(row) for row in connection.execute(query).mappings()]
    if rows:
        connection.execute(_ADD, sorted(rows, key=lambda row: [row[name] for name in _KEY]))


def pairs_of(connection: Connection, route: str, model: str, since_us: int, until_us: int) -> Pairs | None:
    """The pairs with a model of a route's hours that began from one moment on and before another; `None`: none."""
    sums = [func.sum(ledger_pairs.c[name]).label(name) for name in _SUMS]
    row = connection.execute(
        select(*sums).where(
            ledger_pairs.c.route == route,
            ledger_pairs.c.model == model,
            ledger_pairs.c.hour_us >= since_us,
            ledger_pairs.c.hour_us < until_us,
        )
    ).one()
    if row.n is None:
        return None
    return Pairs(n=int(row.n), **{name: float(getattr(row, name)) for name in _SUMS if name != "n"})


def _chance() -> ColumnElement[Any]:
    return case((_OTHER.c.purpose == Purpose.SHADOW.value, shadows.c.propensity), else_=requests.c.audit_propensity)


def _sums() -> dict[str, ColumnElement[Any]]:
    weight = 1.0 / _chance()
    # As floats: squares of nano-dollars would not fit where SQLite adds them up.
    arm, large = cast(_ARM.c.cost_nanousd, Float(53)), cast(_OTHER.c.cost_nanousd, Float(53))
    terms = {
        "weight": weight,
        "arm": weight * arm,
        "large": weight * large,
        "squares_weight": weight * weight,
        "squares_arm": weight * weight * arm * arm,
        "squares_large": weight * weight * large * large,
        "products": weight * weight * arm * large,
        "by_weight_arm": weight * weight * arm,
        "by_weight_large": weight * weight * large,
    }
    for side, table in (("arm", _ARM), ("large", _OTHER)):
        terms |= {
            f"{side}_{kind}": weight * func.coalesce(table.c[f"{kind}_tokens"], 0) for kind in ("input", "output")
        }
    return {"n": func.count(), **{name: func.sum(term) for name, term in terms.items()}}
