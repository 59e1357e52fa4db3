"""A gateway with a console, and a browser before it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser import Browser
from fixtures import GATEWAYS, HOSTS, client, gateways, mailstore
from lab_hosts import LabHost, play
from services import redis
from tunnel import Tunnel

__all__ = ["client", "gateways", "mailstore", "redis"]


@pytest.fixture(scope="session")
def gateway() -> LabHost:
    """The gateway whose console is used; what differs between releases is tested by the API."""
    return LabHost(GATEWAYS[0], HOSTS[GATEWAYS[0]])


@pytest.fixture(scope="session")
def address(gateway: LabHost) -> Iterator[str]:
    """Where this host finds the console: it listens on the gateway's loopback alone."""
    with Tunnel(HOSTS[gateway.name]) as tunnel:
        yield tunnel.url


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    """A browser in which an operator has logged in."""
    with Browser(address) as running:
        running.log_in("alice")
        yield running


@pytest.fixture
def stranger(address: str) -> Iterator[Browser]:
    """A browser in which nobody has logged in."""
    with Browser(address) as running:
        yield running


@pytest.fixture(scope="module")
def by_headers(gateway: LabHost) -> Iterator[None]:
    """The filter judges messages by their headers."""
    here = ("enable_sender_filter.yml", "--limit", gateway.name, "--extra-vars")
    assert play(*here, "sender_filter_known_hosts_enabled=true").returncode == 0
    yield
    assert play(*here, "sender_filter_known_hosts_enabled=false").returncode == 0
