"""What master.cf must say in a topology."""

from __future__ import annotations

from collections.abc import Mapping

from ..postfix.master_cf import MasterDocument
from ..postfix.move import move, move_back
from . import model

SERVICE, TYPE = "smtp", "inet"

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


def master_cf(current: bytes, topology: str, moved_to: str, overrides: Mapping[str, str]) -> bytes:
    """The bytes of master.cf in `topology`.

    Args:
        current: the bytes it has now.
        topology: a name of `model.TOPOLOGIES`.
        moved_to: the name of Postfix's service behind the filter, as `127.0.0.1:2500`.
        overrides: further options of that service, or other values of those it gets.
    """
    document = MasterDocument.parse(current)
    entries = document.find(SERVICE, TYPE) + document.find(moved_to, TYPE)
    command = entries[0].command if entries else "smtpd"
    options = {**PROXY_OPTIONS.get(command, {}), **overrides}
    change = move if topology == model.EDGE else move_back
    return change(document, SERVICE, TYPE, moved_to, options).render()
