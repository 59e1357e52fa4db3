from fixtures import client, gateways, mailstore

__all__ = ["client", "gateways", "mailstore"]
