from fixtures import client, fleet, gateways, mailstore

__all__ = ["client", "fleet", "gateways", "mailstore"]
