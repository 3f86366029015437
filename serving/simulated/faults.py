"""The faults by name: what each is called, what its argument means, and how one is written down."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class FaultName(StrEnum):
    """What can go wrong. Where a fault has an argument, the comment names it and its default."""

    NONE = "none"  # as a request header: no fault for this request, whatever the script says
    REFUSE = "refuse"  # resets the connection once the request is read, before any byte
    CLOSE_REUSED = "close_reused"  # closes the connection before any byte, from its second request on
    HANG = "hang"  # no byte, not even headers; seconds: for ever
    HEADERS_ONLY_HANG = "headers_only_hang"  # headers, then silence; seconds: for ever
    ROLE_ONLY_HANG = "role_only_hang"  # the role chunk, then silence; seconds: for ever
    HANG_DURING = "hang_during"  # silence inside the answer; tokens sent before it: 2
    TOO_MANY_REQUESTS = "429"  # Retry-After in seconds: 1
    BAD_RETRY_AFTER = "bad_retry_after"  # a 429; the header's value as it is: soon
    STATUS = "status"  # an error with a body; the status, also written alone (`500`): 500
    REDIRECT = "redirect"  # a 302; where to: a path of this server
    HTML = "html"  # a 200 with a web page
    EMPTY = "empty"  # a 200 without a body
    ERROR_IN_200 = "error_in_200"  # a 200 whose body is an error
    ERROR_FIRST_EVENT = "error_first_event"  # a stream whose first event is an error
    ERROR_EVENT = "error_event"  # an error event inside the stream, then [DONE]; tokens before it: half
    CUT = "cut"  # a reset inside the answer; tokens before it: half
    HANG_AFTER_DONE = "hang_after_done"  # [DONE], but the connection stays open; seconds: for ever
    EARLY_END = "early_end"  # a clean end without finish reason and [DONE]; tokens before it: half
    GARBAGE = "garbage"  # a chunk that is not JSON; tokens before it: half
    ABORT = "abort"  # finish_reason abort; tokens before it: half
    SLOW = "slow"  # milliseconds between tokens: 500
    EMPTY_ANSWER = "empty_answer"  # content ""
    REFUSAL = "refusal"  # `refusal` instead of content
    CONTENT_FILTER = "content_filter"  # finish_reason content_filter; tokens before it: none
    NO_CHOICES = "no_choices"  # an answer without `choices`
    NO_USAGE = "no_usage"
    NEGATIVE_USAGE = "negative_usage"
    DUPLICATE_USAGE = "duplicate_usage"  # a first usage chunk with smaller figures, then the right one
    BROKEN_TOOL_CALL = "broken_tool_call"  # a tool call whose arguments are half a JSON text
    AFTER_DONE = "after_done"  # more chunks after [DONE]
    BIG_LINE = "big_line"  # one line of a stream; bytes: 50 MiB
    BIG_BODY = "big_body"  # one whole answer; bytes: 1 GiB, never held in memory
    BOMB = "bomb"  # a body compressed unasked; bytes once unpacked: 1 GiB
    RAGGED = "ragged"  # a healthy answer in small writes that end anywhere; bytes a write: 7
    ODD_FRAMING = "odd_framing"  # a healthy stream, framed as the standard allows but nobody does; lf, cr or crlf: crlf


class ArgumentKind(StrEnum):
    """What may follow the colon."""

    NOTHING = "no argument"
    SECONDS = "a number of seconds, 0 or more"
    MILLISECONDS = "a number of milliseconds, 0 or more"
    TOKENS = "a number of tokens, 0 or more"
    BYTES = "a number of bytes, 1 or more"
    STATUS = "an HTTP status from 400 to 599"
    LINE_END = "lf, cr or crlf"
    TEXT = "any text without line breaks"


_KINDS: Final = {
    **dict.fromkeys(
        (
            FaultName.HANG,
            FaultName.HEADERS_ONLY_HANG,
            FaultName.ROLE_ONLY_HANG,
            FaultName.HANG_AFTER_DONE,
            FaultName.TOO_MANY_REQUESTS,
        ),
        ArgumentKind.SECONDS,
    ),
    FaultName.SLOW: ArgumentKind.MILLISECONDS,
    **dict.fromkeys(
        (
            FaultName.HANG_DURING,
            FaultName.ERROR_EVENT,
            FaultName.CUT,
            FaultName.EARLY_END,
            FaultName.GARBAGE,
            FaultName.ABORT,
            FaultName.CONTENT_FILTER,
        ),
        ArgumentKind.TOKENS,
    ),
    **dict.fromkeys((FaultName.BIG_LINE, FaultName.BIG_BODY, FaultName.BOMB, FaultName.RAGGED), ArgumentKind.BYTES),
    FaultName.ODD_FRAMING: ArgumentKind.LINE_END,
    FaultName.STATUS: ArgumentKind.STATUS,
    **dict.fromkeys((FaultName.BAD_RETRY_AFTER, FaultName.REDIRECT), ArgumentKind.TEXT),
}

_FITS: Final = {
    ArgumentKind.SECONDS: re.compile(r"\d+(\.\d+)?"),
    ArgumentKind.MILLISECONDS: re.compile(r"\d+(\.\d+)?"),
    ArgumentKind.TOKENS: re.compile(r"\d{1,9}"),
    ArgumentKind.BYTES: re.compile(r"[1-9]\d{0,11}"),
    ArgumentKind.STATUS: re.compile(r"[45]\d\d"),
    ArgumentKind.LINE_END: re.compile(r"lf|cr|crlf"),
    ArgumentKind.TEXT: re.compile(r"[^\r\n]+"),
}

_NAMES: Final = {name.value: name for name in FaultName}

# `redirect:http://host/path` keeps its colons; an address is never mistaken for a share, which is a number at the end.
_WRITTEN: Final = re.compile(r"(?P<name>[a-z0-9_]+)(:(?P<argument>.*?))?(@(?P<share>\d*\.?\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a script: its name, its argument, and the share of requests it strikes (0 to 1)."""

    name: FaultName
    argument: str | None = None
    share: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"fault '{self.name}': share must be from 0 to 1, not {self.share}")
        if self.argument is None:
            return
        kind = _KINDS.get(self.name, ArgumentKind.NOTHING)
        if kind is ArgumentKind.NOTHING or not _FITS[kind].fullmatch(self.argument):
            raise ValueError(f"fault '{self.name}' takes {kind}, not '{self.argument}'")

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read `NAME[:ARGUMENT][@SHARE]`, such as `429:30@0.1`; a status may stand for `status:STATUS`."""
        written = _WRITTEN.fullmatch(text.strip())
        if written is None:
            raise ValueError(f"'{text}' is not a fault; write NAME, NAME:ARGUMENT or NAME:ARGUMENT@SHARE")
        name, argument = written["name"], written["argument"]
        if name not in _NAMES and argument is None and re.fullmatch(r"[45]\d\d", name):
            name, argument = FaultName.STATUS.value, name
        if name not in _NAMES:
            raise ValueError(f"there is no fault '{name}'; there are: {', '.join(_NAMES)}, and any status from 400")
        return cls(name=_NAMES[name], argument=argument, share=float(written["share"] or 1))

    def __str__(self) -> str:
        argument = "" if self.argument is None else f":{self.argument}"
        share = "" if self.share == 1 else f"@{self.share:g}"
        return f"{self.name}{argument}{share}"

    def number(self, default: float) -> float:
        """Return the argument as a number."""
        return default if self.argument is None else float(self.argument)

    def tokens_before(self, default: int) -> int:
        """Return how many tokens of the answer go out before the fault."""
        return default if self.argument is None else int(self.argument)
