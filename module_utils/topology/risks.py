"""What is dangerous on a host although its ports may belong to whom they should.

The rules behind it are in docs/security.md. An error lets strangers relay, or lets mail walk around
the filter; a warning weakens the gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ..postfix.main_cf import split_list
from ..postfix.master_cf import Entry, MasterDocument
from . import model
from .between import front_of
from .diagnosis import seen_topology
from .effective import Settings
from .networks import holds_everybody, holds_this_host, others
from .survey import Survey

ERROR, WARNING = "error", "warning"

PROXY_PROTOCOL = {
    "smtpd": "smtpd_upstream_proxy_protocol",
    "postscreen": "postscreen_upstream_proxy_protocol",
}
RELAY, RECIPIENT, CLIENT = (
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_client_restrictions",
)
NEWLINE = "smtpd_forbid_bare_newline"
EXCLUSIONS = "smtpd_forbid_bare_newline_exclusions"
XFORWARD = "smtpd_authorized_xforward_hosts"
NETWORKS = "mynetworks"
PARAMETERS = (
    *PROXY_PROTOCOL.values(), RELAY, RECIPIENT, CLIENT, NEWLINE, EXCLUSIONS, XFORWARD, NETWORKS,
)  # fmt: skip

_REFUSALS = {"reject", "defer", "reject_unauth_destination", "defer_unauth_destination"}
_NO_CHECK = ("no", "note")  # `note` only logs (postconf(5), Postfix 3.9)


@dataclass(frozen=True)
class Risk:
    """Something dangerous: `level` is ERROR or WARNING, `place` the file and line, or the port."""

    id: str
    level: str
    place: str
    text: str
    cure: str


@dataclass(frozen=True)
class _Host:
    """A host, the topology it should be in, and what each service of its Postfix goes by."""

    survey: Survey
    document: MasterDocument
    topology: str
    settings: Settings

    def values(self, entry: Entry) -> Mapping[str, str]:
        return self.settings.get(entry.identity, {})

    def on(self, port: int) -> list[Entry]:
        return self.document.listening_on(port)

    def speaker(self, entry: Entry) -> Entry:
        """The service that speaks with the clients of one: with postscreen that is another."""
        return next(iter(self.document.find(*front_of(self.document, entry.service))), entry)

    def place(self, entry: Entry) -> str:
        file = self.survey.postfix.config_dir / "master.cf"
        return f"{file}:{entry.line}: {entry.service} {entry.type}"

    def outside(self, port: int) -> list[str]:
        """The addresses on which other hosts reach Postfix, the filter or the scan service."""
        return [
            one.address
            for one in self.survey.on(port)
            if not one.loopback and self.survey.owner(one) in _OURS
        ]

    def after_filter(self) -> list[Entry]:
        """The services that take the mail back from the filter in `inline`."""
        inline = model.INLINE in (self.topology, seen_topology(self.survey))
        return self.on(self.survey.ports.after_proxy) if inline else []


_OURS = (model.POSTFIX, model.FILTER, model.SCAN, model.REMNANT)


def risks(survey: Survey, topology: str, settings: Settings) -> list[Risk]:
    """What is dangerous on a host.

    Args:
        survey: what was seen.
        topology: the topology that the host should be in.
        settings: PARAMETERS of each service of Postfix on the path, as `effective.read` gives them.
    """
    host = _Host(survey, survey.postfix.document, topology, settings)
    return [risk for check in _CHECKS for risk in check(host)]


def _hidden_clients(host: _Host) -> Iterator[Risk]:
    """In `edge` only the PROXY header tells Postfix's service who the client is.

    Or the vendor's library: whether Postfix has that is one of the differences.
    """
    if not host.survey.provider.proxy_protocol:
        return
    for entry in host.on(host.survey.ports.smtp):
        name = PROXY_PROTOCOL.get(entry.command)
        if name and host.values(entry).get(name) != "haproxy":
            relay = _relays_for_this_host(host.values(host.speaker(entry)))
            yield Risk(
                "hidden_client", ERROR, host.place(entry),
                "it reads no PROXY header: to it each client of a program in front of it is this "
                "host itself" + (", which may relay: an open relay" if relay else ""),
                f"-o {name}=haproxy (enable_sender_filter.yml sets it)",
            )  # fmt: skip


def _strangers_in_front(host: _Host) -> Iterator[Risk]:
    """A program that hands the connections of port 25 on makes all clients this host."""
    port = host.survey.ports.listen
    for owner in host.survey.owners(port):
        if owner not in _OURS:
            yield Risk(
                "hidden_client", ERROR, f"port {port}",
                f"it belongs to {owner}: to a Postfix that gets its connections each client is "
                "this host itself, which may relay",
                "stop that program, and keep it from starting again",
            )  # fmt: skip


def _forged_clients(host: _Host) -> Iterator[Risk]:
    """Who reaches a service that reads the PROXY header says himself who he is."""
    ports = host.survey.ports
    for port in (ports.listen, ports.smtp):
        open_to_others = [
            one
            for one in host.survey.on(port)
            if not one.loopback and host.survey.owner(one) == model.POSTFIX
        ]
        for entry in host.on(port) if open_to_others else ():
            name = PROXY_PROTOCOL.get(entry.command, "")
            if host.values(entry).get(name) == "haproxy":
                yield Risk(
                    "forged_client", ERROR, host.place(entry),
                    f"it reads the PROXY header ({name}) and can be reached from outside: a "
                    "stranger who says that he is 127.0.0.1 may relay",
                    "the PROXY header belongs to the service behind the filter alone, and that "
                    "one on loopback",
                )  # fmt: skip


def _reachable_ports(host: _Host) -> Iterator[Risk]:
    """Behind the filter everything is on loopback."""
    for port in sorted(_inner_ports(host)):
        if addresses := host.outside(port):
            yield Risk(
                "reachable_port", ERROR, f"port {port}",
                f"it can be reached from outside ({', '.join(addresses)}): mail walks around the "
                "filter",
                f"let it listen on 127.0.0.1:{port} alone",
            )  # fmt: skip


def _inner_ports(host: _Host) -> set[int]:
    """Those that must not be reached from outside in the topology it is in, or should be in."""
    ports = host.survey.ports
    inner = {ports.smtp}
    for topology in (host.topology, seen_topology(host.survey)):
        expected = model.expectations(topology, ports)
        inner |= {one.port for one in expected if not one.public}
    return inner


def _open_networks(host: _Host) -> Iterator[Risk]:
    """Who is in `mynetworks` may relay."""
    for entry in _speakers(host):
        values = host.values(entry)
        if holds_everybody(values.get(NETWORKS, "")) and _permits_networks(values):
            yield Risk(
                "open_mynetworks", ERROR, host.place(entry),
                f"{NETWORKS} = {values[NETWORKS]} holds everybody: an open relay",
                f"name your own networks in {NETWORKS}",
            )  # fmt: skip


def _smuggling(host: _Host) -> Iterator[Risk]:
    """What ends at a bare newline here goes on there (SMTP smuggling, postconf(5))."""
    # The vendor's place behind its proxy has Postfix's own setting, as one without a filter has.
    proxied = host.survey.provider.proxy_protocol
    behind = host.on(host.survey.ports.smtp) if proxied else []
    for entry in _speakers(host):
        values, place = host.values(entry), host.place(entry)
        check, excluded = values.get(NEWLINE), values.get(EXCLUSIONS, "")
        if check is None:
            yield Risk(
                "smuggling", WARNING, place, f"this Postfix does not know {NEWLINE}",
                "upgrade to 3.5.23, 3.6.13, 3.7.9, 3.8.4 or newer",
            )  # fmt: skip
        elif check in _NO_CHECK:
            yield Risk(
                "smuggling", WARNING, place,
                f"{NEWLINE} = {check}: a message can have another one hidden in it",
                f"postconf {NEWLINE}=normalize",
            )  # fmt: skip
        elif holds_everybody(excluded) or (entry in behind and holds_this_host(excluded)):
            yield Risk(
                "smuggling", WARNING, place,
                f"{EXCLUSIONS} = {excluded} leaves "
                f"{'everybody' if holds_everybody(excluded) else 'this host'} out of the check",
                f"-o {EXCLUSIONS}= (enable_sender_filter.yml sets it)"
                if entry in behind
                else f"postconf {EXCLUSIONS}='$mynetworks'",
            )  # fmt: skip


def _services_after(host: _Host) -> Iterator[Risk]:
    """Who takes mail back from the filter or the scan service takes all of it, from them alone."""
    for entry in host.after_filter():
        if not holds_this_host(host.values(entry).get(XFORWARD, "")):
            yield Risk(
                "lost_client", WARNING, host.place(entry),
                f"it does not let the filter say who the client is ({XFORWARD}): to the scan "
                "service all mail is this host's own",
                f"-o {XFORWARD}=127.0.0.0/8",
            )  # fmt: skip
    for entry in [*host.after_filter(), *host.on(host.survey.ports.reinjection)]:
        values = host.values(entry)
        foreign = others(values.get(NETWORKS, ""))
        if foreign or not any(_ends_in_reject(values, one) for one in (CLIENT, RELAY, RECIPIENT)):
            yield Risk(
                "no_own_restrictions", WARNING, host.place(entry),
                "nothing but its address keeps others from relaying through it: "
                + (
                    f"{NETWORKS} holds {', '.join(foreign)}"
                    if foreign
                    else f"none of {CLIENT}, {RELAY}, {RECIPIENT} ends in reject"
                ),
                f"-o {NETWORKS}=127.0.0.0/8 -o {RELAY}=permit_mynetworks,reject",
            )  # fmt: skip


def _unknown_listeners(host: _Host) -> Iterator[Risk]:
    """A stranger on a port of the path stands in the way of a move, or reads the mail."""
    survey = host.survey
    for port in sorted(survey.ports.all() - {survey.ports.listen}):
        for owner in survey.owners(port):
            if owner not in _OURS:
                yield Risk(
                    "unknown_listener", WARNING, f"port {port}", f"it belongs to {owner}",
                    "stop that program, or give the path another port (docs/reference/roles.md)",
                )  # fmt: skip


_CHECKS: tuple[Callable[[_Host], Iterator[Risk]], ...] = (
    _hidden_clients, _strangers_in_front, _forged_clients, _reachable_ports, _open_networks,
    _smuggling, _services_after, _unknown_listeners,
)  # fmt: skip


def _speakers(host: _Host) -> list[Entry]:
    """The services that speak with clients from the network, in any topology."""
    ports = host.survey.ports
    return [host.speaker(one) for port in (ports.listen, ports.smtp) for one in host.on(port)]


def _relays_for_this_host(values: Mapping[str, str]) -> bool:
    return holds_this_host(values.get(NETWORKS, "")) and _permits_networks(values)


def _permits_networks(values: Mapping[str, str]) -> bool:
    """Whether who is in `mynetworks` may relay: both lists must let him (SMTPD_ACCESS_README)."""
    return all(_permits(split_list(values.get(name, ""))) for name in (RELAY, RECIPIENT))


def _permits(restrictions: list[str]) -> bool:
    decided = {"permit": True, "permit_mynetworks": True} | dict.fromkeys(_REFUSALS, False)
    return next((decided[one] for one in restrictions if one in decided), True)


def _ends_in_reject(values: Mapping[str, str], name: str) -> bool:
    return split_list(values.get(name, ""))[-1:] == ["reject"]
