from collections.abc import Iterator

import pytest
from fixtures import client, gateways, mailstore
from lab_hosts import Client, LabHost, MailStore
from moves import Fleet
from traffic import Traffic

__all__ = ["client", "gateways", "mailstore"]


@pytest.fixture(scope="session")
def fleet(gateways: list[LabHost]) -> Fleet:
    """The gateways, each of which has been in both topologies once."""
    found = Fleet(gateways)
    found.learn()
    return found


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
