"""What several subcommands share: the configuration, failing, and safe text."""

import functools
import os
import pwd
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from sender_filter.io import control
from sender_filter.io.messages import Answer, Failure, Request
from sender_filter.settings import fronts, loading, reading
from sender_filter.settings.reading import ConfigError
from sender_filter.settings.schema import Config

Command = TypeVar("Command", bound=Callable[..., object])


def config_option(help_text: str) -> Callable[[Command], Command]:
    """``--config PATH``."""
    return click.option(
        "--config", "path", type=click.Path(path_type=Path), metavar="PATH", help=help_text
    )


as_json = click.option("--json", "json", is_flag=True, help="Print JSON instead of text.")


def read_config(path: Path | None) -> Config:
    """The configuration without its lists.

    Raises:
        ClickException: It cannot be used.
    """
    with_default = path or loading.default_path()
    return failing(reading.read)(with_default)


Result = TypeVar("Result")
Callback = Callable[[click.Context, click.Parameter, str | None], Result | None]


def parsed(parse: Callable[[str], Result]) -> Callback[Result]:
    """A value of the command line, read by a function that raises ValueError for what is none."""

    def callback(
        ctx: click.Context,  # noqa: ARG001 - click's signature
        param: click.Parameter,  # noqa: ARG001
        value: str | None,
    ) -> Result | None:
        try:
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return callback


def failing(function: Callable[[Path], Result]) -> Callable[[Path], Result]:
    """Let a ConfigError end the command with its message and exit code 1."""

    @functools.wraps(function)
    def wrapper(path: Path) -> Result:
        try:
            return function(path)
        except ConfigError as error:
            raise click.ClickException(str(error)) from None

    return wrapper


def ask(path: Path | None, request: Request) -> Answer:
    """Ask the running filter.

    Raises:
        ClickException: It is not running, or it could not answer.
    """
    sockets = control_sockets(_config_in_use(path))
    try:
        answer = control.ask(sockets, request)
    except OSError as error:
        places = " or ".join(map(str, sockets))
        msg = f"no filter answers on {places}: {error.strerror or error}; is it running?"
        raise click.ClickException(msg) from None
    if isinstance(answer, Failure):
        raise click.ClickException(answer.error)
    return answer


def ask_all(path: Path | None, requests: Sequence[Request]) -> list[Answer]:
    """Ask the running filter many things.

    Raises:
        ClickException: It is not running, or has ended meanwhile.
    """
    sockets = control_sockets(_config_in_use(path))
    there = next((each for each in sockets if each.is_socket()), sockets[0])
    try:
        return list(control.ask_all(there, requests))
    except OSError as error:
        msg = f"no filter answers on {there}: {error.strerror or error}; is it running?"
        raise click.ClickException(msg) from None


def author() -> str:
    """Who gives an order: whoever has called ``sudo``, or else the user."""
    uid = os.getuid()
    try:
        own = pwd.getpwuid(uid).pw_name
    except KeyError:  # a user that only a container's owner knows
        own = str(uid)
    called = os.environ.get("SUDO_USER", "") if uid == 0 else ""
    return (called or own)[:64]


def control_sockets(config: Config) -> list[Path]:
    """Where a running filter may answer; if both fronts are served, the first is asked."""
    return [fronts.of(config, "edge").control, fronts.of(config, "inline").control]


def _config_in_use(path: Path | None) -> Config:
    """What the filter runs with; it may run well while its configuration is being mended.

    Raises:
        ClickException: The configuration that was named cannot be used.
    """
    try:
        return reading.read(path or loading.default_path())
    except ConfigError as error:
        if path is not None:
            raise click.ClickException(str(error)) from None
        return Config()


def plain(text: str) -> str:
    """Text that came from outside, safe for a terminal and for one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
