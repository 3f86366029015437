"""What one part of a configuration says about another: declared names, uniqueness, an arm that is its own fallback.

The checks take the plain tree, whole or half wrong, so that a wrong reference is told together with everything else;
what is not of the expected shape is somebody else's problem and passed over.
"""

from collections.abc import Iterator

from gateway.settings.experiment_references import experiment_findings
from gateway.settings.hosted_prices import price_findings
from gateway.settings.problems import KeyPath, Problem, dotted, shown
from gateway.settings.side_references import shadow_findings, target_findings
from gateway.settings.trees import Finding, Tree, did_you_mean
from gateway.settings.trees import listed as _list
from gateway.settings.trees import mapping as _mapping
from gateway.settings.trees import undeclared as _undeclared

LISTEN = "127.0.0.1:8080"
ADMIN_LISTEN = "127.0.0.1:8081"
"""Where the planes listen unless the file says otherwise."""

REFERENCES = "references"
"""The type of the error that carries these problems when a configuration is built in code."""


def reference_problems(tree: object) -> list[Problem]:
    """Everything that does not fit together, in the order of the file."""
    root = _mapping(tree)
    findings = (*_listeners(root), *_keys(root), *price_findings(root.get("models")), *_scopes(root), *_routes(root))
    return [Problem(path=dotted(path), sentence=sentence) for path, sentence in findings]


def _listeners(root: Tree) -> Iterator[Finding]:
    server = _mapping(root.get("server"))
    listen, admin = server.get("listen", LISTEN), server.get("admin_listen", ADMIN_LISTEN)
    if isinstance(listen, str) and listen == admin and not listen.endswith(":0"):
        yield ("server", "admin_listen"), "is the same as server.listen; each plane needs an address of its own"


def _keys(root: Tree) -> Iterator[Finding]:
    for field in ("name", "secret"):
        seen: dict[str, int] = {}
        for position, key in enumerate(_list(root.get("keys"))):
            value = _mapping(key).get(field)
            if isinstance(value, str) and seen.setdefault(value, position) != position:
                yield ("keys", position, field), f"is also the {field} of keys.{seen[value]}; each key needs its own"


def _scopes(root: Tree) -> Iterator[Finding]:
    routes = root.get("routes")
    for position, key in enumerate(_list(root.get("keys"))):
        for number, scope in enumerate(_list(_mapping(key).get("scopes"))):
            route = scope.removeprefix("inference:") if isinstance(scope, str) else scope
            if isinstance(routes, dict) and route != scope and route not in routes:
                path: KeyPath = ("keys", position, "scopes", number)
                hint = did_you_mean(route, list(routes))
                yield (
                    path,
                    f"{shown(scope, path)} names a route that is not declared in routes{hint}",
                )


def _routes(root: Tree) -> Iterator[Finding]:
    models = root.get("models")
    for name, route in _mapping(root.get("routes")).items():
        split = _mapping(_mapping(route).get("split"))
        to = _mapping(_mapping(route).get("fallback")).get("to")
        if isinstance(models, dict):
            for arm in split:
                if arm not in models:
                    yield ("routes", name, "split", arm), _undeclared(arm, models)
            if isinstance(to, str) and to not in models:
                yield ("routes", name, "fallback", "to"), _undeclared(to, models)
        yield from _audit(("routes", name, "audit"), _mapping(route), models)
        yield from experiment_findings(("routes", name, "experiment"), _mapping(route), models)
        yield from target_findings(("routes", name, "targets"), _mapping(route))
        yield from shadow_findings(("routes", name, "shadow"), _mapping(route), models)
        if isinstance(to, str) and to in split:
            path: KeyPath = ("routes", name, "fallback", "to")
            yield (
                path,
                f"{shown(to, path)} is an arm of this route's split, so it would fall back to itself; to have both, "
                "declare it in models a second time under another name",
            )


def _audit(path: KeyPath, route: Tree, models: object) -> Iterator[Finding]:
    if not isinstance(route.get("audit"), dict):
        return
    if route.get("fallback") is None:
        yield path, "needs a fallback, since its answers are what the arms' are compared with"
    judge = _mapping(_mapping(route["audit"]).get("compare")).get("judge")
    if not isinstance(judge, str):
        return
    path = (*path, "compare", "judge")
    if isinstance(models, dict) and judge not in models:
        yield path, _undeclared(judge, models)
    if judge in _mapping(route.get("split")):
        yield (
            path,
            f"{shown(judge, path)} is an arm of this route's split, so it would judge itself; to have both, declare it "
            "in models a second time under another name",
        )
