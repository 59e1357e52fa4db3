from fixtures import all_traffic, client, fleet, gateways, inline_fleet, mailstore, traffic

__all__ = ["all_traffic", "client", "fleet", "gateways", "inline_fleet", "mailstore", "traffic"]
