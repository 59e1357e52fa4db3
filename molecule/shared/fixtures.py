"""The pytest fixtures of every scenario. A scenario's conftest.py imports them."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import pytest
from lab_hosts import Client, LabHost, MailStore, inventory
from moves import DIRECT, EDGE, INLINE, Fleet
from traffic import Traffic

HOSTS = inventory()
GATEWAYS = sorted(name for name in HOSTS if name.startswith("gw"))


@pytest.fixture(params=GATEWAYS)
def gateway(request: pytest.FixtureRequest) -> LabHost:
    """Each gateway of the lab in turn: one of each Debian release."""
    return LabHost(request.param, HOSTS[request.param])


@pytest.fixture
def one_gateway(request: pytest.FixtureRequest) -> LabHost:
    """One of them, the same one each time: for tests of many plays, in which releases are alike."""
    name = GATEWAYS[crc32(request.node.nodeid.encode()) % len(GATEWAYS)]
    return LabHost(name, HOSTS[name])


@pytest.fixture(scope="session")
def client() -> Client:
    return Client("client", HOSTS["client"])


@pytest.fixture(scope="session")
def mailstore() -> MailStore:
    return MailStore("mailstore", HOSTS["mailstore"])


@pytest.fixture(scope="session")
def gateways() -> list[LabHost]:
    """All gateways, for tests that take them at once."""
    return [LabHost(name, HOSTS[name]) for name in GATEWAYS]


def fleet_of(gateways: list[LabHost], session: pytest.Session) -> Fleet:
    """The gateways of a session, which mends them after a test that has failed."""
    return Fleet(gateways, lambda: session.testsfailed > 0)


@pytest.fixture(scope="session")
def fleet(gateways: list[LabHost], request: pytest.FixtureRequest) -> Fleet:
    """The gateways, each of which has been in `edge` and `direct` once."""
    found = fleet_of(gateways, request.session)
    found.learn(EDGE, DIRECT)
    return found


@pytest.fixture(scope="session")
def inline_fleet(fleet: Fleet) -> Fleet:
    """The same, and each has been in `inline` as well, and is there."""
    fleet.learn(INLINE)
    return fleet


@pytest.fixture(scope="session")
def all_traffic(client: Client, gateways: list[LabHost], mailstore: MailStore) -> Iterator[Traffic]:
    with Traffic(client, gateways, mailstore) as running:
        yield running


@pytest.fixture
def traffic(fleet: Fleet, all_traffic: Traffic) -> Iterator[Traffic]:
    """Mail that runs while a test disturbs the gateways: none of it is lost."""
    all_traffic.start_over()
    yield all_traffic
    fleet.ends()
    all_traffic.prove()
