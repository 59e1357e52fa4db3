"""Module config_files is called as host_call.py says."""

from __future__ import annotations

from ansible.plugins.loader import action_loader

ActionModule = action_loader.get("host_call", class_only=True)
