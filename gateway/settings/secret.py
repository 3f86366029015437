"""Values that are used and never shown: secrets, and addresses with a password in them."""

from dataclasses import dataclass, field
from typing import Any, NoReturn, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from gateway.mask import MASK, mask_url
from gateway.settings.expand import Expanded


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text that shows itself as asterisks wherever it is printed, dumped or logged."""

    _text: str
    reference: str | None = field(default=None, kw_only=True)
    """The text as the file has it, `${NAME}` unexpanded; `None` where the secret stands in the file itself."""

    def reveal(self) -> str:
        """The secret, for the one place that needs it."""
        return self._text

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled: pass the reference and read the environment again")

    @classmethod
    def accept(cls, value: object) -> Self:
        """Take what a file or a test gives."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise PydanticCustomError("sentence", "must be text; put it in quotes")
        return cls(str(value), reference=value.reference if isinstance(value, Expanded) else None)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # pydantic's types
        return core_schema.no_info_plain_validator_function(
            cls.accept,
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema()),
        )


class SecretUrl(Secret):
    """An address that may carry a password; shown with asterisks in its place."""

    __slots__ = ()

    def __str__(self) -> str:
        return mask_url(self._text)
