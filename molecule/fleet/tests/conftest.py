import pytest
from fixtures import client, fleet_of, gateways, mailstore
from lab_hosts import LabHost
from moves import Fleet

__all__ = ["client", "gateways", "mailstore"]


@pytest.fixture(scope="session")
def fleet(gateways: list[LabHost], request: pytest.FixtureRequest) -> Fleet:
    """The gateways, in whatever topology a rollout has left them."""
    return fleet_of(gateways, request.session)
