from fixtures import all_traffic, client, fleet, gateway, gateways, mailstore, traffic
from services import dns, redis

__all__ = [
    "all_traffic", "client", "dns", "fleet", "gateway", "gateways", "mailstore", "redis", "traffic",
]  # fmt: skip
