"""The JSON Schema of the configuration file, for editors and for checks without Fallgate."""

from decimal import Decimal
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from gateway.settings.fields import REFERENCE_PATTERN
from gateway.settings.models import Config
from gateway.settings.redact import plain
from gateway.settings.secret import Secret

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema of the file as it is written, before references are resolved."""
    schema = Config.model_json_schema(by_alias=True, schema_generator=_FileSchema, mode="validation")
    return {"$schema": DIALECT} | schema | {"title": "Fallgate configuration"}


class _FileSchema(GenerateJsonSchema):
    """Lets `${NAME}` stand for a number or a word of a closed set, and shows defaults as a file would have them."""

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return _or_reference(super().bool_schema(schema))

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return _or_reference(super().int_schema(schema))

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return _or_reference(super().float_schema(schema))

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        limits = {"exclusiveMinimum": schema.get("gt"), "minimum": schema.get("ge"), "maximum": schema.get("le")}
        return _or_reference({"type": "number"} | {word: plain(at) for word, at in limits.items() if at is not None})

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        return _or_reference(super().enum_schema(schema))

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        made = super().dict_schema(schema)
        return made | {"additionalProperties": False} if "patternProperties" in made else made

    def encode_default(self, dft: Any) -> Any:  # as the class above declares it
        return plain(dft if isinstance(dft, Secret | Decimal) else super().encode_default(dft))

    def field_title_should_be_set(self, schema: Any) -> bool:  # as the class above declares it
        return False


def _or_reference(schema: JsonSchemaValue) -> JsonSchemaValue:
    about = {word: schema.pop(word) for word in ("title", "description") if word in schema}
    return about | {"anyOf": [schema, {"type": "string", "pattern": REFERENCE_PATTERN}]}
