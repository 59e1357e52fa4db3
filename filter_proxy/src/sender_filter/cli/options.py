"""What several subcommands share: the configuration, failing, and safe text."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from sender_filter.io import control
from sender_filter.io.messages import Answer, Failure, Request
from sender_filter.settings import loading, reading
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
    socket = Path(read_config(path).control.socket)
    try:
        answer = control.ask(socket, request)
    except OSError as error:
        msg = f"no filter answers on {socket}: {error.strerror or error}; is it running?"
        raise click.ClickException(msg) from None
    if isinstance(answer, Failure):
        raise click.ClickException(answer.error)
    return answer


def plain(text: str) -> str:
    """Text that came from outside, safe for a terminal and for one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
