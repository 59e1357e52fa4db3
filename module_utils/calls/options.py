"""What each module takes: argument specs as Ansible has them."""

from __future__ import annotations

from typing import Any

from ..topology.model import TOPOLOGIES

Options = dict[str, dict[str, Any]]

PORTS: Options = {
    "listen_port": {"type": "int", "default": 25},
    "smtp_port": {"type": "int", "default": 2500},
    "inline_port": {"type": "int", "default": 10020},
    "after_filter_port": {"type": "int", "default": 10021},
    "scan_port": {"type": "int", "default": 10025},
    "reinjection_port": {"type": "int", "default": 10026},
}
CONFIG_DIR: Options = {"config_dir": {"type": "path", "default": "/etc/postfix"}}
PROVIDER: Options = {
    "provider": {"type": "str", "choices": ["native", "imss"], "default": "native"},
    "imss_home": {"type": "path", "default": "/opt/trend/imss"},
    "clients": {"type": "str", "choices": ["relay", "pass"], "default": "relay"},
}
HOST: Options = {**PROVIDER, **CONFIG_DIR, **PORTS}
TOPOLOGY: dict[str, Any] = {"type": "str", "choices": list(TOPOLOGIES)}

FILES: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "path": {"type": "path", "required": True},
        "content": {"type": "str"},
        "secret": {"type": "str", "no_log": True},
        "mode": {"type": "str", "default": "0644"},
        "group": {"type": "str", "default": ""},
    },
    "required_one_of": [("content", "secret")],
    "mutually_exclusive": [("content", "secret")],
}

CHECKS: dict[str, Any] = {"type": "list", "elements": "list", "default": []}

OF_MODULE: dict[str, Options] = {
    "config_files": {
        "files": {**FILES, "required": True},
        "checks": CHECKS,
    },
    "gateway_health": {
        "since": {"type": "float", "default": 0.0},
        "seconds": {"type": "int", "default": 300},
        **CONFIG_DIR,
    },
    "mail_topology": {
        "topology": {**TOPOLOGY, "required": True},
        "smtp_address": {"type": "str", "default": "127.0.0.1"},
        "handover": {"type": "str", "choices": ["overlap", "plain"], "default": "overlap"},
        "drain_seconds": {"type": "int", "default": 60},
        "drain_action": {"type": "str", "choices": ["wait", "cut", "rollback"], "default": "cut"},
        "watch_seconds": {"type": "int", "default": 5},
        "repair": {"type": "bool", "default": False},
        "snapshots": {"type": "int", "default": 10},
        "snapshot_megabytes": {"type": "int", "default": 100},
        "pending": {"type": "list", "elements": "str", "default": []},
        "paths": {"type": "list", "elements": "str", "default": []},
        "snapshot": {"type": "str", "default": ""},
        "smtp_options": {"type": "dict", "default": {}},
        "listen_addresses": {"type": "list", "elements": "str", "default": []},
        **HOST,
    },
    "mail_topology_begin": {
        "topology": {**TOPOLOGY, "required": True},
        "paths": {"type": "list", "elements": "str", "default": []},
        "repair": {"type": "bool", "default": False},
        **HOST,
    },
    "mail_topology_info": {"topology": TOPOLOGY, **HOST},
    "mail_topology_rollback": {
        "name": {"type": "str", "default": "last"},  # switch.LAST
        **CONFIG_DIR,
    },
    "probe_message": {
        "recipient": {"type": "str", "required": True},
        "sender": {"type": "str", "default": ""},
        "topology": {**TOPOLOGY, "required": True},
        "address": {"type": "str", "default": ""},
        "seconds": {"type": "int", "default": 60},
        "provider": PROVIDER["provider"],
        "listen_port": PORTS["listen_port"],
        "scan_port": PORTS["scan_port"],
    },
    "wheel_release": {
        "home": {"type": "path", "required": True},
        "dir": {"type": "path", "required": True},
        "archive": {"type": "path", "required": True},
        "command": {"type": "str", "required": True},
        "modules": {"type": "list", "elements": "str", "default": []},
        "files": {**FILES, "default": []},
        "checks": CHECKS,
        "kept": {"type": "list", "elements": "path", "default": []},
        "sent": {"type": "path"},
    },
}
