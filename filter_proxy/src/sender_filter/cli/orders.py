"""``senderfilter block`` and ``approve``: an operator's word, taken up at once by what runs."""

import re
from pathlib import Path

import click
import msgspec

from sender_filter.cli import options
from sender_filter.cli.tables import show
from sender_filter.core import networks
from sender_filter.io.messages import Done, Entries, Request, RuntimeEntry

_SPAN = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _seconds(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    value: str | None,
) -> float | None:
    """A span of time such as ``30m``, ``2h`` or ``7d``.

    Raises:
        BadParameter: It is none.
    """
    if value is None:
        return None
    found = _SPAN.fullmatch(value)
    if found is None or not int(found[1]):
        msg = f"{value!r} is no span of time such as 30m, 2h or 7d"
        raise click.BadParameter(msg)
    return float(int(found[1]) * _UNITS[found[2]])


def _network(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    value: str,
) -> str:
    """An address, network or range, written as in a list.

    Raises:
        BadParameter: It is none of them.
    """
    try:
        networks.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return value


_whom = click.argument("network", callback=_network)
_span = click.option("--for", "seconds", callback=_seconds, help="For how long: 30m, 2h, 7d.")
_why = click.option("--comment", default="", help="Why, for the log.")
_config = options.config_option("The configuration that the filter runs with.")


@click.group()
def block() -> None:
    """Refuse clients from now on, beside the list files."""


@click.group()
def approve() -> None:
    """Never refuse clients from now on, beside the list files; a block of them ends."""


@block.command("add")
@_whom
@_span
@_why
@_config
def add_block(network: str, seconds: float | None, comment: str, path: Path | None) -> None:
    """Refuse NETWORK: with 554 for good, or with 421 for a time."""
    _order("block", network, seconds, comment, path)


@approve.command("add")
@_whom
@_span
@_why
@_config
def add_approval(network: str, seconds: float | None, comment: str, path: Path | None) -> None:
    """Let NETWORK pass, for good or for a time."""
    _order("approve", network, seconds, comment, path)


@click.command("remove")
@_whom
@_config
def remove(network: str, path: Path | None) -> None:
    """Take back what was said about NETWORK, by an operator or by a function."""
    _order("release", network, None, "", path)


def _order(
    command: str, network: str, seconds: float | None, comment: str, path: Path | None
) -> None:
    request = msgspec.convert(
        {"command": command, "address": network, "seconds": seconds, "comment": comment}, Request
    )
    answer = options.ask(path, request)
    if isinstance(answer, Done):
        click.echo(answer.text)


def _list(kind: str, path: Path | None, *, json: bool) -> None:
    answer = options.ask(path, Request("entries"))
    if not isinstance(answer, Entries):
        return
    found = [each for each in answer.entries if each.kind == kind]
    if json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        show(("network", "who", "since", "until", "comment"), map(_row, found))


def _row(entry: RuntimeEntry) -> tuple[str, ...]:
    return entry.network, entry.who, entry.since, entry.until or "for good", entry.comment


@block.command("list")
@_config
@options.as_json
def list_blocks(path: Path | None, *, json: bool) -> None:
    """Show what is blocked at run time, by operators and by the functions."""
    _list("block", path, json=json)


@approve.command("list")
@_config
@options.as_json
def list_approvals(path: Path | None, *, json: bool) -> None:
    """Show what is approved at run time."""
    _list("approval", path, json=json)


block.add_command(remove)
approve.add_command(remove)
