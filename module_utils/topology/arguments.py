"""The parameters that the topology modules share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .imss import provider_of
from .model import TOPOLOGIES, Ports
from .provider import Provider

PORTS: dict[str, dict[str, Any]] = {
    "listen_port": {"type": "int", "default": 25},
    "smtp_port": {"type": "int", "default": 2500},
    "inline_port": {"type": "int", "default": 10020},
    "after_filter_port": {"type": "int", "default": 10021},
    "scan_port": {"type": "int", "default": 10025},
    "reinjection_port": {"type": "int", "default": 10026},
}
CONFIG_DIR: dict[str, dict[str, Any]] = {"config_dir": {"type": "path", "default": "/etc/postfix"}}
PROVIDER: dict[str, dict[str, Any]] = {
    "provider": {"type": "str", "choices": ["native", "imss"], "default": "native"},
    "imss_home": {"type": "path", "default": "/opt/trend/imss"},
    "clients": {"type": "str", "choices": ["relay", "pass"], "default": "relay"},
}
TOPOLOGY: dict[str, Any] = {"type": "str", "choices": list(TOPOLOGIES)}


def ports_of(params: Mapping[str, Any]) -> Ports:
    """The ports that a module was given."""
    return Ports(
        listen=params["listen_port"],
        smtp=params["smtp_port"],
        proxy=params["inline_port"],
        after_proxy=params["after_filter_port"],
        scan=params["scan_port"],
        reinjection=params["reinjection_port"],
    )


def provider_in(params: Mapping[str, Any]) -> Provider:
    """The provider that a module was given.

    Raises:
        InvalidValue: its home is no path that Postfix can be told.
    """
    home = params["imss_home"] if params["provider"] == "imss" else ""
    return provider_of(home, hands_over=params["clients"] == "pass")
