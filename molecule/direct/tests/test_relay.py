"""Topology `direct`: a gateway relays no mail of strangers."""

from __future__ import annotations

import pytest
from lab_hosts import Client, LabHost
from relay_probe import accepted_introductions, accepted_recipients


@pytest.mark.parametrize("family", [4, 6])
def test_no_introduction_makes_it_a_relay(gateway: LabHost, client: Client, family: int) -> None:
    address, source = gateway.address_in(family), client.source(1, family)
    assert accepted_introductions(client, address, gateway.name, source) == []


@pytest.mark.parametrize("family", [4, 6])
def test_no_form_of_a_recipient_makes_it_a_relay(
    gateway: LabHost, client: Client, family: int
) -> None:
    assert accepted_recipients(client, gateway.address_in(family), client.source(1, family)) == []
