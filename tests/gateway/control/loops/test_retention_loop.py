"""What the retention loop takes away, a piece at a time."""

from sqlalchemy import func, select

from gateway.control.loops.retention import Retention
from gateway.store import experiment_data, experiments
from gateway.store.engine import Store
from gateway.store.tables import experiment_units
from routing.experiment.accumulate import MEASURED, Unit
from tests.fakes.documents import V1
from tests.fakes.experiments import experiment

DAY_US = 86_400 * 1_000_000


def test_units_of_an_experiment_go_so_many_days_after_its_end(store: Store) -> None:
    nothing = (0.0,) * len(MEASURED)
    unit = Unit(
        arm=V1, step=0, entered_us=1, is_moved=False, first=(None,) * len(MEASURED), y=nothing, d=(0,) * len(MEASURED)
    )
    with store.writing() as connection:
        ended = experiments.add(connection, experiment(ended_us=10 * DAY_US))
        experiment_data.put_units(connection, ended, {f"u{number}": unit for number in range(1001)})

    def left() -> int:
        with store.reading() as connection:
            return int(connection.execute(select(func.count()).select_from(experiment_units)).scalar_one())

    assert not Retention(store, 90, lambda: 100 * DAY_US).run()
    assert left() == 1001
    loop = Retention(store, 90, lambda: 100 * DAY_US + 1)
    assert loop.run()  # there are more
    assert left() == 1
    assert not loop.run()
    assert left() == 0
