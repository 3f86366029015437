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
    share: float | None = None
    scale: str | None = None
    """What they compare: the confidence of one calibration, or a raw score."""
    whole: BudgetTracker | None = None
    prefix: BudgetTracker | None = None
    late: BudgetTracker | None = None

    def follow(self, share: float, score: ScoreName, judge: JudgeEntry, *, can_judge_prefixes: bool) -> None:
        """Go on with what there is, or begin anew where something else is compared now.

        Those that begin anew are others: requests that began before go on with theirs.
        """
        scale = f"score {score}" if judge.calibration is None else judge.calibration.version
        if (self.share, self.scale) == (share, scale):
            return
        if scale != self.scale:
            self.whole = self.prefix = self.late = None
        self.share, self.scale = share, scale
        self.whole = self._begun(share, judge.whole_threshold, self.whole)
        self.late = self._begun(share, judge.whole_threshold, self.late)
        self.prefix = self._begun(share, judge.prefix_threshold, self.prefix) if can_judge_prefixes else None

    def _begun(self, share: float, start: float | None, before: BudgetTracker | None) -> BudgetTracker:
        """A tracker that begins at a known quantile, or where the one before it is."""
        if start is None:
            # Where nothing is known of the scores it begins where none is below.
            start = 0.0 if before is None else before.threshold
        return BudgetTracker(share, start, trackers=self.workers)

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
        gate=_gate(entry.confidence, judge or _NO_JUDGE, trackers, hold_tokens=entry.hold.tokens),
        hold=entry.hold,
    )


def _gate(confidence: ConfidenceEntry, judge: JudgeEntry, trackers: ArmTrackers, *, hold_tokens: int | None) -> Gate:
    calibration = judge.calibration
    can_judge_prefixes = calibration is None or calibration.judges_prefixes_of(hold_tokens)
    mode, score = confidence.mode, confidence.score or DEFAULT_SCORE
    if mode is ConfidenceMode.THRESHOLD:
        least = confidence.minimum
        return gate_of(mode, score, judge.calibration, whole=least, prefix=least, late=least)
    if not judge.is_armed:
        return gate_of(mode, score, judge.calibration)
    if mode is ConfidenceMode.BUDGET:
        trackers.follow(confidence.share or 0.0, score, judge, can_judge_prefixes=can_judge_prefixes)
        return gate_of(mode, score, judge.calibration, whole=trackers.whole, prefix=trackers.prefix, late=trackers.late)
    return gate_of(
        mode,
        score,
        judge.calibration,
        whole=judge.whole_threshold,
        prefix=judge.prefix_threshold if can_judge_prefixes else None,
        late=judge.whole_threshold,
    )
