from fixtures import all_traffic, client, fleet, gateways, inline_fleet, mailstore, traffic
from services import dns

__all__ = [
    "all_traffic", "client", "dns", "fleet", "gateways", "inline_fleet", "mailstore", "traffic",
]  # fmt: skip
