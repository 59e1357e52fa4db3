"""The pytest fixtures of every scenario. A scenario's conftest.py imports them."""

from __future__ import annotations

import pytest
from lab_hosts import Client, LabHost, MailStore, inventory

HOSTS = inventory()
GATEWAYS = sorted(name for name in HOSTS if name.startswith("gw"))


@pytest.fixture(params=GATEWAYS)
def gateway(request: pytest.FixtureRequest) -> LabHost:
    """Each gateway of the lab in turn: one of each Debian release."""
    return LabHost(request.param, HOSTS[request.param])


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
