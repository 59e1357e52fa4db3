"""What makes a move to a topology impossible, found before anything is touched."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..postfix.master_cf import Entry
from ..postfix.service import is_wildcard, port_of
from . import model
from .between import PROXY, filter_of, front_of, is_after_filter
from .diagnosis import deaf_master
from .survey import Survey
from .target import service_on

OLDEST_POSTFIX = (3, 5)  # the first that reads the PROXY protocol, version 2


def obstacles(survey: Survey, topology: str) -> list[str]:
    """Every reason not to begin, with its cure; empty when the way is free."""
    found = _postfix_obstacles(survey, topology)
    found += strangers(survey, _ports(survey, topology), (model.POSTFIX, model.FILTER))
    found += _missing_hops(survey)
    found += _entry_obstacles(survey, topology)
    return found + survey.provider.obstacles(survey, topology)


def _postfix_obstacles(survey: Survey, topology: str) -> list[str]:
    postfix, found = survey.postfix, []
    if postfix.master_pid is None:
        found.append(
            "Postfix is not running: start it (systemctl start postfix) and look at its log"
        )
    cure = "run playbooks/repair_port_conflict.yml, or restart it (systemctl restart postfix)"
    found += [f"{text}: {cure}" for text in deaf_master(survey)]
    proxied = topology == model.EDGE and survey.provider.proxy_protocol
    if proxied and postfix.version < OLDEST_POSTFIX:
        found.append(
            f"Postfix {postfix.parameters['mail_version']} cannot read the PROXY protocol, version "
            "2: every client would look like this host. Upgrade to 3.5 or newer"
        )
    disabled = postfix.parameters["master_service_disable"]
    if "inet" in disabled:
        found.append(
            f"{postfix.config_dir}/main.cf: master_service_disable = {disabled} takes listeners "
            "away whatever master.cf says: remove the inet entries from it"
        )
    return found


def strangers(survey: Survey, ports: Iterable[int], ours: Collection[str]) -> list[str]:
    """Who has one of the ports and is none of ours, with the cure."""
    return [
        f"port {port} belongs to {owner}, which is neither Postfix nor the sender filter: stop it "
        "and keep it from starting again"
        for port in ports
        for owner in survey.owners(port)
        if owner not in ours
    ]


def _ports(survey: Survey, topology: str) -> tuple[int, ...]:
    """Those that must not belong to a stranger."""
    ports = survey.ports
    between = (ports.proxy, ports.after_proxy) if topology == model.INLINE else ()
    return ports.listen, ports.smtp, *between


def _missing_hops(survey: Survey) -> list[str]:
    return [
        f"nobody listens on port {hop.port} ({hop.meaning}): run playbooks/install_gateway.yml, or "
        "look why it is not running"
        for hop in model.expectations(model.DIRECT, survey.ports)
        if hop.port in (survey.ports.scan, survey.ports.reinjection) and not survey.on(hop.port)
    ]


def _entry_obstacles(survey: Survey, topology: str) -> list[str]:
    file = survey.postfix.config_dir / "master.cf"
    document, ports = survey.postfix.document, survey.ports
    front, behind = document.listening_on(ports.listen), document.listening_on(ports.smtp)
    found = [
        f"{file}:{entry.line}: {entry.service} {entry.type} listens on one address alone; this "
        "project moves the service that listens on all of them: write it as `smtp inet`"
        for entry in front
        if not is_wildcard(entry.service)
    ]
    if len(front) + len(behind) > 1:
        found.append(
            f"{file} has more than one entry for ports {ports.listen} and {ports.smtp}: "
            f"{_places(front + behind)}. Comment out all but the one that is in force"
        )
    if not front and not behind:
        commented = document.commented(service_on(ports.listen), "inet")
        hint = f": it is commented out at line {commented[-1].line}" if commented else ""
        found.append(
            f"{file} has neither an `smtp inet` entry nor one for port {ports.smtp}{hint}; without "
            "it nobody takes mail from the network. Put the line back (remove the #), then "
            "reload Postfix; if the port was changed in edge, go to direct with the one of before "
            "first (disable_sender_filter.yml)"
        )
    if topology == model.INLINE:
        found += _proxy_obstacles(survey)
    if topology == model.EDGE and survey.provider.proxy_protocol:
        found += [
            f"{file}:{entry.line}: the command of {entry.service} {entry.type} is "
            f"{entry.command}; only smtpd and postscreen read the PROXY protocol"
            for entry in front
            if entry.command not in ("smtpd", "postscreen")
        ]
    return found


def _proxy_obstacles(survey: Survey) -> list[str]:
    """What keeps the filter from standing between two services of Postfix."""
    file = survey.postfix.config_dir / "master.cf"
    document, ports = survey.postfix.document, survey.ports
    behind = document.listening_on(ports.smtp)
    found = [
        f"{file}:{home.line}: postscreen hands its clients to a service that would have no filter "
        "for a while: run playbooks/disable_sender_filter.yml first"
        for home in behind
        if home.command == "postscreen"
    ]
    for home in document.listening_on(ports.listen) + behind:
        for front in document.find(*front_of(document, home.service)):
            found += _front_obstacles(survey, front)
    found += [
        f"{file}:{one.line}: {one.service} {one.type} has the port on which the sender filter "
        "awaits Postfix: choose another sender_filter_inline_port"
        for one in document.listening_on(ports.proxy)
    ]
    return found + [
        f"{file}:{one.line}: {one.service} {one.type} is no service of topology inline: choose "
        "another postfix_gateway_after_filter_port"
        for one in document.listening_on(ports.after_proxy)
        if not is_after_filter(one)
    ]


def _front_obstacles(survey: Survey, front: Entry) -> list[str]:
    """What keeps a service from handing its mail to the filter."""
    place = f"{survey.postfix.config_dir}/master.cf:{front.line}: {front.service} {front.type}"
    value = filter_of(front, survey.postfix.parameters[PROXY])
    found = []
    if front.command != "smtpd":
        found.append(f"{place} runs {front.command}; only smtpd can have a filter before its queue")
    if value and port_of(value) != survey.ports.proxy:
        found.append(
            f"{place} has another filter before its queue already ({PROXY} = {value}), and only "
            "one can be there: take that one out first"
        )
    return found


def _places(entries: list[Entry]) -> str:
    return ", ".join(f"line {entry.line} ({entry.service} {entry.type})" for entry in entries)
