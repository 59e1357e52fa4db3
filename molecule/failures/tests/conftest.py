from fixtures import client, mailstore, one_gateway

__all__ = ["client", "mailstore", "one_gateway"]
