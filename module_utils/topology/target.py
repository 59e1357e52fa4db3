"""What master.cf must say in a topology."""

from __future__ import annotations

from collections.abc import Mapping

from ..postfix.master_cf import Entry, MasterDocument
from ..postfix.move import move, move_back
from ..postfix.service import identity, port_of
from . import model, passing
from .between import Between

SMTP_PORT, TYPE = 25, "inet"

# The client's address comes in the PROXY header, and the smuggling check applies to everybody:
# its default exclusion, $mynetworks, is meant for clients that speak to Postfix themselves.
PROXY_OPTIONS: dict[str, dict[str, str]] = {
    "smtpd": {
        "smtpd_upstream_proxy_protocol": "haproxy",
        "smtpd_forbid_bare_newline": "normalize",
        "smtpd_forbid_bare_newline_exclusions": "",
    },
    "postscreen": {"postscreen_upstream_proxy_protocol": "haproxy"},
}


def service_on(port: int) -> str:
    """The name in master.cf of the service that listens on a port on every address."""
    return "smtp" if port == SMTP_PORT else str(port)


def master_cf(
    current: bytes,
    topology: str,
    moved_to: str,
    overrides: Mapping[str, str],
    *,
    service: str = "smtp",
    previous: Mapping[str, str] | None = None,
    between: Between | None = None,
    proxied: bool = True,
    passes: bool = False,
) -> bytes:
    """The bytes of master.cf in `topology`.

    Args:
        current: the bytes it has now.
        topology: a name of `model.TOPOLOGIES`.
        moved_to: the name of Postfix's service behind the filter, as `127.0.0.1:2500`.
        overrides: further options of that service, or other values of those it gets.
        service: the name of Postfix's service where there is no filter.
        previous: the overrides of the last move, None where they are not known.
        between: the place of the filter in `inline`.
        proxied: whether the filter in front speaks the PROXY protocol.
        passes: whether it hands connections over to Postfix as well.
    """
    document = passing.take_out(MasterDocument.parse(current))
    if between:
        document = between.take_out(document, service)
    home = document.find(service, TYPE)
    behind = [one for one in document.entries if _is_behind(one, moved_to)]
    options = _options([*home, *behind], overrides, proxied=proxied)
    unproxied = bool(behind) and not proxied and _is_proxied(behind[0], overrides)
    if (
        behind
        and not home
        and (
            topology != model.EDGE
            or unproxied
            or _is_stale(behind[0], moved_to, overrides, previous)
        )
    ):
        # Another name behind the filter (the vendor's bare `2500`), or an option no longer wanted.
        known = overrides if previous is None else previous
        set_before = _options(behind, known, proxied=proxied or unproxied)
        document = move_back(document, service, TYPE, behind[0].service, set_before)
    change = move if topology == model.EDGE else move_back
    document = change(document, service, TYPE, moved_to, options)
    if between and topology == model.INLINE:
        document = between.put_in(document, service)
    if passes and topology == model.EDGE:
        document = passing.put_in(document, moved_to)
    return document.render()


def _is_behind(entry: Entry, moved_to: str) -> bool:
    return entry.type == TYPE and port_of(entry.service) == port_of(moved_to)


def _is_stale(
    entry: Entry,
    moved_to: str,
    overrides: Mapping[str, str],
    previous: Mapping[str, str] | None,
) -> bool:
    elsewhere = identity(entry.service, TYPE) != identity(moved_to, TYPE)
    return elsewhere or bool(set(previous or ()) - set(overrides))


def _is_proxied(entry: Entry, overrides: Mapping[str, str]) -> bool:
    """Whether a filter that speaks the PROXY protocol stood in front of this service before."""
    protocol = next(iter(PROXY_OPTIONS.get(entry.command, {})), "")
    return protocol not in overrides and entry.option(protocol) is not None


def _options(
    entries: list[Entry], overrides: Mapping[str, str], *, proxied: bool
) -> dict[str, str]:
    command = entries[0].command if entries else "smtpd"
    return {**(PROXY_OPTIONS.get(command, {}) if proxied else {}), **overrides}
