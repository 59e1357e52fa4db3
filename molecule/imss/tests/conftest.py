import pytest
from fixtures import client, fleet_of, gateways, mailstore
from imss_product import install
from lab_hosts import LabHost
from moves import Fleet

__all__ = ["client", "gateways", "mailstore"]


@pytest.fixture(scope="session")
def fleet(gateways: list[LabHost], request: pytest.FixtureRequest) -> Fleet:
    """The gateways, each with the vendor's product."""
    found = fleet_of(gateways, request.session)
    found.each(lambda one: install(one.host))
    return found
