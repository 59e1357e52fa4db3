"""The blocked and the approved list: set by the playbook, obeyed, explained, recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from filter_log import decision_on, end_of
from fixtures import GATEWAYS, HOSTS
from lab_hosts import Client, LabHost, MailStore, play
from smtp import Session, message, unique

ENABLE = "enable_sender_filter.yml"
LIST = "/etc/sender-filter/blocked.list"
CODES = {"permanent": "554 5.7.1 ", "temporary": "421 4.7.0 "}
WORDS = {"permanent": "would be refused for good", "temporary": "would be refused for now"}


@dataclass(frozen=True)
class Blocked:
    """A source of the client that is on the blocked list, and how."""

    number: int
    family: int
    entry: str
    action: str = "permanent"


BLOCKED = {
    "address": Blocked(3, 4, "{4:3}"),
    "temporary": Blocked(4, 4, "{4:4} temporary", "temporary"),
    "first-of-range": Blocked(5, 4, "{4:5}-{4:6}"),
    "last-of-range": Blocked(6, 4, "{4:5}-{4:6}"),
    "network6": Blocked(7, 6, "{6:6}/127"),
    "address6-temporary": Blocked(8, 6, "{6:8} temporary", "temporary"),
}
APPROVED = 8
EVERY = pytest.mark.parametrize("blocked", BLOCKED.values(), ids=BLOCKED)


def in_full(entry: str, client: Client) -> str:
    """An entry with the client's addresses in it: {4:3} is its third IPv4 source."""
    for family in (4, 6):
        for number in range(1, 9):
            entry = entry.replace(f"{{{family}:{number}}}", client.source(number, family))
    return entry


def filter_pid(gateway: LabHost) -> str:
    return gateway.run("systemctl show --property=MainPID --value sender-filter.service")


def set_lists(blocked: list[str], approved: list[str]) -> None:
    variables = {"sender_filter_blocked": blocked, "sender_filter_approved": approved}
    result = play(ENABLE, "--extra-vars", json.dumps(variables))
    assert result.returncode == 0, result.stdout


@dataclass(frozen=True)
class Change:
    """The change of the lists on one gateway, as it was seen from outside.

    Attributes:
        session: A session that was open before, from a source that has been blocked since.
        source: That source.
        pid: The filter's process before.
    """

    session: Session
    source: str
    pid: str


@pytest.fixture(scope="module")
def changes(client: Client) -> Iterator[dict[str, Change]]:
    """The lists are in force on every gateway; afterwards they are empty again."""
    gateways = [LabHost(name, HOSTS[name]) for name in GATEWAYS]
    source = client.source(BLOCKED["address"].number)
    before = {
        gateway.name: Change(
            Session(client, gateway.address, source=source), source, filter_pid(gateway)
        )
        for gateway in gateways
    }
    for change in before.values():
        change.session.hello()
        change.session.envelope()
    blocked = list(dict.fromkeys(in_full(each.entry, client) for each in BLOCKED.values()))
    approved = client.source(APPROVED)
    try:
        # The approved address is in a blocked network too.
        set_lists([*blocked, f"{approved}:255.255.255.255"], [approved])
        yield before
    finally:
        for change in before.values():
            change.session.close()
        set_lists([], [])
    for gateway in gateways:
        with Session(client, gateway.address, source=source) as session:
            assert session.greeting.startswith("220 ")


@pytest.fixture
def change(changes: dict[str, Change], gateway: LabHost) -> Change:
    return changes[gateway.name]


@pytest.mark.usefixtures("change")
@EVERY
def test_a_blocked_client_is_refused(gateway: LabHost, client: Client, blocked: Blocked) -> None:
    source = client.source(blocked.number, blocked.family)
    with Session(client, gateway.address_in(blocked.family), source=source) as session:
        assert session.greeting.startswith(f"{CODES[blocked.action]}Service unavailable; ")
        assert f"client [{source}] is blocked here" in session.greeting
        if blocked.action == "permanent":
            assert session.say("EHLO client.example.test").startswith("503 ")
            assert session.say("MAIL FROM:<sender@remote.test>").startswith("503 ")
            assert session.say("QUIT").startswith("221 ")
        assert session.reply() == ""


@pytest.mark.usefixtures("change")
@EVERY
def test_its_refusal_is_recorded(gateway: LabHost, client: Client, blocked: Blocked) -> None:
    source = client.source(blocked.number, blocked.family)
    with Session(client, gateway.address_in(blocked.family), source=source) as session:
        said = session.greeting
    decision = decision_on(gateway, source, session.port)
    assert (decision["function"], decision["action"]) == ("blocked", blocked.action)
    assert decision["reply"] == said
    match = decision["checks"][-1]
    assert (match["function"], match["input"], match["result"]) == ("blocked", source, "match")
    assert entry_named_in(match["detail"], gateway) == in_full(blocked.entry, client)


def entry_named_in(detail: str, gateway: LabHost) -> str:
    """The line of the list that a check names as `… (FILE:LINE)`."""
    file, line = detail.rstrip(")").rsplit("(", 1)[1].rsplit(":", 1)
    assert file == LIST
    return gateway.run(f"sed --quiet {line}p {file}").strip()


@pytest.mark.usefixtures("change")
@EVERY
def test_check_explains_the_refusal(gateway: LabHost, client: Client, blocked: Blocked) -> None:
    source = client.source(blocked.number, blocked.family)
    said, *steps = gateway.run(f"senderfilter check {source}").splitlines()
    assert said == f"{source} {WORDS[blocked.action]}"
    assert "approved: not listed" in steps[0]
    assert "blocked: listed: " in steps[1]
    assert entry_named_in(steps[1], gateway) == in_full(blocked.entry, client)
    assert f"reply: {CODES[blocked.action]}" in steps[2]


@pytest.mark.usefixtures("change")
def test_the_approved_list_wins(gateway: LabHost, client: Client, mailstore: MailStore) -> None:
    subject, source = unique(), client.source(APPROVED)
    with Session(client, gateway.address, source=source) as session:
        session.deliver(message(subject))
    assert decision_on(gateway, source, session.port)["function"] == "approved"
    assert "approved: listed" in gateway.run(f"senderfilter check {source}")
    mailstore.wait_for_stored(subject)


@pytest.mark.usefixtures("change")
@pytest.mark.parametrize(("number", "family"), [(2, 4), (7, 4), (5, 6)])
def test_their_neighbours_pass(gateway: LabHost, client: Client, number: int, family: int) -> None:
    source = client.source(number, family)
    with Session(client, gateway.address_in(family), source=source) as session:
        assert session.greeting.startswith("220 ")
    assert f"{source} would be let through" in gateway.run(f"senderfilter check {source}")


def test_a_session_that_was_open_goes_on_to_deliver(
    change: Change, gateway: LabHost, mailstore: MailStore
) -> None:
    assert filter_pid(gateway) == change.pid
    subject = unique()
    change.session.content(message(subject))
    change.session.quit()
    mailstore.wait_for_stored(subject)
    assert end_of(gateway, change.source, change.session.port)["ended"] == "upstream_closed"
