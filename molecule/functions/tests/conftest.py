from fixtures import all_traffic, client, fleet, gateways, mailstore, traffic
from services import dns, redis

__all__ = ["all_traffic", "client", "dns", "fleet", "gateways", "mailstore", "redis", "traffic"]
