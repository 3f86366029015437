"""From a request and a script to the reply of a healthy model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from serving.simulated import chat_shape, completion_shape
from serving.simulated.answer import Answer, Ask, compose
from serving.simulated.asked import Asked, Endpoint, Rejected
from serving.simulated.draws import fraction
from serving.simulated.pieces import split
from serving.simulated.reply import DONE, EVENTS, Kind, Reply, Send, Step, Wait, event, whole
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
    usage: Usage | None
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
        usage=count_usage(script, prompt_tokens, answers),
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
    usage = plan.usage and replace(plan.usage, completion=max(plan.usage.completion + change, 0))
    return replace(plan, answers=answers, usage=usage)


def write_reply(plan: Plan) -> Reply:
    """Write a plan out, as a stream or as a whole."""
    return _write_stream(plan) if plan.asked.is_stream else _write_whole(plan)


def _write_whole(plan: Plan) -> Reply:
    asked = plan.asked
    shape = chat_shape if asked.endpoint is Endpoint.CHAT else completion_shape
    body = _envelope(asked, shape.WHOLE_OBJECT)
    if plan.has_choices:
        body["choices"] = [shape.whole_choice(index, answer, asked.top) for index, answer in enumerate(plan.answers)]
    if plan.usage is not None:
        body["usage"] = {"prompt_tokens_details": None, **plan.usage.as_json()}
    body |= shape.WHOLE_EXTRAS
    gaps = max((answer.length for answer in plan.answers), default=1) - 1
    return whole(orjson.dumps(body), after_s=plan.latency_s + max(gaps, 0) * plan.gap_s)


def _write_stream(plan: Plan) -> Reply:
    asked = plan.asked
    shape = chat_shape if asked.endpoint is Endpoint.CHAT else completion_shape
    envelope = _envelope(asked, shape.CHUNK_OBJECT)

    def chunk(choice: dict[str, Any], kind: Kind) -> Send:
        choices = {"choices": [choice]} if plan.has_choices else {}
        return event(orjson.dumps({**envelope, **choices}), kind)

    steps: list[Step] = [Wait(plan.latency_s)] if plan.latency_s else []
    if asked.endpoint is Endpoint.CHAT:
        steps += [chunk(chat_shape.opening_choice(index), Kind.ROLE) for index in range(len(plan.answers))]
    gap = [Wait(plan.gap_s)] if plan.gap_s else []
    for index, answer in enumerate(plan.answers):
        contents = shape.content_choices(index, answer, asked.top)
        finish = shape.finish_choice(index, answer, asked.top)
        # A model that runs into its limit has no end-of-sequence token to send: its last token carries the finish.
        ends_early = answer.finish_reason == "length" and contents
        if ends_early:
            contents[-1] |= {"finish_reason": answer.finish_reason, "stop_reason": None}
        for nth, choice in enumerate(contents):
            steps += gap if nth or index else []
            steps.append(chunk(choice, Kind.CONTENT))
        if not ends_early:
            steps.append(chunk(finish, Kind.FINISH))
    if plan.usage is not None and asked.includes_usage:
        usage = {**envelope, "choices": [], "usage": plan.usage.as_json()}
        steps.append(event(orjson.dumps(usage), Kind.USAGE))
    return Reply(headers=EVENTS, steps=(*steps, DONE), has_early_head=True)


def _envelope(asked: Asked, kind: str) -> dict[str, Any]:
    return {"id": asked.answer_id, "object": kind, "created": CREATED, "model": asked.model}
