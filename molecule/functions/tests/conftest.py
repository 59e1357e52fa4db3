from fixtures import client, fleet, gateways, mailstore
from services import dns, redis

__all__ = ["client", "dns", "fleet", "gateways", "mailstore", "redis"]
