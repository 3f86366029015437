"""The configuration as it is read from the file: one frozen object that is valid as a whole."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.settings.addresses import BaseUrl, CoordinationUrl, Listen, StoreUrl
from gateway.settings.audit import Audit, ByFields, ByJudge, ByNumber, Compare
from gateway.settings.confidence import (
    BudgetConfidence,
    Confidence,
    NoConfidence,
    ObserveConfidence,
    RiskConfidence,
    SelectiveRiskConfidence,
    ThresholdConfidence,
    UtilityConfidence,
)
from gateway.settings.drift import Drift
from gateway.settings.experiment import Experiment, Guardrail, PrimaryMetric
from gateway.settings.fields import (
    NUMBER,
    ClientSecret,
    NameKey,
    NameText,
    Section,
    Text,
    UpstreamSecret,
    check_name,
    refused,
)
from gateway.settings.prices import DatedRateCard, DatedTokenPrice, HostedPrice, Price, RateCard, TokenPrice
from gateway.settings.references import ADMIN_LISTEN, LISTEN, REFERENCES, reference_problems
from gateway.settings.retrain import Retrain, Webhook
from gateway.settings.route_entry import Fallback, Hold, HoldPrefix, Route, Timeouts
from gateway.settings.secret import SecretUrl
from gateway.settings.shadow import Shadow
from gateway.settings.target import Target

__all__ = [
    "Audit",
    "BudgetConfidence",
    "ByFields",
    "ByJudge",
    "ByNumber",
    "Compare",
    "Confidence",
    "Config",
    "Coordination",
    "DatedRateCard",
    "DatedTokenPrice",
    "Drift",
    "Experiment",
    "Fallback",
    "Guardrail",
    "Hold",
    "HoldPrefix",
    "HostedPrice",
    "Key",
    "Model",
    "NoConfidence",
    "ObserveConfidence",
    "Price",
    "PrimaryMetric",
    "Provider",
    "RateCard",
    "Retrain",
    "RiskConfidence",
    "Route",
    "Scope",
    "SelectiveRiskConfidence",
    "Server",
    "Shadow",
    "Store",
    "Target",
    "ThresholdConfidence",
    "Timeouts",
    "TokenPrice",
    "UtilityConfidence",
    "Webhook",
]


class Provider(StrEnum):
    """Who serves a model, which decides the parameters that it understands."""

    VLLM = "vllm"
    OPENAI = "openai"


class Scope(StrEnum):
    """What a key may do. `inference:<route>` is inference on one route only."""

    INFERENCE = "inference"
    TEST = "test"
    METRICS = "metrics"
    ADMIN = "admin"


class Server(Section):
    """Where the gateway listens."""

    listen: Listen = Field(default=LISTEN, description="Address of the data plane, which answers applications.")
    admin_listen: Listen = Field(
        default=ADMIN_LISTEN, description="Address of the control plane: admin API, console and `/metrics`."
    )
    workers: Annotated[int, Field(ge=1, le=256), NUMBER] = Field(default=1, description="Processes of the data plane.")


class Store(Section):
    """The database."""

    url: StoreUrl = Field(
        default=SecretUrl("sqlite:///fallgate.db"),
        description="`sqlite:///FILE`, or `postgresql://USER:PASSWORD@HOST/NAME` for more than one machine.",
    )
    retention_days: Annotated[int, Field(ge=1, le=36_500), NUMBER] = Field(
        default=90, description="How long records are kept."
    )


def _empty_is_none(value: object) -> object:
    """An empty text, as from `${NAME:-}`, where a value may be absent."""
    return None if value == "" else value


class Coordination(Section):
    """What replicas share at once."""

    url: Annotated[CoordinationUrl | None, BeforeValidator(_empty_is_none)] = Field(
        default=None,
        description="Redis or Valkey, such as `redis://host:6379/0`. Without it replicas share through the store.",
    )


def _scope(text: str) -> str:
    kind, colon, route = text.partition(":")
    if colon and kind == Scope.INFERENCE:
        check_name(route)
    elif colon or text not in set(Scope):
        raise refused("{value} is no scope; use inference, inference:ROUTE, test, metrics or admin")
    return text


def _some_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    if not scopes:
        raise refused("is empty; a key without a scope may do nothing")
    return scopes


class Key(Section):
    """A client's key that is fixed in the file; more are made with `fallgate keys create`."""

    name: NameText = Field(description="Names the key in records and in the audit log.")
    secret: ClientSecret = Field(description="What the client sends: 16 printable ASCII characters or more.")
    scopes: Annotated[tuple[Annotated[str, AfterValidator(_scope)], ...], AfterValidator(_some_scopes)] = Field(
        description="`inference`, `inference:ROUTE`, `test`, `metrics`, `admin`."
    )


class Model(Section):
    """One thing that can answer."""

    provider: Provider = Field(description="`vllm`, or `openai` for anything else that speaks its API.")
    base_url: BaseUrl = Field(description="Root of its API, such as `http://127.0.0.1:8100/v1`.")
    api_key: Annotated[UpstreamSecret | None, BeforeValidator(_empty_is_none)] = Field(
        default=None,
        description="Sent as a bearer token; best as a reference such as `${LARGE_API_KEY}`. Absent: none.",
    )
    model: Text = Field(description="The name that the upstream knows it by.")
    price: Price | None = Field(default=None, description="What it costs. Absent: unknown, and counted as such.")
    lineage: Text | None = Field(default=None, description="The file that says where this version comes from.")


V = TypeVar("V")


def _at_least_one(entries: dict[str, V]) -> dict[str, V]:
    if not entries:
        raise refused("is empty; declare at least one")
    return entries


class Config(Section):
    """The whole file."""

    version: Literal[1] = Field(default=1, description="Version of this format.")
    server: Server = Field(default=Server(), description="Where the gateway listens.")
    state_dir: Text = Field(default=".fallgate", description="Directory of the last snapshot and of run-time metrics.")
    store: Store = Field(default=Store(), description="The database.")
    coordination: Coordination = Field(default=Coordination(), description="What replicas share at once.")
    keys: tuple[Key, ...] = Field(
        default=(), description="Clients' keys. Without any, the first `fallgate serve` makes three."
    )
    models: Annotated[dict[NameKey, Model], AfterValidator(_at_least_one)] = Field(
        description="What can answer, by name."
    )
    routes: Annotated[dict[NameKey, Route], AfterValidator(_at_least_one)] = Field(
        description="What applications may name in `model`."
    )

    @model_validator(mode="after")
    def _refers_to_what_is_there(self) -> Self:
        problems = reference_problems(
            {
                "server": {"listen": self.server.listen, "admin_listen": self.server.admin_listen},
                "keys": [{"name": key.name, "secret": key.secret.reveal(), "scopes": key.scopes} for key in self.keys],
                "models": {name: _priced(model) for name, model in self.models.items()},
                "routes": {name: _facts(route) for name, route in self.routes.items()},
            }
        )
        if problems:
            raise PydanticCustomError(REFERENCES, "\n".join(map(str, problems)))
        return self


def _priced(model: Model) -> dict[str, Any]:
    price = model.price.model_dump() if isinstance(model.price, HostedPrice) else None
    return {"base_url": model.base_url, "model": model.model, "price": price}


def _facts(route: Route) -> dict[str, Any]:
    facts: dict[str, Any] = {"split": route.split, "fallback": {"to": route.fallback.to} if route.fallback else None}
    if route.audit is not None:
        facts["audit"] = route.audit.model_dump()
    return facts
