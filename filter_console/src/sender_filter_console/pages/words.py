"""What the names in records mean, for people. All texts are keys of the catalogues in ``i18n``."""

from typing import Final

from sender_filter.core.records import Function
from sender_filter_console.interface import Decision, ListName, Mode

FUNCTION_NAMES: Final[dict[Function, str]] = {
    "approved": "Approved list",
    "blocked": "Blocked list",
    "profiler": "IP Profiler",
    "known_hosts": "Known Hosts",
    "reputation": "Email Reputation",
    "throttling": "SMTP Traffic Throttling",
    "limits": "Limits",
    "upstream": "Postfix",
    "none": "Nobody objected",
}

FUNCTION_SENTENCES: Final[dict[Function, str]] = {
    "approved": "Clients on this list are never refused, whatever the functions below say.",
    "blocked": "Clients on this list are always refused.",
    "profiler": "Counts what each address sends (spam, viruses, bounced mail, mail to unknown "
    "recipients) and blocks it for a time when the share of bad mail is too large.",
    "known_hosts": "Finds the true source of a message that came through your own relays, by its "
    "Received headers, so that the source is judged and not the relay.",
    "reputation": "Asks DNS block lists about each client and refuses those that are listed.",
    "throttling": "Blocks clients and senders for a time when they connect or send too often.",
    "limits": "Too many sessions at once, silence and slowness end a session.",
    "upstream": "Postfix takes what the filter lets pass. While it is away, clients are asked to "
    "come back later.",
}

MODE_NAMES: Final[dict[Mode, str]] = {"on": "On", "shadow": "Shadow", "off": "Off"}

MODE_SENTENCES: Final[dict[Mode, str]] = {
    "on": "It refuses.",
    "shadow": "It decides and records, and refuses nobody.",
    "off": "It does nothing.",
}

HEALTH_NAMES: Final[dict[str, str]] = {
    "filter": "Sender filter",
    "postfix": "Postfix",
    "state": "State (blocks and counters)",
    "records": "Records",
    "settings": "Settings",
    "scan_service": "Scan service",
}

ZONE_STATES: Final[dict[str, str]] = {
    "trusted": "trusted",
    "untested": "not tested yet",
    "distrusted": "fails its test, not asked",
    "silent": "does not answer, not asked",
}

LIST_NAMES: Final[dict[ListName, str]] = {
    "blocked": "Blocked list",
    "approved": "Approved list",
    "known_hosts": "Known Hosts",
}

LIST_SENTENCES: Final[dict[ListName, str]] = {
    "blocked": FUNCTION_SENTENCES["blocked"],
    "approved": FUNCTION_SENTENCES["approved"],
    "known_hosts": FUNCTION_SENTENCES["known_hosts"],
}

FOUND: Final[dict[str, str]] = {
    "peer": "It is the other end of the connection.",
    "xforward": "Postfix has named it (XFORWARD).",
    "received": "A Received header names it.",
    "none": "Nobody is judged: all hosts on the way are known, or the walk could not go on.",
}

CHECK_RESULTS: Final[dict[str, str]] = {
    "match": "match",
    "no_match": "no match",
    "listed": "listed",
    "not_listed": "not listed",
    "skipped": "skipped",
    "ok": "in order",
    "failed": "failed",
}

ENDS: Final[dict[str, str]] = {
    "client_closed": "The client closed it in order.",
    "client_lost": "The client went away.",
    "upstream_closed": "Postfix closed it in order.",
    "upstream_lost": "Postfix went away.",
    "stalled": "One side took nothing any more.",
    "drain_limit": "The filter was restarted, and the session took too long to end.",
    "cut": "The filter was stopped.",
    "refused": "The filter refused a message.",
    "timed_out": "The client was silent or too slow.",
    "tls_failed": "The TLS handshake failed.",
}

BLOCK_CHANGES: Final[dict[str, str]] = {
    "started": "block started",
    "over": "block is over",
    "removed": "block removed",
    "replaced": "block replaced",
    "displaced": "block displaced by others",
    "block": "blocked by an operator",
    "approve": "approved by an operator",
    "release": "taken back by an operator",
    "know": "made a known host by an operator",
    "forget": "taken back as a known host by an operator",
}

MAKERS: Final[dict[str, str]] = {
    "operator": "an operator",
    "profiler": "IP Profiler",
    "throttling": "SMTP Traffic Throttling",
}

OUTCOMES: Final[dict[str, str]] = {
    "pass": "passed",
    "shadow": "passed (shadow)",
    "temporary": "refused for now",
    "permanent": "refused for good",
}

FORESEEN: Final[dict[str, str]] = {
    "pass": "would pass",
    "temporary": "would be refused for now",
    "permanent": "would be refused for good",
}

RESULTS: Final[dict[str, str]] = {
    "refused": "refused",
    "temporary": "refused for now",
    "permanent": "refused for good",
    "shadow": "would be refused (shadow)",
    "pass": "passed",
}
"""What connections may be searched by."""

DURATIONS: Final[dict[str, str]] = {
    "3600": "1 hour",
    "7200": "2 hours",
    "86400": "1 day",
    "604800": "7 days",
    "2592000": "30 days",
    "": "for good",
}
"""For how long a block or an approval may be: the seconds, and their words."""

SPANS: Final[dict[str, str]] = {
    "hour": "one hour",
    "day": "one day",
    "week": "7 days",
    "month": "30 days",
}

STATIONS: Final[dict[str, str]] = {
    "nobody": "nobody",
    "sender filter": "Sender filter",
    "postfix": "Postfix",
    "scan service": "Scan service",
}


def outcome(decision: Decision) -> str:
    """What happened to the client; a key of :data:`OUTCOMES`."""
    return "shadow" if decision.action == "pass" and decision.shadow else decision.action
