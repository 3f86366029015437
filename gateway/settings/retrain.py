"""When a route's version is due for training again, and who is told."""

import base64
import binascii
import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from gateway.settings.addresses import check_base_url
from gateway.settings.fields import NUMBER, ClientSecret, Section, refused
from gateway.settings.secret import Secret
from gateway.webhooks.signature import SECRET_PREFIX
from serving.webhook_address import is_loopback, is_nowhere

MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
_USER: Final = re.compile(r"https?://[^/]*@")
_HOST: Final = re.compile(r"https?://(?:\[([^\]]*)\]|([^/:?#]*))")


def _webhook_url(text: str) -> str:
    before, question, query = text.partition("?")
    if _USER.match(before):
        raise refused("{value} has a user or password in it; leave it out, since the signature proves who sends")
    check_base_url(before)
    if "#" in query or text.endswith("?"):
        raise refused("{value} must end with its path or its query, without #")
    found = _HOST.match(before)
    host = (found[1] or found[2]) if found else ""
    if before.startswith("http://") and not is_loopback(host):
        raise refused(
            "{value} must begin with https://; http:// is for this machine alone, as in http://127.0.0.1:9000"
        )
    if is_nowhere(host):
        raise refused("{value} is an address that no receiver has")
    return before + question + query


def _webhook_secret(secret: Secret) -> Secret:
    text = secret.reveal()
    if not text.startswith(SECRET_PREFIX):
        return secret
    try:
        size = len(base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True))
    except binascii.Error:
        raise refused("begins with whsec_ and does not go on with base64") from None
    if not MIN_SECRET_BYTES <= size <= MAX_SECRET_BYTES:
        raise refused(
            f"has {{size}} bytes behind whsec_; {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} are wanted, as from "
            "`openssl rand -base64 32`",
            size=size,
        )
    return secret


class Webhook(Section):
    """Who is told, once for each cause, in the form of Standard Webhooks."""

    url: Annotated[str, Field(max_length=2048), AfterValidator(_webhook_url)] = Field(
        description="Receives a signed POST: `https://…`, or `http://` on this machine."
    )
    secret: Annotated[ClientSecret, AfterValidator(_webhook_secret)] = Field(
        description="Signs it. `whsec_` and base64 of 24 to 64 bytes, as receivers' libraries want it; any other text "
        "is the key as it stands."
    )


class Retrain(Section):
    """When a version is due for training again: by its age, or because of drift or quality."""

    every_days: Annotated[int, Field(ge=1, le=3650), NUMBER] = Field(
        default=90, description="Age of the route's newest version from which it is due."
    )
    min_new_examples: Annotated[int, Field(ge=0, le=1_000_000), NUMBER] = Field(
        default=500,
        description="Requests with a label or a demonstration since its training, without which age is no reason.",
    )
    lasting_minutes: Annotated[int, Field(ge=0, le=10_080), NUMBER] = Field(
        default=60, description="How long drift or worse quality has to last until it is a reason."
    )
    webhook: Webhook | None = Field(
        default=None, description="Who is told. Absent: nobody; the metric says it all the same."
    )
