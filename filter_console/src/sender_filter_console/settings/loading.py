"""The configuration, read and checked."""

from pathlib import Path

from sender_filter.core import addresses
from sender_filter.settings import endpoints, toml
from sender_filter.settings.endpoints import Endpoint
from sender_filter.settings.toml import ConfigError
from sender_filter_console.settings.schema import Config, Listen

DEFAULT_PATH = Path("/etc/sender-filter-console/config.toml")


def load(path: Path) -> Config:
    """Read and check the file.

    Raises:
        ConfigError: The file cannot be read, or something in it is wrong.
    """
    config, _ = toml.read(path, Config)
    try:
        _check_listen(config.listen)
        _check_users(config)
        _check_paths(config)
    except ValueError as error:
        msg = f"{path}: {error}"
        raise ConfigError(msg) from None
    return config


def endpoint(config: Config) -> Endpoint:
    """Where the console is to be had."""
    return endpoints.parse(config.listen.address)


def _check_listen(listen: Listen) -> None:
    """A password must not cross a network in the clear.

    Raises:
        ValueError: It would, or a file is missing.
    """
    try:
        address = endpoints.parse(listen.address).address
    except ValueError as error:
        msg = f"listen.address: {error}"
        raise ValueError(msg) from None
    if bool(listen.certificate) != bool(listen.key):
        missing = "key" if listen.certificate else "certificate"
        msg = f"listen.{missing}: missing; name both files, or none"
        raise ValueError(msg)
    if not listen.certificate and not addresses.is_loopback(address):
        msg = (
            f"listen.address: {listen.address} is beyond loopback, and there is no TLS: set "
            "listen.certificate and listen.key, or listen on 127.0.0.1"
        )
        raise ValueError(msg)


def _check_users(config: Config) -> None:
    """Somebody must be able to log in, and by one password.

    Raises:
        ValueError: Nobody could, or a name stands twice.
    """
    names = [user.name for user in config.users]
    if not names:
        msg = "users: there is none, so nobody could log in"
        raise ValueError(msg)
    for name in names:
        if names.count(name) > 1:
            msg = f"users: {name} stands there more than once"
            raise ValueError(msg)


def _check_paths(config: Config) -> None:
    """A path must not depend on where the console was started.

    Raises:
        ValueError: It does.
    """
    paths = [
        ("listen.certificate", config.listen.certificate),
        ("listen.key", config.listen.key),
        ("filter.topology", config.filter.topology),
        ("index.file", config.index.file),
        ("audit.file", config.audit.file),
        *(("filter.sockets", path) for path in config.filter.sockets),
    ]
    for key, path in paths:
        if path and not Path(path).is_absolute():
            msg = f"{key}: {path!r} is not an absolute path"
            raise ValueError(msg)
