"""The API's description is complete and true: schemathesis asks a real console of a real filter."""

import asyncio
import ipaddress

import pytest
import requests
import schemathesis
from console import USERS, Console
from fastapi import FastAPI
from harness import Filter
from hypothesis import HealthCheck, settings, strategies
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import ignored_auth

from sender_filter_console import api
from sender_filter_console.api import description

EXAMPLES = 25


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A console of a filter that has refused somebody."""
    proxy = Filter(tmp_path_factory.mktemp("filter"))
    proxy.configure(9)
    proxy.write_lists(blocked="127.0.0.1 # a test\n", approved="192.0.2.1 # a test\n")
    console = Console(tmp_path_factory.mktemp("console"), proxy.directory / "control")
    try:
        asyncio.run(asyncio.wait_for(begin(proxy, console), 60))
        yield console
    finally:
        console.stop()
        proxy.kill()


async def begin(proxy, console):
    await proxy.start()
    reader, writer = await proxy.connect()
    assert (await reader.readline()).startswith(b"554 ")
    writer.close()
    await asyncio.to_thread(console.start)
    await console.until("/overview", lambda answer: answer["stored"])
    for order in ("approve", "block"):
        await console.post(f"/{order}", {"network": "192.0.2.0/28", "comment": "a test"})


def login(who="alice"):
    return requests.auth.HTTPBasicAuth(who, USERS[who][1])


def document():
    """The description of the routes, without a console."""
    app = FastAPI(openapi_url=None)
    app.include_router(api.router)
    return description.describe(app)


ADDRESSES = strategies.ip_addresses().map(str)
schemathesis.openapi.format("ip-address", ADDRESSES)
for name, widest in (("ip-network", 0), ("ip-network-of-known-hosts", 8)):
    schemathesis.openapi.format(
        name,
        ADDRESSES
        | strategies.builds(
            lambda address, bits: f"{ipaddress.ip_network((address, bits), strict=False)}",
            strategies.ip_addresses(v=4),
            strategies.integers(widest, 32),
        ),
    )
schemathesis.openapi.format("cursor", strategies.just(""))
schema = schemathesis.openapi.from_dict(document())


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_what_is_answered_is_what_is_described(case, running):
    # It tries wrong passwords until it is told to wait; the last test here asks that.
    left_out = [ignored_auth]
    if case.path == "/api/v1/topology":
        left_out.append(not_a_server_error)  # 503: this is no gateway
    case.call_and_validate(base_url=running.url, auth=login(), timeout=30, excluded_checks=left_out)


def test_it_is_what_the_console_gives(running):
    answer = requests.get(f"{running.url}/api/v1/openapi.json", auth=login(), timeout=30).json()
    assert answer["paths"] == document()["paths"]
    assert answer["components"] == document()["components"]


def test_each_operation_answers_with_what_there_is(running):
    first = requests.get(f"{running.url}/api/v1/decisions", auth=login(), timeout=30).json()
    number = first["items"][0]["id"]
    since = "2026-01-01T00:00:00Z"
    for path, query in {
        "/me": {},
        "/overview": {},
        "/chart": {"since": since},
        "/top": {},
        "/decisions": {"network": "127.0.0.0/8"},
        "/decisions/{number}": {},
        "/address": {"address": "127.0.0.1"},
        "/lists": {},
        "/lists/{name}": {"limit": 3},
        "/lists/{name}/export": {"form": "vendor"},
    }.items():
        place = path.format(number=number, name="blocked")
        answer = requests.get(f"{running.url}/api/v1{place}", query, auth=login(), timeout=30)
        assert answer.status_code == 200, (path, answer.text)
        assert answer.content not in (b"[]", b"{}", b"")
        schema[f"/api/v1{path}"]["GET"].validate_response(answer)


def test_every_route_is_described():
    routes = {
        (method, f"/api/v1{route.path}")
        for router in (api.routes.router, api.orders.router)
        for route in router.routes
        for method in route.methods
    }
    assert set(operations()) == routes


def test_nothing_that_is_described_is_open(running):
    for method, path in operations():
        url = running.url + path.format(number=1, name="blocked")
        answer = requests.request(method, url, json={}, timeout=30)
        assert answer.status_code == 401, (method, path)
        assert set(answer.json()) == {"error"}
        if method != "GET":
            answer = requests.request(method, url, json={}, auth=login("victor"), timeout=30)
            assert answer.status_code == 403, (method, path)


def operations():
    found = [operation.ok() for operation in schema.get_all_operations()]
    return [(operation.method.upper(), operation.path) for operation in found]
