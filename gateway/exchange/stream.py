"""One upstream's stream: read, judged while it is held, and passed on."""

from dataclasses import dataclass
from time import monotonic

from gateway.exchange.facts import Attempt
from routing.answer.hold import HoldState, decide, is_full, says_enough
from routing.answer.policy import HoldWindow
from routing.confidence.features import Features
from routing.confidence.gate import Gate, Judgement
from serving.chunks import DONE, ChunkReader
from serving.errors import Broken, TimedOut
from serving.sse import EventSplitter
from serving.wire.connection import Connection

COMMENT_AFTER_S = 15.0
"""Silence after which a committed stream is kept awake: proxies between here and the client close idle ones."""
_COMMENT = b": keep-alive\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a stream may be silent. Times of the monotonic clock, in seconds."""

    first_token_at_s: float
    idle_s: float
    total_at_s: float

    def until_s(self, now_s: float, *, has_content: bool) -> float:
        """When to give up on what is awaited now."""
        return min(self.total_at_s, now_s + self.idle_s if has_content else self.first_token_at_s)


class AnswerStream:
    """A stream of chunks from the moment its head has come. What it yields is ready to be sent."""

    def __init__(
        self,
        connection: Connection,
        reader: ChunkReader,
        attempt: Attempt,
        patience: Patience,
        *,
        prefix_tokens: int = 0,
    ) -> None:
        """`prefix_tokens`: after how many content tokens the features so far are noted; 0 for never."""
        self.held: list[bytes] = []
        """Events that were read and not sent."""
        self.has_ended = False
        self._is_released = False
        self._give_up_at_s: float | None = None
        self._connection = connection
        self._reader = reader
        self._splitter = EventSplitter()
        self._attempt = attempt
        self._patience = patience
        self._prefix_tokens = prefix_tokens

    async def hold(self, window: HoldWindow, gate: Gate | None) -> tuple[HoldState, Judgement | None]:
        """Read until the start of the stream may be judged.

        Returns:
            Released or abandoned, or still holding for a stream that has ended, which is a whole answer; and what
            it was judged by, `None` where that decides nothing.

        Raises:
            UpstreamError: it failed before.
        """
        overdue_at_s: float | None = None
        while not self.has_ended:
            is_overdue = False
            if self._reader.has_content:
                now_s = monotonic()
                if overdue_at_s is None:
                    self._attempt.first_token_s = now_s
                    overdue_at_s = now_s + (window.ms / 1000 if window.ms is not None else 1e9)
                is_overdue = now_s >= overdue_at_s
                tokens = self._reader.tokens
                has_value = self._reader.has_value
                is_flawed = has_value and self._reader.flaw is not None
                if is_full(window, tokens=tokens, is_overdue=is_overdue, has_value=has_value, is_flawed=is_flawed):
                    is_judged = gate is not None and says_enough(window, tokens=tokens, is_overdue=is_overdue)
                    judgement = self._judge_prefix(gate) if gate is not None and is_judged else None
                    return decide(judgement, window, tokens=tokens, is_overdue=is_overdue), judgement
            await self._read(overdue_at_s)
        if self._reader.has_content and self._attempt.first_token_s is None:
            self._attempt.first_token_s = monotonic()
        is_judged = gate is not None and window.tokens != 0
        return HoldState.HOLDING, gate.judge(self._reader.features) if gate is not None and is_judged else None

    def _judge_prefix(self, gate: Gate) -> Judgement:
        """Judge by the features noted, or at the deadline by those that there are."""
        if self._attempt.prefix is None:
            self._attempt.prefix = self._reader.features
        return gate.judge_prefix(self._attempt.prefix)

    async def next(self) -> bytes:
        """The next bytes for the client, a comment after a long silence; `b""` once the stream has ended well.

        Raises:
            UpstreamError: it broke off.
        """
        while not self.held and not self.has_ended:
            comment_at_s = monotonic() + COMMENT_AFTER_S
            if not await self._read(comment_at_s) and monotonic() >= comment_at_s:
                return _COMMENT
        return self.take()

    def take(self) -> bytes:
        """Everything that was read and not sent, as server-sent events."""
        held = self.held
        if not held:
            return b""
        self.held = []
        return b"data: " + b"\n\ndata: ".join(held) + b"\n\n"

    def settle(self, gate: Gate | None, prompt_bytes: int) -> None:
        """Note what the stream came to, or had come to when it was broken off.

        The whole of it is judged late, unless it was before. A part is no whole answer, and judged by no measure of it.
        """
        reader, attempt = self._reader, self._attempt
        attempt.note_usage(reader.usage, prompt_bytes, reader.tokens)
        attempt.output_tokens_seen = reader.tokens
        attempt.finish_reason, attempt.answer_id = reader.finish_reason, reader.answer_id
        if not self.has_ended:
            return
        attempt.flaw = reader.flaw
        if gate is not None and not attempt.is_judged_whole:
            attempt.late = gate.judge_late(reader.features)

    async def finish(self) -> None:
        """Read to the end what nobody will be sent.

        Raises:
            UpstreamError: it broke off.
        """
        while not self.has_ended:
            self.held.clear()
            await self._read(None)

    @property
    def features(self) -> Features | None:
        """Of what has come so far."""
        return self._reader.features

    @property
    def has_content(self) -> bool:
        """Whether anything but a role has come."""
        return self._reader.has_content

    @property
    def flaw(self) -> str | None:
        """What is wrong with a stream that has ended."""
        return self._reader.flaw

    def close(self) -> None:
        """Make the upstream stop. Nothing to stop once the stream was released."""
        if not self._is_released:
            self._connection.close()

    def release(self) -> None:
        """Be done with it: the connection is used again if the answer ended well. From here on it is others'."""
        if not self._is_released:
            self._is_released = True
            self._attempt.live.upstream.release(self._connection)

    async def _read(self, overdue_at_s: float | None) -> bool:
        """Read some bytes, or their end; false when that was not to be had in time."""
        if self._connection.has_bytes:
            data: bytes | None = await self._connection.read()
        else:
            give_up_at_s = self._give_up_at_s
            if give_up_at_s is None:
                # Kept until something comes: a timer may fire a moment early, and silence must not begin anew then.
                give_up_at_s = self._patience.until_s(monotonic(), has_content=self._reader.has_content)
                self._give_up_at_s = give_up_at_s
            data = await self._connection.read_until(min(give_up_at_s, overdue_at_s or give_up_at_s))
            if data is None:
                if monotonic() >= give_up_at_s:
                    raise TimedOut("the model stopped answering")
                return False
        self._give_up_at_s = None
        if data:
            self._take_in(data)
        else:
            self._take_end()
        return True

    def _take_in(self, data: bytes) -> None:
        for event in self._splitter.feed(data):
            payload = self._reader.read(event)
            if self._reader.tokens >= self._prefix_tokens > 0:
                self._attempt.prefix = self._reader.features
                self._prefix_tokens = 0
            if payload is not None:
                self.held.append(payload.replace(b"\n", b" ") if b"\n" in payload else payload)
            if self._reader.is_done:
                self._take_end()
                return

    def _take_end(self) -> None:
        """The last event has come, or the connection has ended, which is an end only once all is finished."""
        if not self._reader.is_whole:
            raise Broken("the model's server ended the answer before it was finished")
        if not self._reader.is_done:
            self.held.append(DONE)
        self.has_ended = True
