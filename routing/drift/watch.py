"""One arm, watched: slices become windows, windows are judged, alarms begin and end.

    Watch.after(slice) -> Watch, and the windows that ended with it

A value and nothing else, so that the same slices always lead to the same alarms, and it can be kept between runs.
While there is no reference nothing is compared, and neither numpy nor scipy is loaded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from routing.drift.alarms import Alarm, Cause, Sign, after_window, raised
from routing.drift.cusum import Cusum, limit_for, slack
from routing.drift.features import BY_NAME, COUNTED, Kind, Side
from routing.drift.growing import Growing, Wanted
from routing.drift.means import Detectors
from routing.drift.rates import MEANS_EVERY_US, Rates
from routing.drift.summary import EMPTY, Summary

if TYPE_CHECKING:
    from routing.drift.judge import Finding
    from routing.drift.reference import Reference

NUMBERS = tuple(feature.name for feature in COUNTED if feature.kind is Kind.NUMBER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How an arm is watched."""

    window_requests: int
    window_us: int
    rates: Rates
    wanted: Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A window that is over, and what was found."""

    began_us: int
    ended_us: int
    summary: Summary
    findings: "tuple[Finding, ...]"
    """Of inputs and answers, what moved most first; none of a side without a reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The state of an arm."""

    began_us: int | None = None
    ended_us: int = 0
    window: Summary = EMPTY
    minute: Summary = EMPTY
    """Answers since the detectors looked last."""
    looked_us: int = 0
    detectors: Detectors | None = None
    sums: Mapping[str, Cusum] = field(default_factory=dict)
    alarms: Mapping[str, Alarm] = field(default_factory=dict)
    growing: Mapping[Side, Growing] = field(default_factory=dict)
    """References in the making."""

    def after(
        self, summary: Summary, began_us: int, ended_us: int, terms: Terms, references: "Mapping[Side, Reference]"
    ) -> "tuple[Watch, Ended | None]":
        """The state after a slice, and the window that it completes, if it does."""
        opened = replace(
            self,
            began_us=began_us if self.began_us is None else min(self.began_us, began_us),
            ended_us=max(self.ended_us, ended_us),
            window=self.window + summary,
            growing=self._grown(summary, began_us, ended_us, terms.wanted, references),
        )
        opened = opened._look(summary, ended_us, terms.rates, references)
        if not opened._is_full(terms):
            return opened, None
        return opened._closed(terms, references)

    def _grown(
        self, summary: Summary, began_us: int, ended_us: int, wanted: Wanted, references: "Mapping[Side, Reference]"
    ) -> dict[Side, Growing]:
        missing = [side for side in Side if side not in references]
        return {
            side: self.growing.get(side, Growing(side=side)).after(summary, began_us, ended_us, wanted)
            for side in missing
        }

    def _look(self, summary: Summary, at_us: int, rates: Rates, references: "Mapping[Side, Reference]") -> "Watch":
        """Let the detectors look at the last minute, if it is over."""
        reference = references.get(Side.OUTPUT)
        if reference is None:
            return self
        minute = self.minute + replace(summary, words={}, top_grams={}, templates={})
        if at_us - self.looked_us < MEANS_EVERY_US:
            return replace(self, minute=minute)
        detectors = (self.detectors or Detectors.of(reference.total)).after(minute)
        signs = list(detectors.signs(rates.mean_alarm))
        return replace(
            self,
            minute=EMPTY,
            looked_us=at_us,
            detectors=detectors.begun_anew({sign.feature for sign in signs}),
            alarms=raised(self.alarms, signs, at_us),
        )

    def _is_full(self, terms: Terms) -> bool:
        lasts_us = self.ended_us - (self.ended_us if self.began_us is None else self.began_us)
        return self.window.seen >= terms.window_requests and lasts_us >= terms.window_us

    def _closed(self, terms: Terms, references: "Mapping[Side, Reference]") -> "tuple[Watch, Ended]":
        findings = _judged(self.window, references, terms.rates.window_alpha)
        sums, trends = self._trends(terms.rates, references)
        began_us = self.ended_us if self.began_us is None else self.began_us
        alarms = after_window(self.alarms, [*_signs(findings), *trends], began_us)
        ended = Ended(began_us=began_us, ended_us=self.ended_us, summary=self.window, findings=_ranked(findings))
        return replace(self, began_us=None, ended_us=0, window=EMPTY, sums=sums, alarms=alarms), ended

    def _trends(self, rates: Rates, references: "Mapping[Side, Reference]") -> tuple[dict[str, Cusum], list[Sign]]:
        """Sums of z-scores after this window, and those that are over their limit; these begin anew."""
        sums: dict[str, Cusum] = dict(self.sums)
        signs: list[Sign] = []
        if not references:
            return sums, signs
        from routing.drift.trend import z_of

        for name in NUMBERS:
            reference = references.get(BY_NAME[name].side)
            off = None if reference is None else z_of(name, reference, self.window)
            if off is None:
                continue
            k = slack(off.unsure)
            limit = limit_for(rates.cusum_windows, k)
            after = sums.get(name, Cusum()).after(off.z, k)
            if after.most > limit:
                score = after.most / limit
                signs.append(Sign(feature=name, family=BY_NAME[name].family, cause=Cause.TREND, score=score))
                after = Cusum()
            sums[name] = after
        return sums, signs

    def without_growing(self, side: Side) -> "Watch":
        """When the reference of a side is complete, or has come from elsewhere."""
        return replace(self, growing={one: growing for one, growing in self.growing.items() if one is not side})

    def as_document(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "began_us": self.began_us,
            "ended_us": self.ended_us,
            "window": self.window.as_document(),
            "minute": self.minute.as_document(),
            "looked_us": self.looked_us,
            "detectors": None if self.detectors is None else self.detectors.as_document(),
            "sums": {name: [one.up, one.down] for name, one in self.sums.items()},
            "alarms": [alarm.as_document() for alarm in self.alarms.values()],
            "growing": [growing.as_document() for growing in self.growing.values()],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Watch":
        """Read what `as_document` wrote."""
        alarms = [Alarm.from_document(one) for one in document["alarms"]]
        growing = [Growing.from_document(one) for one in document["growing"]]
        detectors = document["detectors"]
        return cls(
            began_us=document["began_us"],
            ended_us=document["ended_us"],
            window=Summary.from_document(document["window"]),
            minute=Summary.from_document(document["minute"]),
            looked_us=document["looked_us"],
            detectors=None if detectors is None else Detectors.from_document(detectors),
            sums={name: Cusum(up=up, down=down) for name, (up, down) in document["sums"].items()},
            alarms={alarm.feature: alarm for alarm in alarms},
            growing={one.side: one for one in growing},
        )


def _judged(window: Summary, references: "Mapping[Side, Reference]", alpha: float) -> "list[Finding]":
    if not references:
        return []
    from routing.drift.judge import judge

    return [found for reference in references.values() for found in judge(reference, window, alpha=alpha)]


def _signs(findings: "Iterable[Finding]") -> list[Sign]:
    return [
        Sign(feature=found.name, family=found.family, cause=Cause.WINDOW, score=found.psi)
        for found in findings
        if found.is_alarm
    ]


def _ranked(findings: "Iterable[Finding]") -> "tuple[Finding, ...]":
    """Both sides together; `sorted` keeps the order within each where ranks are equal."""
    return tuple(sorted(findings, key=lambda found: (not found.is_alarm, found.side is Side.OUTPUT)))
