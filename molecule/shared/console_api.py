"""The console's API, asked from the gateway itself: it is to be had there alone."""

from __future__ import annotations

import json
from typing import Any

import yaml
from lab_hosts import ROOT, LabHost

PASSWORDS = {"alice": "right horse", "victor": "only looks"}

CONVERGE = ROOT / "molecule" / "console" / "converge.yml"

_ASK = """
import base64, json, ssl, sys, urllib.error, urllib.request
url, method, body, login = sys.argv[1:]
request = urllib.request.Request(url, body.encode() or None, method=method)
request.add_header("Content-Type", "application/json")
if login:
    request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
trusting = ssl._create_unverified_context() if url.startswith("https:") else None
try:
    answer = urllib.request.urlopen(request, timeout=30, context=trusting)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps([answer.status, answer.read().decode(), dict(answer.headers)]))
"""


def call(
    host: LabHost,
    path: str,
    order: dict[str, Any] | None = None,
    *,
    who: str = "alice",
    at: str = "http://127.0.0.1:8025",
) -> tuple[int, Any, dict[str, str]]:
    """Status, answer and headers of ``/api/v1`` and a path; with an order it is a change."""
    login = f"{who}:{PASSWORDS[who]}" if who else ""
    method, body = ("GET", "") if order is None else ("POST", json.dumps(order))
    said = host.python(_ASK, f"{at}/api/v1{path}", method, body, login)
    status, text, headers = json.loads(said)
    return status, json.loads(text), headers


def ask(host: LabHost, path: str, order: dict[str, Any] | None = None, **how: str) -> Any:
    """Status and answer."""
    return call(host, path, order, **how)[:2]


def get(host: LabHost, path: str) -> Any:
    """What there is; it must be there."""
    status, answer = ask(host, path)
    assert status == 200, f"{host.name}: {path}: {answer}"
    return answer


def declared(**more: Any) -> list[str]:
    """What the scenario declares, and some beside it, as arguments of a play."""
    variables = yaml.safe_load(CONVERGE.read_text(encoding="utf-8"))[0]["vars"]
    return ["--extra-vars", json.dumps(variables | more)]
