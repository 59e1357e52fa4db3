"""``senderfilter block``, ``approve`` and ``known``: an operator's word, taken up at once."""

import re
from pathlib import Path
from typing import Literal

import click
import msgspec

from sender_filter.cli import options
from sender_filter.cli.tables import show
from sender_filter.core import networks
from sender_filter.core.subject import parse_sender
from sender_filter.io.messages import Done, Request
from sender_filter.io.messages.lists import Entries, RuntimeEntry

_SPAN = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def span(text: str) -> float:
    """A span of time such as ``30m``, ``2h`` or ``7d``.

    Raises:
        ValueError: It is none.
    """
    found = _SPAN.fullmatch(text)
    if found is None or not int(found[1]):
        msg = f"{text!r} is no span of time such as 30m, 2h or 7d"
        raise ValueError(msg)
    return float(int(found[1]) * _UNITS[found[2]])


def _network(text: str) -> str:
    """An address, network or range, written as in a list.

    Raises:
        ValueError: It is none of them.
    """
    networks.parse(text)
    return text


def _network_or_sender(text: str) -> str:
    """The same, or an envelope sender, which throttling may have blocked.

    Raises:
        ValueError: It is none of them.
    """
    return text if parse_sender(text) is not None else _network(text)


_whom = click.argument("network", callback=options.parsed(_network))
_blocked = click.argument("network", callback=options.parsed(_network_or_sender))
_config = options.config_option("The configuration that the filter runs with.")


@click.group()
def block() -> None:
    """Refuse clients from now on, beside the list files."""


@click.group()
def approve() -> None:
    """Never refuse clients from now on, beside the list files; a block of them ends."""


@click.group()
def known() -> None:
    """Say which hosts are your own side's, beside the configuration: their headers are believed.

    A known host is not judged itself. Each of its messages is, by where its Received headers say
    that it comes from. So whoever has such an address can write what he likes into them and is
    then judged by that: name relays of your own, and nothing wider.
    """


def _adding(order: Literal["block", "approve", "know"], text: str) -> click.Command:
    @click.command("add", help=text)
    @_whom
    @click.option("--for", "seconds", callback=options.parsed(span), help="30m, 2h, 7d.")
    @click.option("--comment", default="", help="Why, for the log.")
    @_config
    def add(network: str, seconds: float | None, comment: str, path: Path | None) -> None:
        _order(Request(order, network, seconds, comment, author=options.author()), path)

    return add


@click.command("remove")
@_blocked
@_config
def remove(network: str, path: Path | None) -> None:
    """Take back what was said about NETWORK, by an operator or by a function.

    NETWORK may be an envelope sender that throttling has blocked, a@example.com.
    """
    _order(Request("release", network, author=options.author()), path)


@click.command("remove")
@_whom
@_config
def forget(network: str, path: Path | None) -> None:
    """Take back that NETWORK, and what lies in it, is known; what is declared stays so."""
    _order(Request("forget", network, author=options.author()), path)


def _order(request: Request, path: Path | None) -> None:
    answer = options.ask(path, request)
    if isinstance(answer, Done):
        click.echo(answer.text)


def _listing(kind: str, text: str) -> click.Command:
    @click.command("list", help=text)
    @_config
    @options.as_json
    def list_entries(path: Path | None, *, json: bool) -> None:
        answer = options.ask(path, Request("entries"))
        if not isinstance(answer, Entries):
            return
        found = [each for each in answer.entries if each.kind == kind]
        if json:
            click.echo(msgspec.json.encode(found).decode())
        else:
            show(("network", "who", "name", "since", "until", "comment"), map(_row, found))

    return list_entries


def _row(entry: RuntimeEntry) -> tuple[str, ...]:
    until = entry.until or "for good"
    return entry.network, entry.who, entry.author, entry.since, until, entry.comment


block.add_command(_adding("block", "Refuse NETWORK: with 554 for good, or with 421 for a time."))
block.add_command(_listing("block", "Show what operators and the functions have blocked."))
block.add_command(remove)
approve.add_command(_adding("approve", "Let NETWORK pass, for good or for a time."))
approve.add_command(_listing("approval", "Show what is approved at run time."))
approve.add_command(remove)
known.add_command(_adding("know", "Take NETWORK for known hosts, for good or for a time."))
known.add_command(_listing("known", "Show the known hosts that were added at run time."))
known.add_command(forget)
