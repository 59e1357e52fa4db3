"""Postfix's service of type `pass`: it takes over connections that the sender filter gives away.

postscreen(8) hands its clients to smtpd by such a service. This one is a copy of the service behind
the filter, so that the same policy holds, but for the PROXY header: the client comes itself. Its
socket is in `public`, for `private` is Postfix's alone.
"""

from __future__ import annotations

from pathlib import Path

from ..postfix.master_cf import Entry, MasterDocument
from . import model
from .socket_table import PROC
from .sockets import Listener, Process, processes_by_inode
from .survey import Survey

NAME, TYPE = "sender-filter", "pass"
SOCKET = f"public/{NAME}"  # as master binds it, in its queue directory
PROXY = "smtpd_upstream_proxy_protocol"
SMTPD = "smtpd"  # postscreen hands over itself, and takes nothing over
_ACCEPTS = 0x10000  # __SO_ACCEPTCON in the kernel's include/linux/net.h


def entries(document: MasterDocument) -> list[Entry]:
    """The service, if it is there."""
    return document.find(NAME, TYPE)


def take_out(document: MasterDocument) -> MasterDocument:
    """The document without the service."""
    new = document.copy()
    for entry in entries(new):
        new.remove(entry)
    return new


def put_in(document: MasterDocument, behind: str) -> MasterDocument:
    """The document with the service, below the one behind the filter and as that is."""
    new = document.copy()
    for entry in new.find(behind, "inet"):
        if entry.command == SMTPD:
            copy = new.copy_below(entry, NAME, TYPE, {})
            new.set_fields(copy, {"private": "n"})
            new.set_options(copy, {PROXY: None})
    return new


def way_in(survey: Survey) -> dict[str, str]:
    """The service's socket, and the group that may reach it."""
    parameters = survey.postfix.parameters
    return {
        "socket": str(Path(parameters["queue_directory"]) / SOCKET),
        "group": parameters["setgid_group"],
    }


def obstacles(survey: Survey, topology: str) -> list[str]:
    """What keeps Postfix from taking connections over, with the cure."""
    if topology != model.EDGE:
        return []
    document, ports = survey.postfix.document, survey.ports
    home = document.listening_on(ports.listen) + document.listening_on(ports.smtp)
    file = survey.postfix.config_dir / "master.cf"
    found = [
        f"{file}:{entry.line}: the command of {entry.service} {entry.type} is {entry.command}; "
        "only smtpd takes connections over: set sender_filter_handover to relay"
        for entry in home
        if entry.command != SMTPD
    ]
    disabled = survey.postfix.parameters["master_service_disable"]
    if TYPE in disabled:
        found.append(
            f"{survey.postfix.config_dir}/main.cf: master_service_disable = {disabled} takes the "
            f"service {NAME} {TYPE} away: remove the pass entries from it, or set "
            "sender_filter_handover to relay"
        )
    return found


def differences(survey: Survey, *, wanted: bool) -> list[str]:
    """What is not as it should be."""
    document, file = survey.postfix.document, survey.postfix.config_dir / "master.cf"
    found = entries(document)
    if not wanted:
        return [
            f"{file}:{entry.line}: {NAME} {TYPE} belongs to topology edge with "
            "sender_filter_handover: pass"
            for entry in found
        ]
    if not found:
        return [f"{file} has no entry {NAME} {TYPE}: the filter relays what it should hand over"]
    if put_in(take_out(document), _behind(survey)).render() != document.render():
        text = f"is not as the service on port {survey.ports.smtp}, whose policy it must have"
        return [f"{file}:{found[0].line}: {NAME} {TYPE} {text}"]
    if not is_served(survey.postfix.master_pid):
        return [f"Postfix does not serve {NAME} {TYPE}, though {file} has it"]
    return []


def _behind(survey: Survey) -> str:
    """The name of the service behind the filter."""
    found = survey.postfix.document.listening_on(survey.ports.smtp)
    return found[0].service if found else ""


def is_served(master: int | None) -> bool:
    """Whether a master listens for connections to take over."""
    return any(process.pid == master for one in listeners() for process in one.processes)


def listeners(proc: Path = PROC) -> list[Listener]:
    """The sockets of the service, of each Postfix on this host, with who holds them."""
    inodes = {
        int(row[6])
        for row in map(str.split, (proc / "net/unix").read_text().splitlines()[1:])
        if row[7:] == [SOCKET] and int(row[3], 16) & _ACCEPTS
    }
    owners = processes_by_inode(inodes, proc) if inodes else {}
    return [
        Listener("unix", SOCKET, 0, inode, tuple(processes)) for inode, processes in owners.items()
    ]


def abandoned() -> list[Listener]:
    """Those that a master has given up, and its children have not."""
    return [one for one in listeners() if all(each.name != "master" for each in one.processes)]


def serves(process: Process, proc: Path = PROC) -> bool:
    """Whether a process speaks with clients that were handed over: by its arguments (smtpd(8))."""
    try:
        command = (proc / str(process.pid) / "cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return False
    return process.name == SMTPD and f"\0-n\0{NAME}\0-t\0{TYPE}\0".encode() in command
