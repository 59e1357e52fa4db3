"""What makes a move to a topology impossible, found before anything is touched."""

from __future__ import annotations

from ..postfix.master_cf import Entry
from ..postfix.service import is_wildcard
from . import model
from .survey import Survey
from .target import service_on

OLDEST_POSTFIX = (3, 5)  # the first that reads the PROXY protocol, version 2


def obstacles(survey: Survey, topology: str) -> list[str]:
    """Every reason not to begin, with its cure; empty when the way is free."""
    found = _postfix_obstacles(survey, topology)
    found += _foreign_owners(survey)
    found += _missing_hops(survey)
    found += _entry_obstacles(survey, topology)
    return found


def _postfix_obstacles(survey: Survey, topology: str) -> list[str]:
    postfix, found = survey.postfix, []
    if postfix.master_pid is None:
        found.append(
            "Postfix is not running: start it (systemctl start postfix) and look at its log"
        )
    if topology == model.EDGE and postfix.version < OLDEST_POSTFIX:
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


def _foreign_owners(survey: Survey) -> list[str]:
    ours = {model.POSTFIX, model.FILTER}
    return [
        f"port {port} belongs to {owner}, which is neither Postfix nor the sender filter: stop it "
        "and keep it from starting again"
        for port in (survey.ports.listen, survey.ports.smtp)
        for owner in survey.owners(port)
        if owner not in ours
    ]


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
            "reload Postfix"
        )
    if topology == model.EDGE:
        found += [
            f"{file}:{entry.line}: the command of {entry.service} {entry.type} is "
            f"{entry.command}; only smtpd and postscreen read the PROXY protocol"
            for entry in front
            if entry.command not in ("smtpd", "postscreen")
        ]
    return found


def _places(entries: list[Entry]) -> str:
    return ", ".join(f"line {entry.line} ({entry.service} {entry.type})" for entry in entries)
