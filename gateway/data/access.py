"""Who may ask what: keys, scopes, routes."""

from typing import Final

from gateway.data.guard import RequestHead
from gateway.data.inquiry import Inquiry
from gateway.data.live import Live, LiveRoute
from gateway.errors import ApiError
from gateway.snapshot.document import KeyEntry
from routing.assignment.assign import Assignment
from routing.assignment.targeting import find_target
from routing.assignment.units import Unit
from routing.words import ModelName

INFERENCE: Final = "inference"
TEST: Final = "test"
FORCE_ARM: Final = b"x-gateway-force-arm"


def identify(live: Live, head: RequestHead) -> KeyEntry:
    """The key of a request. Raises `ApiError` (401)."""
    key = live.keys.find(head.headers.get(b"authorization"))
    if key is None:
        raise ApiError(
            401,
            "no valid API key; send one as `Authorization: Bearer ...`",
            code="invalid_api_key",
            headers=[(b"www-authenticate", b"Bearer")],
        )
    return key


def may_infer(key: KeyEntry, route: str) -> bool:
    """Whether a key may use a route."""
    return INFERENCE in key.scopes or f"{INFERENCE}:{route}" in key.scopes


def check_infers(key: KeyEntry) -> None:
    """Raise `ApiError` (403) for a key that is not meant for inference at all."""
    if not any(scope.partition(":")[0] == INFERENCE for scope in key.scopes):
        raise ApiError(
            403,
            f"the key {key.name!r} has no inference scope; use another key",
            type="permission_error",
            code="insufficient_scope",
        )


def find_route(live: Live, key: KeyEntry, name: str) -> LiveRoute:
    """The route that a request names. One that the key may not use is as unknown as one that does not exist.

    Raises:
        ApiError: 404, or 403 for a key that is not meant for inference at all.
    """
    check_infers(key)
    route = live.routes.get(name)
    if route is None or not may_infer(key, name):
        raise unknown_model(name)
    return route


def unknown_model(name: str) -> ApiError:
    """The 404 for a name that is no route, as far as this key may know."""
    return ApiError(
        404,
        f"the model {name[:100]!r} does not exist; GET /v1/models lists those that do",
        code="model_not_found",
        param="model",
    )


def assign(route: LiveRoute, key: KeyEntry, head: RequestHead, inquiry: Inquiry, unit: Unit) -> Assignment:
    """The arm of a request: that of the first target it fits, or else what its unit's bucket says."""
    if route.targets:
        arm = find_target(route.targets, head.headers, inquiry.body, key.name)
        if arm is not None:
            return Assignment(arm=arm, bucket=None, propensity=1.0)
    return route.allocation.assign(key.tenant, unit.value)


def forced_arm(route: LiveRoute, key: KeyEntry, head: RequestHead) -> ModelName | None:
    """The arm that a tester asked for, or `None`.

    Raises:
        ApiError: 403 without the test scope, 400 for what is no arm of the route.
    """
    wanted = head.headers.get(FORCE_ARM)
    if wanted is None:
        return None
    if TEST not in key.scopes:
        raise ApiError(
            403,
            f"x-gateway-force-arm needs a key with the test scope, which {key.name!r} has not",
            type="permission_error",
            code="insufficient_scope",
        )
    arm = ModelName(wanted.decode("latin-1"))
    if arm not in route.arms:
        raise ApiError(
            400, f"x-gateway-force-arm: {arm[:100]!r} is no arm of the route; it has {', '.join(route.arms)}"
        )
    return arm
