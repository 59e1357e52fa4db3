"""Consoles with TLS on the network, of gateways that share their state: one fleet, in a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from browser import Browser
from console_api import ask, declared
from fixtures import GATEWAYS, HOSTS
from lab_hosts import Client, LabHost, MailStore, eventually, play
from services import greeting_of
from state_servers import PASSWORD, StateServer, install

ENABLE = "enable_sender_filter.yml"
FOLDER = "/root/fleet-tls"
BLOCKED, OF_BOTH = 3, 4


def gateways() -> list[LabHost]:
    return [LabHost(name, HOSTS[name]) for name in GATEWAYS[:2]]


def place(gateway: LabHost) -> str:
    return f"https://{gateway.address}:8025"


def name_of(gateway: LabHost) -> str:
    return gateway.run("hostname").strip()


@pytest.fixture(scope="module", autouse=True)
def fleet(mailstore: MailStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Gateways that share state and records; their consoles have TLS and listen everywhere."""
    server = StateServer(mailstore, "redis", tls=False)
    install([server], tmp_path_factory.mktemp("state")).must_pass()
    server.start()
    for gateway in gateways():
        gateway.run(
            f"mkdir -p {FOLDER} && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mx "
            f"-keyout {FOLDER}/key -out {FOLDER}/cert 2>/dev/null && chmod 600 {FOLDER}/key"
        )
    variables = declared(
        sender_filter_state="redis",
        sender_filter_state_url=server.url,
        sender_filter_share_records=True,
        sender_filter_console_address="0.0.0.0",
        sender_filter_console_tls_certificate=f"{FOLDER}/cert",
        sender_filter_console_tls_key=f"{FOLDER}/key",
    )
    result = play(ENABLE, *variables)
    assert result.returncode == 0, result.stdout
    yield
    result = play(ENABLE, *declared())
    assert result.returncode == 0, result.stdout
    server.stop()


@pytest.fixture(scope="module")
def browsers() -> Iterator[list[Browser]]:
    """An operator before the console of each gateway; of each, its own key alone is believed."""
    with ExitStack() as stack:
        opened = [stack.enter_context(Browser(place(each), key_of(each))) for each in gateways()]
        for browser in opened:
            browser.log_in("alice")
        yield opened


def key_of(gateway: LabHost) -> str:
    return gateway.run(
        f"openssl x509 -in {FOLDER}/cert -noout -pubkey | openssl pkey -pubin -outform der"
        " | openssl dgst -sha256 -binary | base64"
    ).strip()


def test_a_login_goes_by_tls_and_its_cookie_with_it(browsers: list[Browser]) -> None:
    for browser in browsers:
        browser.go("/")
        browser.sees("the whole fleet")
        cookie = browser.driver.get_cookie("__Host-session")
        assert cookie is not None
        assert cookie["secure"]
        assert cookie["httpOnly"]
        assert browser.script("return window.isSecureContext")
        assert browser.complaints() == []


def test_one_console_shows_how_each_gateway_does(browsers: list[Browser]) -> None:
    """While one looks: the page is not loaded again."""
    browser = browsers[0]
    eventually(lambda: _healths(browser) == 2, "the other gateway has said how it does")
    for gateway in gateways():
        browser.sees(name_of(gateway))
    browser.picture("fleet-overview")
    gateways()[1].run("systemctl stop sender-filter.service sender-filter.socket")
    try:
        eventually(lambda: "has said nothing since" in browser.text, "it is missed", 150)
    finally:
        gateways()[1].run("systemctl start sender-filter.socket sender-filter.service")
    eventually(lambda: "has said nothing since" not in browser.text, "it is back", 60)


def _healths(browser: Browser) -> int:
    browser.go("/")
    return len(browser.elements("dl.health"))


def test_a_stranger_is_asked_to_log_in_and_another_key_is_not_believed() -> None:
    first, second = gateways()
    with Browser(place(first), key_of(first)) as stranger:
        stranger.go("/lists/known_hosts")
        assert stranger.path.startswith("/login?next=")
        stranger.picture("login-tls")
        stranger.driver.get(place(second))
        stranger.sees("ERR_CERT_AUTHORITY_INVALID")


def test_a_decision_of_another_gateway_is_seen_here(
    browsers: list[Browser], client: Client
) -> None:
    first, second = gateways()
    source = client.source(BLOCKED)
    second.run(f"senderfilter block add {source} --comment 'of the second one'")
    assert greeting_of(client, second, BLOCKED).startswith("554 ")
    browser = browsers[0]
    eventually(
        lambda: _shown(browser, f"/connections?network={source}&gateway={name_of(second)}", source),
        "the first one's console shows what the second one has decided",
    )
    row = browser.row(source)
    assert name_of(second) in row
    assert "of the second one" in row
    browser.press(f"Why: {source}")
    browser.sees("What the client was told")
    browser.sees(name_of(second))
    browser.picture("fleet-decision")
    browser.go("/")
    for gateway in (first, second):
        browser.sees(name_of(gateway))
    second.run(f"senderfilter block remove {source}")


def _shown(browser: Browser, path: str, text: str) -> bool:
    browser.go(path)
    return text in " ".join(each.text for each in browser.elements("tbody tr"))


def test_whom_one_console_blocks_the_other_gateway_refuses_until_it_is_taken_back(
    browsers: list[Browser], client: Client
) -> None:
    _, second = gateways()
    source = client.source(OF_BOTH)
    here, there = browsers
    assert greeting_of(client, second, OF_BOTH).startswith("220 ")
    here.go("/lists/blocked")
    here.fill("Address, network or range", source)
    here.fill("Comment", "for all", within="form[@action='/address/block']")
    here.press("Add", within="form")
    here.sees(f"{source} is blocked")
    eventually(lambda: greeting_of(client, second, OF_BOTH).startswith("554 "), "so it is there")
    there.go("/lists/blocked?only=run_time")
    assert "alice" in there.row(source)
    here.go(f"/connections?network={source}&result=refused")
    eventually(lambda: _shown(here, here.path, name_of(second)), "the refusal is seen here")
    here.picture("fleet-connections")
    there.go("/lists/blocked?only=run_time")
    there.press(f"Remove {source}")
    there.sees("is released")
    for gateway in gateways():
        eventually(
            lambda gateway=gateway: greeting_of(client, gateway, OF_BOTH).startswith("220 "),
            f"{gateway.name} lets it in again",
        )


def test_a_known_host_of_one_is_one_of_the_other(browsers: list[Browser]) -> None:
    here, there = browsers
    here.go("/lists/known_hosts")
    here.fill("Address, network or range", "2001:db8:7::/48")
    here.press("Add", within="form")
    here.sees("2001:db8:7::/48 is a known host")
    eventually(
        lambda: _shown(there, "/lists/known_hosts?only=run_time", "2001:db8:7::/48"), "it is"
    )
    there.press("Remove 2001:db8:7::/48")
    eventually(
        lambda: not _shown(here, "/lists/known_hosts?only=run_time", "2001:db8:7::/48"), "it was"
    )


def test_the_api_shows_the_same_fleet_and_no_password() -> None:
    for gateway in gateways():
        status, overview = ask(gateway, "/overview", at="https://127.0.0.1:8025")
        assert status == 200
        assert overview["shared"] is True
        assert {one["name"] for one in overview["gateways"]} >= {*map(name_of, gateways())}
        assert PASSWORD not in json.dumps(overview)
