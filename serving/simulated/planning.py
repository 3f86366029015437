"""From a request and a script to the reply of a healthy model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from serving.simulated import chat_shape, completion_shape
from serving.simulated.answer import Answer, Ask, compose
from serving.simulated.asked import Asked, Endpoint, Rejected
from serving.simulated.draws import fraction
from serving.simulated.pieces import split
from serving.simulated.reply import DONE, EVENTS, Kind, Reply, Step, Wait, event, whole
from serving.simulated.script import ModelScript

# The first second of 2026. A fixed time keeps the answers to a request the same, byte for byte.
CREATED: Final = 1_767_225_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The token counts a reply reports; the details are left out where None."""

    prompt: int
    completion: int
    cached: int | None = None
    reasoning: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Write it as vLLM does."""
        counts: dict[str, Any] = {
            "prompt_tokens": self.prompt,
            "total_tokens": self.prompt + self.completion,
            "completion_tokens": self.completion,
        }
        if self.cached is not None:
            counts["prompt_tokens_details"] = {"cached_tokens": self.cached}
        if self.reasoning is not None:
            counts["completion_tokens_details"] = {"reasoning_tokens": self.reasoning}
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a model is about to say. A fault changes it before it is written out, or changes the reply after."""

    asked: Asked
    answers: tuple[Answer, ...]
    usages: tuple[Usage, ...]  # a whole answer reports the last; a stream all, in a chunk each
    latency_s: float
    gap_s: float  # between tokens
    has_choices: bool = True


def plan_answer(script: ModelScript, asked: Asked) -> Plan:
    """Decide what the model says to a request, and how fast.

    Raises Rejected where the prompt is longer than the model's context.
    """
    prompt_tokens = script.prompt_tokens if script.prompt_tokens is not None else len(split(asked.prompt_text))
    if prompt_tokens >= script.max_model_len:
        message = (
            f"This model's maximum context length is {script.max_model_len} tokens. However, your request has "
            f"{prompt_tokens} input tokens. Please reduce the length of the input messages."
        )
        raise Rejected(message, param="input_tokens")
    answers = tuple(
        compose(script, Ask(prompt=prompt, choice=choice, top=asked.top, limit=asked.limit, tool=asked.tool))
        for prompt in asked.prompts
        for choice in range(asked.choices)
    )
    pace = 1.0
    if script.jitter:
        pace += script.jitter * (2 * fraction(script.seed, "pace", script.name, asked.prompts[0]) - 1)
    return Plan(
        asked=asked,
        answers=answers,
        usages=(count_usage(script, prompt_tokens, answers),),
        latency_s=script.latency_ms / 1000 * pace,
        gap_s=pace / script.tokens_per_second if script.tokens_per_second else 0.0,
    )


def count_usage(script: ModelScript, prompt_tokens: int, answers: Sequence[Answer]) -> Usage:
    """Count what the answers used; the script's own figures go first."""
    completion = script.completion_tokens
    if completion is None:
        completion = sum(answer.length for answer in answers) + (script.reasoning_tokens or 0)
    return Usage(
        prompt=prompt_tokens, completion=completion, cached=script.cached_tokens, reasoning=script.reasoning_tokens
    )


def with_answers(plan: Plan, answers: tuple[Answer, ...]) -> Plan:
    """Return the plan with other answers, and a usage that fits them."""
    change = sum(answer.length for answer in answers) - sum(answer.length for answer in plan.answers)
    usages = (replace(usage, completion=max(usage.completion + change, 0)) for usage in plan.usages)
    return replace(plan, answers=answers, usages=tuple(usages))


def write_reply(plan: Plan) -> Reply:
    """Write a plan out, as a stream or as a whole."""
    return _write_stream(plan) if plan.asked.is_stream else _write_whole(plan)


def _write_whole(plan: Plan) -> Reply:
    asked = plan.asked
    shape = chat_shape if asked.endpoint is Endpoint.CHAT else completion_shape
    body = _envelope(asked, shape.WHOLE_OBJECT)
    if plan.has_choices:
        body["choices"] = [shape.whole_choice(index, answer, asked.top) for index, answer in enumerate(plan.answers)]
    if plan.usages:
        body["usage"] = {"prompt_tokens_details": None, **plan.usages[-1].as_json()}
    body |= shape.WHOLE_EXTRAS
    gaps = max((answer.length for answer in plan.answers), default=1) - 1
    return whole(orjson.dumps(body), after_s=plan.latency_s + max(gaps, 0) * plan.gap_s)


def _write_stream(plan: Plan) -> Reply:
    asked = plan.asked
    shape = chat_shape if asked.endpoint is Endpoint.CHAT else completion_shape
    envelope = _envelope(asked, shape.CHUNK_OBJECT)
    steps: list[Step] = [Wait(plan.latency_s)] if plan.latency_s else []
    gap = [Wait(plan.gap_s)] if plan.gap_s else []
    sent = 0
    for choice, kind in _choices(plan):
        if kind is Kind.CONTENT:
            steps += gap if sent else []
            sent += 1
        chunk = {**envelope, "choices": [choice]} if plan.has_choices else dict(envelope)
        if asked.has_running_usage and plan.usages:
            chunk["usage"] = replace(plan.usages[-1], completion=sent).as_json()
        steps.append(event(orjson.dumps(chunk), kind))
    for usage in plan.usages if asked.includes_usage else ():
        steps.append(event(orjson.dumps({**envelope, "choices": [], "usage": usage.as_json()}), Kind.USAGE))
    return Reply(headers=EVENTS, steps=(*steps, DONE), has_early_head=True)


def _choices(plan: Plan) -> Iterator[tuple[dict[str, Any], Kind]]:
    """Yield what the chunks of a stream carry, in their order."""
    top = plan.asked.top
    is_chat = plan.asked.endpoint is Endpoint.CHAT
    shape = chat_shape if is_chat else completion_shape
    if is_chat:
        yield from ((chat_shape.opening_choice(index), Kind.ROLE) for index in range(len(plan.answers)))
    for index, answer in enumerate(plan.answers):
        contents = shape.content_choices(index, answer, top)
        # A model that runs into its limit has no end-of-sequence token to send: its last token carries the finish.
        is_at_limit = answer.finish_reason == "length" and bool(contents)
        if is_at_limit:
            contents[-1] |= {"finish_reason": answer.finish_reason, "stop_reason": None}
        yield from ((choice, Kind.CONTENT) for choice in contents)
        if not is_at_limit:
            yield shape.finish_choice(index, answer, top), Kind.FINISH


def _envelope(asked: Asked, kind: str) -> dict[str, Any]:
    return {"id": asked.answer_id, "object": kind, "created": CREATED, "model": asked.model}
