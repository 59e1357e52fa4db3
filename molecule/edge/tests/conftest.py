from fixtures import client, gateway, mailstore, one_gateway

__all__ = ["client", "gateway", "mailstore", "one_gateway"]
