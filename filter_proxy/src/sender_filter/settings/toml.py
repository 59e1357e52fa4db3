"""From a TOML file to an object of a schema, or to an error that helps.

Keys that the schema does not know are refused: a misspelt limit must not be a missing limit.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sender_filter.settings import stamps
from sender_filter.settings.stamps import Stamp

Schema = TypeVar("Schema", bound=msgspec.Struct)


class ConfigError(Exception):
    """The configuration cannot be used; the message names file, key and cure."""


def read(path: Path, schema: type[Schema]) -> tuple[Schema, Stamp]:
    """Read a file, check it against a schema, and say which file that was.

    Raises:
        ConfigError: The file cannot be read, or something in it is wrong.
    """
    try:
        with path.open(encoding="utf-8") as file:
            stamp = stamps.of(file)
            document = tomllib.loads(file.read())
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise ConfigError(msg) from None
    except (ValueError, RecursionError) as error:  # also a number, or a nesting, without end
        msg = f"{path}: is not TOML: {error}"
        raise ConfigError(msg) from None
    for problem in _unknown_keys(document, schema, ""):
        msg = f"{path}: {problem}"
        raise ConfigError(msg)
    try:
        return msgspec.convert(document, schema), stamp
    except msgspec.ValidationError as error:
        msg = f"{path}: {_in_our_words(str(error))}"
        raise ConfigError(msg) from None


def _unknown_keys(table: Mapping[str, Any], schema: type, prefix: str) -> Iterator[str]:
    """One problem for each key that the schema does not know."""
    known = {field.name: field.type for field in msgspec.structs.fields(schema)}
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1) or sorted(known)
            yield f"{prefix}{key}: unknown key; did you mean {' or '.join(near)}?"
        elif isinstance(value, dict) and _is_section(known[key]):
            yield from _unknown_keys(value, known[key], f"{prefix}{key}.")


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _in_our_words(message: str) -> str:
    """Turn ``Expected `int`, got `str` - at `$.limits.sessions``` around: key first."""
    problem, _, place = message.rpartition(" - at `$.")
    return f"{place.rstrip('`')}: {problem.replace('`', '')}"
