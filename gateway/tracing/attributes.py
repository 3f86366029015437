"""The names of what a span says.

Those of generative AI, HTTP and errors are OpenTelemetry's semantic conventions, whose GenAI part is still in
development (https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/); they are named here alone, so that a
renaming is one line. The `fallgate.` ones are what no convention has a name for. None holds a word of a prompt or an
answer, nor a user.
"""

from typing import Final

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
MODEL_ASKED: Final = "gen_ai.request.model"
IS_STREAM: Final = "gen_ai.request.stream"
CHOICES: Final = "gen_ai.request.choice.count"
MODEL_ANSWERED: Final = "gen_ai.response.model"
ANSWER_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
FIRST_CHUNK_S: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
CACHED_INPUT_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"

CHAT: Final = "chat"
TEXT_COMPLETION: Final = "text_completion"
"""Operations."""

ERROR_TYPE: Final = "error.type"
HTTP_METHOD: Final = "http.request.method"
HTTP_ROUTE: Final = "http.route"
HTTP_STATUS: Final = "http.response.status_code"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

REQUEST_ID: Final = "fallgate.request_id"
TENANT: Final = "fallgate.tenant"
ROUTE: Final = "fallgate.route"
ARM: Final = "fallgate.arm"
BUCKET: Final = "fallgate.bucket"
REVISION: Final = "fallgate.revision"
OUTCOME: Final = "fallgate.outcome"
REASON: Final = "fallgate.reason"
ATTEMPTS: Final = "fallgate.attempts"
SCORE_NAME: Final = "fallgate.score_name"
SCORE: Final = "fallgate.score"
CONFIDENCE: Final = "fallgate.confidence"
CALIBRATION: Final = "fallgate.calibration"
THRESHOLD: Final = "fallgate.threshold"
COST_USD: Final = "fallgate.cost_usd"
"""Of all attempts on a request, of its own on an attempt; absent where a price is not known."""

ATTEMPT: Final = "fallgate.attempt"
MODEL: Final = "fallgate.model"
"""The name under `models:`; `MODEL_ASKED` of an attempt is the one that its server knows."""
PURPOSE: Final = "fallgate.purpose"
RESULT: Final = "fallgate.result"
IS_USAGE_ESTIMATED: Final = "fallgate.usage_estimated"
