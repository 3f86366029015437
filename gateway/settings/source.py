"""The text of a file, or why there is none."""

from pathlib import Path

from gateway.settings.document import MAX_BYTES
from gateway.settings.problems import ConfigError, Problem


def read_text(path: Path) -> str:
    """The text of a YAML file, in UTF-8, with or without a byte order mark.

    Raises:
        ConfigError: it is not there, not readable, too large or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        sentence = "there is no such file"
    except IsADirectoryError:
        sentence = "is a directory, not a file"
    except OSError as error:
        sentence = f"cannot be read: {error.strerror or error}"
    else:
        return _decode(data)
    raise ConfigError([Problem(path="", sentence=sentence)])


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise ConfigError([Problem(path="", sentence=f"is larger than {MAX_BYTES >> 20} MiB")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    raise ConfigError([Problem(path="", sentence=f"is not UTF-8: line {line} has other bytes", line=line)])
