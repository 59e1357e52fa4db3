"""From the text of ``config.toml`` to a checked ``Config``, or to an error that helps."""

import difflib
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from sender_filter.core import addresses
from sender_filter.settings import endpoints, stamps
from sender_filter.settings.schema import Config, Tls
from sender_filter.settings.stamps import Stamp


class ConfigError(Exception):
    """The configuration cannot be used; the message names file, key and cure."""


def read(path: Path) -> Config:
    """Read and check the file.

    Raises:
        ConfigError: The file cannot be read, or something in it is wrong.
    """
    return read_stamped(path)[0]


def read_stamped(path: Path) -> tuple[Config, Stamp]:
    """Read and check the file, and say which file that was.

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
    for problem in _unknown_keys(document, Config, ""):
        msg = f"{path}: {problem}"
        raise ConfigError(msg)
    try:
        config = msgspec.convert(document, Config)
    except msgspec.ValidationError as error:
        msg = f"{path}: {_in_our_words(str(error))}"
        raise ConfigError(msg) from None
    _check_values(path, config)
    return config, stamp


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


def _check_values(path: Path, config: Config) -> None:
    """Check what types cannot say.

    Raises:
        ConfigError: A value cannot be used.
    """
    for address in config.listen.addresses:
        _check(path, "listen.addresses", endpoints.parse, address)
    _check(path, "upstream.address", endpoints.parse, config.upstream.address)
    _check(path, "upstream.pass_socket", _absolute, config.upstream.pass_socket)
    _check(path, "inline.address", _loopback, config.inline.address)
    _check(path, "inline.upstream", _loopback, config.inline.upstream)
    _check(path, "inline.control", _absolute, config.inline.control)
    _check_tls(path, config.tls)
    if config.metrics.address:
        _check(path, "metrics.address", endpoints.parse, config.metrics.address)
    for server in config.reputation.servers:
        _check(path, "reputation.servers", endpoints.parse, server)
    _check(path, "control.socket", _absolute, config.control.socket)
    _check(path, "log.directory", _absolute, config.log.directory)
    for file in config.lists.blocked:
        _check(path, "lists.blocked", _file_name, file)
    for file in config.lists.approved:
        _check(path, "lists.approved", _file_name, file)


def _check_tls(path: Path, tls: Tls) -> None:
    """A certificate without its key is no use, and the other way round.

    Raises:
        ConfigError: One of them is missing, or is not named in full.
    """
    if bool(tls.certificate) != bool(tls.key):
        missing = "key" if tls.certificate else "certificate"
        msg = f"{path}: tls.{missing}: missing; name both files, or none to leave TLS to Postfix"
        raise ConfigError(msg)
    if tls.certificate:
        _check(path, "tls.certificate", _absolute, tls.certificate)
        _check(path, "tls.key", _absolute, tls.key)


def _check(path: Path, key: str, parse: Callable[[str], object], value: str) -> None:
    try:
        parse(value)
    except ValueError as error:
        msg = f"{path}: {key}: {error}"
        raise ConfigError(msg) from None


def _loopback(text: str) -> None:
    """What believes XFORWARD must not be reached from outside.

    Raises:
        ValueError: It is, or this is no address and port.
    """
    if not addresses.is_loopback(endpoints.parse(text).address):
        msg = f"{text!r} is not on loopback: a stranger who reaches it can claim any client address"
        raise ValueError(msg)


def _file_name(text: str) -> None:
    """A list may be named relative to the configuration file.

    Raises:
        ValueError: No file can have this name.
    """
    if not text or "\0" in text:
        msg = f"{text!r} is not the name of a file"
        raise ValueError(msg)


def _absolute(text: str) -> None:
    """A path must not depend on where the filter was started.

    Raises:
        ValueError: It does.
    """
    if not Path(text).is_absolute() or "\0" in text:
        msg = f"{text!r} is not an absolute path"
        raise ValueError(msg)
