"""The figures by which a gateway's health is judged are counted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ..health.host import HealthError, health
from .failure import CallError


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:  # noqa: ARG001 - it only looks
    """Count, and say it."""
    now = time.time()
    since = params["since"] or now - params["seconds"]
    try:
        found = health(Path(params["config_dir"]), since)
    except HealthError as error:
        raise CallError(error) from error
    return {"changed": False, "now": round(now, 3), **found.facts()}
