"""Two hundred days in which nothing happens: alarms are no more frequent than was promised."""

from dataclasses import replace

import numpy as np

from routing.drift.features import Side
from routing.drift.growing import Wanted
from routing.drift.labels import LabelWatch
from routing.drift.means import WATCHED
from routing.drift.rates import Looks, rates_of, windows_a_day
from routing.drift.summary import Summary
from routing.drift.watch import NUMBERS, Terms, Watch
from tests.routing.drift.answers import answers, answers_reference
from tests.routing.drift.texts import reference_of, summary_of, texts

DAYS, EVERY_DAYS = 200, 30
HOUR_US = 3_600_000_000
WINDOW_HOURS = 4
LABELS_A_DAY = 60
LOOKS = Looks(arms=1, windows_a_day=windows_a_day(60 * WINDOW_HOURS), sums=len(NUMBERS), detectors=len(WATCHED))
TERMS = Terms(
    window_requests=500,
    window_us=WINDOW_HOURS * HOUR_US,
    rates=rates_of(EVERY_DAYS, 0.001, LOOKS),
    wanted=Wanted(requests=5000, over_us=24 * HOUR_US),
)


def hours() -> list[Summary]:
    """Different hours of the same kind of traffic."""
    return [summary_of(texts(125, 10_000 + at)) + replace(answers(125, 20_000 + at), seen=0) for at in range(200)]


def test_two_hundred_days_without_drift_have_no_more_false_alarms_than_promised() -> None:
    references = {Side.INPUT: reference_of(texts(5000, 1)), Side.OUTPUT: answers_reference(chunks=25, size=200)}
    pool, chance = hours(), np.random.default_rng(8)
    watch, labels, begun = Watch(), LabelWatch(), 0
    for hour in range(DAYS * 24):
        began_us = hour * HOUR_US
        one = pool[int(chance.integers(len(pool)))]
        after, _ = watch.after(one, began_us, began_us + HOUR_US, TERMS, references)
        begun += sum(name not in watch.alarms for name in after.alarms)
        watch = after
        if hour % 24 == 0:
            labels = labels.after(list((chance.random(LABELS_A_DAY) < 0.9).astype(float)), began_us)
            labels, sign = labels.sign(TERMS.rates.label_alarm)
            begun += sign is not None
    assert begun <= DAYS / EVERY_DAYS
