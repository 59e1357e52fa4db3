"""What master.cf says where the filter stands between two services of Postfix (spec.md T3).

SMTPD_PROXY_README's before-queue filter: smtpd on the public port hands each message to the filter
while its client waits, and another smtpd on loopback takes it back and queues it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..postfix.master_cf import Entry, MasterDocument
from ..postfix.proxied import INET, put_in, take_out
from ..postfix.service import port_of

PROXY, OVERRIDE = "smtpd_proxy_filter", "receive_override_options"
# The filter's IP Profiler has to see who asks for unknown recipients: the service after it says so.
LATER = "no_unknown_recipient_checks"
SYSLOG_NAME = "postfix/after-filter"

# Who the client is, and what it may do, was decided in front: here all comes from the filter.
AFTER: dict[str, str] = {
    "syslog_name": SYSLOG_NAME,
    PROXY: "",
    "smtpd_upstream_proxy_protocol": "",
    "smtpd_authorized_xforward_hosts": "127.0.0.0/8",
    "mynetworks": "127.0.0.0/8",
    "smtpd_delay_reject": "no",
    "smtpd_client_restrictions": "permit_mynetworks,reject",
    "smtpd_helo_restrictions": "",
    "smtpd_sender_restrictions": "",
    "smtpd_relay_restrictions": "permit_mynetworks,reject",
    "smtpd_recipient_restrictions": "permit_mynetworks,reject",
    "smtpd_data_restrictions": "",
    "smtpd_end_of_data_restrictions": "",
    "smtpd_tls_security_level": "none",
    "smtpd_tls_wrappermode": "no",
    "smtpd_sasl_auth_enable": "no",
    "smtpd_error_sleep_time": "0",
    "smtpd_hard_error_limit": "1000",
    "smtpd_client_connection_count_limit": "0",
    "smtpd_client_connection_rate_limit": "0",
    "smtpd_client_message_rate_limit": "0",
    "smtpd_client_recipient_rate_limit": "0",
    "local_header_rewrite_clients": "",
}


@dataclass(frozen=True)
class Between:
    """The place of the filter.

    Attributes:
        proxy: where it awaits Postfix, as ``127.0.0.1:10020``.
        after: the service that takes the mail back, as ``127.0.0.1:10021``.
        overrides: `receive_override_options` of main.cf.
        options: further options of the service after the filter, or other values; but for its
            `syslog_name`, by which it is known.
        previous: what the last move gave to the service in front, as far as that is known.
    """

    proxy: str
    after: str
    overrides: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    previous: Mapping[str, str] = field(default_factory=dict)

    def put_in(self, document: MasterDocument, service: str) -> MasterDocument:
        """The document with the filter in a service."""
        name, kind = front_of(document, service)
        options = self.front_options(document, service)
        after = {**AFTER, **self.options, "syslog_name": SYSLOG_NAME}
        return put_in(document, name, kind, options, self.after, after)

    def take_out(self, document: MasterDocument, service: str) -> MasterDocument:
        """The document without the filter; unchanged if it is in none of the services.

        In the place of the service after the filter a service of the operator's own stays.
        """
        ours = any(map(is_after_filter, document.find(self.after, INET)))
        if not ours and not self.passes(document, service):
            return document
        given = {**(self.previous or self._given(None)), PROXY: self.proxy}
        after = self.after if ours else None
        return take_out(document, *front_of(document, service), given, after)

    def passes(self, document: MasterDocument, service: str) -> bool:
        """Whether the service in front hands its mail to the filter."""
        front = document.find(*front_of(document, service))
        value = front[0].option(PROXY) if front else None
        return value is not None and port_of(value) == port_of(self.proxy)

    def front_options(self, document: MasterDocument, service: str) -> dict[str, str]:
        """What the service in front gets."""
        front = document.find(*front_of(document, service))
        return self._given(front[0].option(OVERRIDE) if front else None)

    def _given(self, own: str | None) -> dict[str, str]:
        # With a value of its own it is the operator's matter whether the filter learns of them.
        overrides = {} if own is not None else {OVERRIDE: _with(self.overrides, LATER)}
        return {PROXY: self.proxy, **overrides}


def front_of(document: MasterDocument, service: str) -> tuple[str, str]:
    """Name and type of the service that speaks SMTP with the clients of a public service.

    With postscreen in front that is the one it hands its clients to (postscreen(8)).
    """
    home = document.find(service, INET)
    if home and home[0].command == "postscreen":
        return "smtpd", "pass"
    return service, INET


def filter_of(front: Entry, main_cf: str) -> str:
    """The filter to which a service hands its mail, empty for none.

    `main_cf` is what main.cf says; an option of the service's own goes before it.
    """
    own = front.option(PROXY)
    return main_cf if own is None else own


def is_after_filter(entry: Entry) -> bool:
    """Whether this is the service that takes mail back from the filter, and not another's."""
    return entry.option("syslog_name") == SYSLOG_NAME


def _with(values: str, token: str) -> str:
    words = values.replace(",", " ").split()
    return ",".join(words if token in words else [*words, token])
