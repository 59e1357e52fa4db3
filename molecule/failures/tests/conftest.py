from fixtures import client, gateway, mailstore

__all__ = ["client", "gateway", "mailstore"]
