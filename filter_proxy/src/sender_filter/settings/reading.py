"""From the text of ``config.toml`` to a checked ``Config``, or to an error that helps."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sender_filter.core import addresses
from sender_filter.settings import endpoints, state_url, toml
from sender_filter.settings.schema import Config, Tls
from sender_filter.settings.stamps import Stamp
from sender_filter.settings.toml import ConfigError

__all__ = ["ConfigError", "read", "read_stamped"]


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
    config, stamp = toml.read(path, Config)
    _check_values(path, config)
    return config, stamp


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
    if config.state.share_records and not config.state.url:
        msg = f"{path}: state.share_records: needs a server: name one in state.url"
        raise ConfigError(msg)
    if config.state.url:
        _check(path, "state.url", partial(state_url.check, path), config.state.url)
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
