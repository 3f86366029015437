from routing.drift.alarms import CALM_WINDOWS, Alarm, Cause, Sign, after_window, raised
from routing.drift.features import Family

LONGER = Sign(feature="input_length", family=Family.LENGTH, cause=Cause.WINDOW, score=0.4)


def test_an_alarm_begins_with_its_window_and_goes_on_while_there_are_signs() -> None:
    alarms = after_window({}, [LONGER], 100)
    alarms = after_window(alarms, [LONGER], 200)
    assert alarms["input_length"].since_us == 100
    assert alarms["input_length"].calm == 0


def test_it_is_over_after_some_windows_without_a_sign() -> None:
    alarms = after_window({}, [LONGER], 100)
    for at in range(CALM_WINDOWS - 1):
        alarms = after_window(alarms, [], 200 + at)
        assert "input_length" in alarms
    assert after_window(alarms, [], 900) == {}


def test_a_sign_in_between_keeps_it_on_without_beginning_anew() -> None:
    alarms = after_window(after_window({}, [LONGER], 100), [], 200)
    alarms = raised(alarms, [LONGER], 250)
    assert (alarms["input_length"].since_us, alarms["input_length"].calm) == (100, 0)


def test_it_survives_being_written_and_read() -> None:
    alarm = after_window({}, [LONGER], 100)["input_length"]
    assert Alarm.from_document(alarm.as_document()) == alarm
