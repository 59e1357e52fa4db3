from fixtures import all_traffic, client, fleet, gateways, mailstore, traffic

__all__ = ["all_traffic", "client", "fleet", "gateways", "mailstore", "traffic"]
