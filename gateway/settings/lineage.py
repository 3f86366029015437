"""A lineage file: where a version comes from."""

import re
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from gateway.settings.document import read_document
from gateway.settings.fields import refused
from gateway.settings.problems import ConfigError
from gateway.settings.sentences import problems_of
from gateway.settings.source import read_text


def _sha256(text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise refused("{value} is not a SHA-256, 64 hexadecimal digits")
    return text.lower()


Sha256 = Annotated[str, AfterValidator(_sha256)]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    """A mapping to which anybody may add keys of their own."""

    model_config = ConfigDict(
        extra="allow", frozen=True, hide_input_in_errors=True, allow_inf_nan=False, coerce_numbers_to_str=True
    )


class Dataset(_Part):
    """What the version was trained and judged on."""

    name: str | None = Field(default=None, description="Name of the dataset.")
    sha256: Sha256 | None = Field(default=None, description="SHA-256 of the dataset, 64 hexadecimal digits.")
    train: Count | None = Field(default=None, description="Rows for training.")
    validation: Count | None = Field(default=None, description="Rows for choosing.")
    test: Count | None = Field(default=None, description="Rows for the final figures.")
    seed: int | None = Field(default=None, description="Seed of its generation or split.")


class Lineage(_Part):
    """Base model, data, training settings and figures of one version. Everything may be absent: not known."""

    version: str | None = Field(default=None, description="The version's own name.")
    base_model: str | None = Field(default=None, description="The model that was tuned.")
    base_sha256: Sha256 | None = Field(default=None, description="SHA-256 of its weights, 64 hexadecimal digits.")
    adapter: str | None = Field(default=None, description="Where the adapter is.")
    dataset: Dataset | None = Field(default=None, description="What it was trained on.")
    training: dict[str, Any] = Field(default_factory=dict, description="Settings of the training, in words of its own.")
    evaluation: dict[str, Any] = Field(default_factory=dict, description="Figures as measured, in words of its own.")
    created: date | datetime | None = Field(default=None, description="When it was made.")
    created_by: str | None = Field(default=None, description="Who or what made it.")
    notes: str | None = Field(default=None, description="Anything else.")


def read_lineage(path: Path) -> Lineage:
    """Read a lineage file: plain YAML, without references to the environment.

    Raises:
        ConfigError: it is missing, or not a lineage file.
    """
    document = read_document(read_text(path), number=float)
    if document.problems:
        raise ConfigError(document.problems)
    try:
        return Lineage.model_validate(document.tree)
    except ValidationError as error:
        problems = list(problems_of(error, Lineage))
    raise ConfigError(problems)


def locate_lineage(name: str, folder: Path) -> Path | None:
    """The file that a configuration in `folder` names: as seen from the working directory, else from that folder."""
    return next((path for path in (Path(name), folder / name) if path.is_file()), None)
