"""From what the snapshot says of a route's confidence to the gates of its arms, and the thresholds that move."""

from dataclasses import dataclass, field
from typing import Final

from gateway.snapshot.document import ConfidenceEntry, FallbackEntry, JudgeEntry
from routing.answer.policy import AnswerPolicy
from routing.confidence.budget import BudgetTracker
from routing.confidence.gate import ConfidenceMode, Gate, gate_of
from routing.confidence.scores import ScoreName
from routing.words import ModelName

DEFAULT_SCORE: Final = ScoreName.MEAN_LOGPROB
_NO_JUDGE: Final = JudgeEntry()


@dataclass(slots=True)
class ArmTrackers:
    """The moving thresholds of one arm. Whole answers, prefixes and late judgements are on scales of their own."""

    workers: int
    made_for: tuple[float, str | None] | None = None
    """The share, and the calibration on whose scale they are."""
    whole: BudgetTracker | None = None
    prefix: BudgetTracker | None = None
    late: BudgetTracker | None = None

    def follow(self, share: float, judge: JudgeEntry) -> None:
        """Go on with what there is, or begin anew where confidence is made another way now."""
        version = None if judge.calibration is None else judge.calibration.version
        if self.made_for == (share, version):
            return
        self.made_for = (share, version)
        whole_at, prefix_at = judge.whole_threshold, judge.prefix_threshold
        # Without a calibration nothing is known of the scores: the tracker begins where none is below.
        self.whole = BudgetTracker(share, whole_at or 0.0, trackers=self.workers)
        self.late = BudgetTracker(share, whole_at or 0.0, trackers=self.workers)
        can_judge = judge.calibration is None or judge.calibration.prefix is not None
        self.prefix = BudgetTracker(share, prefix_at or 0.0, trackers=self.workers) if can_judge else None

    def are_of(self, workers: int) -> None:
        """Set the steps by how many workers share the traffic."""
        self.workers = workers
        for tracker in (self.whole, self.prefix, self.late):
            if tracker is not None:
                tracker.is_one_of(workers)


@dataclass(slots=True)
class Trackers:
    """Those of one route, by arm."""

    workers: int = 1
    by_arm: dict[ModelName, ArmTrackers] = field(default_factory=dict)

    def of(self, arm: ModelName) -> ArmTrackers:
        """Those of one arm, made at the first look."""
        found = self.by_arm.get(arm)
        if found is None:
            found = self.by_arm[arm] = ArmTrackers(self.workers)
        return found

    def are_of(self, workers: int) -> None:
        """Set the steps by how many workers share the traffic."""
        self.workers = workers
        for trackers in self.by_arm.values():
            trackers.are_of(workers)


def policy_of(entry: FallbackEntry | None, judge: JudgeEntry | None, trackers: ArmTrackers) -> AnswerPolicy:
    """What becomes of one arm's answers. A fallback that is switched off still observes."""
    if entry is None:
        return AnswerPolicy()
    return AnswerPolicy(
        fallback=entry.to if entry.is_enabled else None,
        when=frozenset(entry.when),
        gate=_gate(entry.confidence, judge or _NO_JUDGE, trackers),
        hold=entry.hold,
    )


def _gate(confidence: ConfidenceEntry, judge: JudgeEntry, trackers: ArmTrackers) -> Gate:
    mode, score = confidence.mode, confidence.score or DEFAULT_SCORE
    if mode is ConfidenceMode.THRESHOLD:
        least = confidence.minimum
        return gate_of(mode, score, judge.calibration, whole=least, prefix=least, late=least)
    if not judge.is_armed:
        return gate_of(mode, score, judge.calibration)
    if mode is ConfidenceMode.BUDGET:
        trackers.follow(confidence.share or 0.0, judge)
        return gate_of(mode, score, judge.calibration, whole=trackers.whole, prefix=trackers.prefix, late=trackers.late)
    return gate_of(
        mode,
        score,
        judge.calibration,
        whole=judge.whole_threshold,
        prefix=judge.prefix_threshold,
        late=judge.whole_threshold,
    )
