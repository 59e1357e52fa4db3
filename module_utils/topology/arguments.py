"""What the topology modules are given, as this package's own types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .imss import provider_of
from .model import Ports
from .provider import Provider


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
