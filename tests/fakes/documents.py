"""Small configurations for tests of what happens to configurations."""

from collections.abc import Mapping

from gateway.snapshot.document import AuditEntry, ConfidenceEntry, FallbackEntry, KeyEntry, ModelEntry, TimeoutsEntry
from gateway.snapshot.file import FileDocument, FileRoute
from routing.answer.policy import CONDITIONAL_REASONS, HoldWindow
from routing.words import ModelName, RouteName

SUPPORT = RouteName("support")
V1, V2, V3, LARGE = (ModelName(name) for name in ("v1", "v2", "v3", "large"))


def file_document(
    split: Mapping[ModelName, int] | None = None,
    *,
    confidence: ConfidenceEntry | None = None,
    models: tuple[ModelName, ...] = (V1, V2, V3, LARGE),
    total_s: float = 600,
    routes: tuple[RouteName, ...] = (SUPPORT,),
    has_fallback: bool = True,
    audit: AuditEntry | None = None,
) -> FileDocument:
    """One route `support` over `v1` and `v2`, which falls back to `large`."""
    fallback = FallbackEntry(
        to=LARGE,
        when=frozenset(CONDITIONAL_REASONS),
        confidence=confidence or ConfidenceEntry(),
        hold=HoldWindow(tokens=16, ms=300),
    )
    route = FileRoute(
        split=dict(split or {V1: 5000, V2: 5000}),
        unit=("header:x-user-id", "request"),
        fallback=fallback if has_fallback else None,
        timeouts=TimeoutsEntry(total_s=total_s),
        audit=audit,
    )
    return FileDocument(
        keys=(KeyEntry(name="app", digest="0" * 64, scopes=frozenset({"inference"})),),
        models={
            name: ModelEntry(provider="vllm", base_url="http://127.0.0.1:1/v1", upstream_model=name) for name in models
        },
        routes=dict.fromkeys(routes, route),
    )
