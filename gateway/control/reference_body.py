"""A reference as it is uploaded: summaries in chunks, checked strictly, since everything is judged by them later."""

from typing import Annotated, Final

import msgspec

from gateway.errors import ApiError
from routing.drift.features import Side
from routing.drift.summary import GRAM_BINS, WORD_BINS, Summary, total_of

MAX_BYTES: Final = 8 * 1024 * 1024
"""No request of any kind is larger."""
MIN_CHUNKS, MAX_CHUNKS = 20, 100
MIN_ROWS: Final = 200
_MOST: Final = 10**12

Count = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
Sum = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class ChunkBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One summary, as `Summary.as_document` writes it."""

    seen: Count
    inputs: Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
    outputs: Annotated[int, msgspec.Meta(ge=0, le=0)]
    counts: dict[str, list[Count]]
    sums: dict[str, tuple[Sum, Sum]]
    grams: list[Count]
    words: list[Count]
    top_grams: dict[Annotated[str, msgspec.Meta(max_length=3)], Count]
    templates: dict[Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")], Count]


class ReferenceBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a training set comes to."""

    dataset_sha256: Sha256
    rows: Count
    chunks: Annotated[list[ChunkBody], msgspec.Meta(min_length=MIN_CHUNKS, max_length=MAX_CHUNKS)]
    reason: Annotated[str, msgspec.Meta(max_length=500)] | None = None

    def summaries(self) -> list[Summary]:
        """The chunks.

        Raises:
            ApiError: 400, one of them contradicts itself.
        """
        return [_summary(f"chunks.{number}", chunk) for number, chunk in enumerate(self.chunks)]


def read_reference(raw: bytes) -> ReferenceBody:
    """Read and check a body.

    Raises:
        ApiError: 400, with what is wrong and where.
    """
    try:
        body = msgspec.json.decode(raw, type=ReferenceBody)
    except msgspec.ValidationError as error:
        raise ApiError(400, f"the reference is refused: {error}", code="invalid_value") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(400, f"the body is not valid JSON: {error}", code="invalid_json") from None
    total = total_of(body.summaries())
    if total.n(Side.INPUT) < MIN_ROWS:
        sentence = f"chunks: describe {total.inputs} rows together; a reference takes {MIN_ROWS} or more"
        raise ApiError(400, sentence, param="chunks", code="invalid_value")
    return body


def _summary(where: str, chunk: ChunkBody) -> Summary:
    if len(chunk.grams) != GRAM_BINS:
        raise _refused(where, f"has {len(chunk.grams)} bins of grams; {GRAM_BINS} are wanted")
    if len(chunk.words) % 2 or any(word >= WORD_BINS for word in chunk.words[::2]):
        raise _refused(where, f"words is no list of pairs of a number below {WORD_BINS} and a count")
    try:
        summary = Summary.from_document(msgspec.to_builtins(chunk))
    except ValueError as error:
        raise _refused(where, str(error)) from None
    overfull = next((name for name, counts in summary.counts.items() if sum(counts) > summary.inputs), None)
    if overfull is not None:
        raise _refused(where, f"counts more values of {overfull} than it has rows")
    if not summary.counts:
        raise _refused(where, "has no feature that is known here; is the command as new as the gateway?")
    return summary


def _refused(where: str, sentence: str) -> ApiError:
    return ApiError(400, f"{where}: {sentence}", param=where, code="invalid_value")
