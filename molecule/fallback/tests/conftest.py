import pytest
from fixtures import client, gateways, mailstore
from lab_hosts import LabHost
from moves import DIRECT, EDGE, Fleet

__all__ = ["client", "gateways", "mailstore"]


@pytest.fixture(scope="session")
def fleet(gateways: list[LabHost], request: pytest.FixtureRequest) -> Fleet:
    """The gateways, each of which has been in both topologies once, by the way of this project."""
    found = Fleet(gateways, lambda: request.session.testsfailed > 0)
    found.learn(EDGE, DIRECT)
    return found
