"""Surveys of gateways that are as they should be, and the parts to make others of."""

from __future__ import annotations

import itertools
from pathlib import Path

from module_utils.topology import model
from module_utils.topology.model import Ports
from module_utils.topology.native import NATIVE
from module_utils.topology.provider import Provider
from module_utils.topology.sockets import Listener, Process
from module_utils.topology.survey import FilterState, PostfixState, Survey

ANY_IPV4 = "0.0.0.0"
ANY_IPV6 = "::"
LOOPBACK = "127.0.0.1"
PORTS = Ports()

SYSTEMD = Process(1, "systemd", "init.scope")
MASTER = Process(377, "master", "postfix@-.service")
SMTPD = Process(4021, "smtpd", "postfix@-.service")
SENDER_FILTER = Process(880, "senderfilter", "sender-filter.service")
INLINE_FILTER = Process(881, "senderfilter", "sender-filter-inline.service")
AMAVIS = Process(66, "/usr/sbin/amavi", "amavis.service")
NGINX = Process(99, "nginx", "nginx.service")
STRAY = Process(5150, "python3", "")

RUNNING = FilterState(installed=True, socket_active=True, service_active=True, enabled=True)
STOPPED = FilterState(installed=True, socket_active=False, service_active=False, enabled=False)

_REST = (
    b"pickup    unix  n       -       y       60      1       pickup\n"
    b"127.0.0.1:10026 inet n  -       n       -       -       smtpd\n"
)
_STOCK = b"smtp      inet  n       -       y       -       -       smtpd\n"
DIRECT_CF = _STOCK + _REST
EDGE_CF = (
    b"#smtp      inet  n       -       y       -       -       smtpd\n"
    b"127.0.0.1:2500 inet  n       -       y       -       -       smtpd\n"
    b"  -o smtpd_upstream_proxy_protocol=haproxy\n" + _REST
)
AFTER_ENTRY = (
    b"127.0.0.1:10021 inet n  -       y       -       -       smtpd\n"
    b"  -o syslog_name=postfix/after-filter\n  -o smtpd_proxy_filter=\n"
)
INLINE_CF = (
    _STOCK + b"  -o smtpd_proxy_filter=127.0.0.1:10020\n"
    b"  -o receive_override_options=no_unknown_recipient_checks\n" + AFTER_ENTRY + _REST
)

PARAMETERS = {
    "mail_version": "3.7.11",
    "inet_protocols": "all",
    "inet_interfaces": "all",
    "master_service_disable": "",
    "smtpd_proxy_filter": "",
    "receive_override_options": "",
    "import_environment": "MAIL_CONFIG TZ LANG=C",
    "process_id_directory": "pid",
    "queue_directory": "/var/spool/postfix",
    "setgid_group": "postdrop",
    "multi_instance_name": "",
}

_inodes = itertools.count(70_000)


def listener(
    port: int, *processes: Process, address: str = LOOPBACK, inode: int | None = None
) -> Listener:
    """A listening socket that these processes have open."""
    family = "ipv6" if ":" in address else "ipv4"
    return Listener(family, address, port, inode or next(_inodes), processes)


def public(port: int, *processes: Process) -> list[Listener]:
    """A socket on all addresses of each family."""
    return [listener(port, *processes, address=address) for address in (ANY_IPV4, ANY_IPV6)]


def after_the_filter() -> list[Listener]:
    """The hop through the scan service."""
    return [listener(PORTS.scan, AMAVIS), listener(PORTS.reinjection, MASTER, SMTPD)]


def postfix_on_listen() -> list[Listener]:
    """The sockets of topology direct."""
    return [*public(PORTS.listen, MASTER, SMTPD), *after_the_filter()]


def filter_on_listen() -> list[Listener]:
    """The sockets of topology edge."""
    on_smtp = listener(PORTS.smtp, MASTER, SMTPD)
    return [*public(PORTS.listen, SYSTEMD, SENDER_FILTER), on_smtp, *after_the_filter()]


def around_the_filter() -> list[Listener]:
    """The sockets of topology inline on which filter and Postfix meet."""
    awaits = listener(PORTS.proxy, SYSTEMD, INLINE_FILTER)
    return [awaits, listener(PORTS.after_proxy, MASTER, SMTPD)]


def filter_between() -> list[Listener]:
    """The sockets of topology inline."""
    return [*postfix_on_listen(), *around_the_filter()]


def survey(
    listeners: list[Listener],
    master_cf: bytes,
    units: FilterState,
    *,
    inline_units: FilterState = STOPPED,
    master_pid: int | None = MASTER.pid,
    ports: Ports = PORTS,
    provider: Provider = NATIVE,
    **parameters: str,
) -> Survey:
    """A host; Postfix's parameters are those of PARAMETERS unless given.

    `units` are those of the front towards the network, `inline_units` of the one towards Postfix.
    """
    postfix = PostfixState(
        config_dir=Path("/etc/postfix"),
        parameters={**PARAMETERS, **parameters},
        master_cf=master_cf,
        pid_file=Path("/var/spool/postfix/pid/master.pid"),
        master_pid=master_pid,
    )
    return Survey(ports, tuple(listeners), postfix, provider, units, inline_units)


def direct(
    listeners: list[Listener] | None = None,
    master_cf: bytes = DIRECT_CF,
    units: FilterState = STOPPED,
    master_pid: int | None = MASTER.pid,
    **parameters: str,
) -> Survey:
    """A host in topology direct, but for what is given."""
    sockets = postfix_on_listen() if listeners is None else listeners
    return survey(sockets, master_cf, units, master_pid=master_pid, **parameters)


def edge(
    listeners: list[Listener] | None = None,
    master_cf: bytes = EDGE_CF,
    units: FilterState = RUNNING,
    master_pid: int | None = MASTER.pid,
    **parameters: str,
) -> Survey:
    """A host in topology edge, but for what is given."""
    sockets = filter_on_listen() if listeners is None else listeners
    return survey(sockets, master_cf, units, master_pid=master_pid, **parameters)


def inline(
    listeners: list[Listener] | None = None,
    master_cf: bytes = INLINE_CF,
    units: FilterState = RUNNING,
    master_pid: int | None = MASTER.pid,
    **parameters: str,
) -> Survey:
    """A host in topology inline, but for what is given."""
    sockets = filter_between() if listeners is None else listeners
    return survey(
        sockets, master_cf, STOPPED, inline_units=units, master_pid=master_pid, **parameters
    )


HOSTS = {model.EDGE: edge, model.DIRECT: direct, model.INLINE: inline}
LISTENERS = {
    model.EDGE: filter_on_listen,
    model.DIRECT: postfix_on_listen,
    model.INLINE: filter_between,
}
MASTER_CF = {model.EDGE: EDGE_CF, model.DIRECT: DIRECT_CF, model.INLINE: INLINE_CF}
