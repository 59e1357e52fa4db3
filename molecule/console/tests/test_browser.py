"""The console in a real browser: what an operator does there, and what a stranger cannot."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import pytest
from browser import PASSWORDS, Browser
from lab_hosts import Client, LabHost, MailStore, eventually, play
from selenium.webdriver.common.keys import Keys
from smtp import Session, message, unique

BLOCKED, HOSTILE = 1, 2
SCRIPT = "<script>document.title='stolen'</script><img src=x onerror=\"document.title='stolen'\">"
OVERRIDE = "\u202egnp.exe"
PAGES = (
    "/",
    "/connections",
    "/address?address=192.0.2.7",
    "/lists",
    "/lists/blocked",
    "/lists/known_hosts",
    "/topology",
)


def greeting(client: Client, gateway: LabHost, number: int) -> str:
    with Session(client, gateway.address, source=client.source(number)) as session:
        return session.greeting


@pytest.fixture
def refused(gateway: LabHost, client: Client) -> Iterator[str]:
    """A client's address that is blocked, and was refused just now."""
    address = client.source(BLOCKED)
    gateway.run(f"senderfilter block add {address} --comment 'by a test'")
    eventually(lambda: greeting(client, gateway, BLOCKED).startswith("554"), "it is refused")
    yield address
    gateway.run(f"senderfilter block remove {address}")


# Who comes in


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_sees_nothing_but_the_login_page(stranger: Browser, path: str) -> None:
    stranger.go(path)
    assert stranger.path.startswith("/login?next=")
    assert "Log in" in stranger.text


def test_wrong_passwords_are_slowed_down_and_nobody_is_kept_out(
    stranger: Browser, gateway: LabHost
) -> None:
    stranger.log_in("victor", "wrong")
    stranger.sees("Name or password are wrong.")
    eventually(lambda: _is_told_to_wait(stranger), "wrong passwords are slowed down")
    eventually(lambda: _gets_in(stranger), "the right one is taken after a while")
    audit = gateway.run("cat /var/log/sender-filter-console/audit.jsonl")
    for outcome in ("failed: the password is wrong", "held back for", "done"):
        assert f'"who": "victor", "action": "login", "outcome": "{outcome}' in audit
    assert not any(each in audit for each in ("only looks", '"wrong"'))


def _is_told_to_wait(browser: Browser) -> bool:
    browser.log_in("victor", "wrong")
    return "Too many attempts. Try again in" in browser.text


def _gets_in(browser: Browser) -> bool:
    browser.log_in("victor", PASSWORDS["victor"])
    eventually(
        lambda: browser.path == "/" or "Too many attempts." in browser.text,
        "he is let in, or told to wait",
    )
    return browser.path == "/"


def test_a_log_out_is_one(stranger: Browser, gateway: LabHost) -> None:
    stranger.log_in("alice")
    stranger.sees("Overview")
    cookie = stranger.driver.get_cookie("session")
    assert cookie is not None
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert stranger.script("return document.cookie") == ""
    stranger.press("Log out")
    stranger.sees("Log in")
    audit = gateway.run("cat /var/log/sender-filter-console/audit.jsonl").splitlines()
    assert '"who": "alice", "action": "logout", "outcome": "done"' in audit[-1]
    stranger.driver.add_cookie(cookie)
    stranger.go("/")
    assert stranger.path.startswith("/login")


def test_a_viewer_sees_and_changes_nothing(stranger: Browser, refused: str) -> None:
    stranger.log_in("victor")
    stranger.go("/connections")
    assert "Approve" not in stranger.row(refused)
    stranger.go(f"/address?address={refused}")
    stranger.sees("would be refused for good")
    assert not stranger.elements("form[action='/address/approve']")
    token = stranger.elements("input[name=csrf]")[0].get_attribute("value")
    for path in ("/address/approve", "/address/know", "/address/forget"):
        assert _send(stranger, path, network=refused, csrf=str(token)) == 403
    stranger.go("/lists/known_hosts")
    stranger.sees("A known host is not judged itself")
    assert not stranger.elements("form[action='/address/know']")


@pytest.mark.parametrize("token", ["", "forged"])
def test_a_forged_form_changes_nothing(
    browser: Browser, gateway: LabHost, refused: str, token: str
) -> None:
    browser.go("/help")
    for path in ("/address/approve", "/address/know", "/address/forget"):
        assert _send(browser, path, network=refused, csrf=token) == 403
    text = {"text": refused, "csrf": token}
    assert _send(browser, "/lists/known_hosts/import", **text) == 403
    browser.go(f"/address?address={refused}")
    browser.sees("would be refused for good")
    assert json.loads(gateway.run("senderfilter known list --json")) == []


def test_a_page_of_another_site_changes_nothing(browser: Browser, refused: str) -> None:
    """The same form from another origin, in the browser in which the operator has logged in."""
    elsewhere = browser.address.replace("127.0.0.1", "localhost")
    browser.go("/help")
    token = browser.elements("input[name=csrf]")[0].get_attribute("value")
    browser.driver.get(f"{elsewhere}/login")
    browser.script(
        f"""
        const form = document.createElement("form");
        Object.assign(form, {{method: "post", action: "{browser.address}/address/approve"}});
        for (const [name, value] of [["network", "{refused}"], ["csrf", "{token}"]]) {{
          const field = document.createElement("input");
          Object.assign(field, {{name, value}});
          form.append(field);
        }}
        document.body.append(form);
        form.submit();
        """
    )
    browser.go(f"/address?address={refused}")
    browser.sees("would be refused for good")


def _send(browser: Browser, path: str, **fields: str) -> int:
    """Send what a form would send, from inside of the page; returns the status."""
    body = json.dumps(fields)
    status: int = browser.driver.execute_async_script(
        "const [path, fields, done] = arguments;"
        "fetch(path, {method: 'POST', body: new URLSearchParams(JSON.parse(fields)),"
        " redirect: 'manual'}).then((answer) => done(answer.status));",
        path,
        body,
    )
    return status


# What is done where it is seen


def test_a_refusal_is_seen_and_the_address_approved_on_the_spot(
    browser: Browser, gateway: LabHost, client: Client, mailstore: MailStore, refused: str
) -> None:
    browser.go("/connections")
    row = browser.row(refused)
    assert "refused for good" in row
    assert "Blocked list" in row
    browser.picture("connections")
    browser.press(f"Why: {refused}")
    browser.sees("What the client was told")
    browser.sees("554 5.7.1")
    browser.sees("by a test")
    browser.picture("decision")
    browser.press("Approve this address")
    browser.fill("Comment", "their migration", within="section[@id='approve']")
    browser.keys(Keys.ENTER)
    browser.sees("would pass")
    browser.sees("their migration")
    browser.sees("alice")
    browser.picture("address")

    subject = unique()
    with Session(client, gateway.address, source=refused) as session:
        session.deliver(message(subject))
    assert len(mailstore.wait_for_stored(subject)) == 1
    browser.go(f"/connections?network={refused}&result=pass")
    assert "passed" in browser.row(refused)
    audit = gateway.run("cat /var/log/sender-filter-console/audit.jsonl").splitlines()
    assert any("alice" in line and "approve" in line and refused in line for line in audit)

    browser.go("/lists/approved?only=run_time")
    browser.sees("their migration")
    browser.press(f"Remove {refused}")
    browser.sees("No entries match.")


def test_a_table_shows_a_refusal_while_one_looks(
    browser: Browser, gateway: LabHost, client: Client, refused: str
) -> None:
    browser.go(f"/connections?network={refused}&result=refused")
    before = len(browser.elements("tbody tr"))
    greeting(client, gateway, BLOCKED)
    eventually(lambda: len(browser.elements("tbody tr")) > before, "the table grows by itself")
    browser.press("Pause")
    browser.sees("Not live")


# Lists


def test_an_entry_is_added_found_and_removed(browser: Browser, gateway: LabHost) -> None:
    browser.go("/lists/blocked")
    browser.fill("Address, network or range", "198.18.7.0/24")
    browser.fill("Comment", "a test network")
    browser.press("Add", within="form")
    browser.sees("198.18.7.0/24")
    assert "refused for good" in gateway.run("senderfilter check 198.18.7.9")
    browser.go("/lists/blocked")
    browser.fill("Search: address, network, or a part of entry or comment", "198.18.7.9")
    assert "added at run time" in browser.row("198.18.7.0/24")
    browser.picture("lists")
    browser.go("/lists/blocked?search=198.18.9.9")
    browser.sees("No entries match.")
    browser.go("/lists/blocked?only=run_time")
    browser.press("Remove 198.18.7.0/24")
    browser.sees("is released")
    browser.go("/lists/blocked?search=198.18.7.9")
    browser.sees("No entries match.")
    assert "would be let through" in gateway.run("senderfilter check 198.18.7.9")


# What strangers write


def test_what_a_stranger_has_written_is_shown_as_text(
    browser: Browser, gateway: LabHost, client: Client
) -> None:
    browser.complaints()
    browser.go(f"/address?address={client.source(HOSTILE)}")
    browser.fill("Comment", SCRIPT, within="section[@id='block']")
    browser.press("Block", within="section[@id='block']")
    browser.sees(SCRIPT)
    gateway.run(f"senderfilter approve add 198.18.8.8 --comment '{OVERRIDE}'")
    gateway.run(f"senderfilter known add 198.18.8.9 --comment {shlex.quote(SCRIPT)}")
    for path in (
        f"/address?address={client.source(HOSTILE)}",
        "/lists/blocked?only=run_time",
        "/lists/known_hosts?only=run_time",
        "/address?address=198.18.8.9",
        "/lists/blocked?search=%3Cscript%3Ealert(1)%3C/script%3E",
        "/connections?network=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ):
        browser.go(path)
        assert browser.script("return document.title") != "stolen"
        assert not browser.elements("img")
    browser.go("/lists/approved?only=run_time")
    browser.sees("\\u202egnp.exe")
    assert [each for each in browser.complaints() if "Content Security" in each] == []
    gateway.run("senderfilter approve remove 198.18.8.8")
    gateway.run("senderfilter known remove 198.18.8.9")
    gateway.run(f"senderfilter block remove {client.source(HOSTILE)}")


@pytest.mark.usefixtures("by_headers")
def test_a_header_with_a_script_in_it_is_shown_as_text(
    browser: Browser, gateway: LabHost, client: Client
) -> None:
    relay = "Received: from h1.example.test (h1.example.test [10.9.9.9])\r\n\tby mx1.example.test"
    script = "<script>document.title='stolen'</script>"
    origin = f"Received: from {script} ({script} [203.0.113.7])\r\n\tby h1.example.test"
    rest = (
        " (Postfix) with ESMTP id 4TEST\r\n\tfor <a@b>; Tue, 24 Nov 2026 10:00:00 +0000 (UTC)\r\n"
    )
    with Session(client, gateway.address) as session:
        session.hello()
        session.envelope()
        session.must("354", "DATA")
        session.send(f"{relay}{rest}{origin}{rest}".encode() + message(unique()) + b".\r\n")
        session.reply()
    eventually(lambda: _opens_a_walk(browser), "the message's decision has a walk")
    browser.sees(script)
    assert browser.script("return document.title") != "stolen"
    browser.picture("walk")


def _opens_a_walk(browser: Browser) -> bool:
    """Open the latest decision; whether it is of a message that was judged by its headers."""
    browser.go("/connections?live=off")
    browser.elements("a[id^=why-]")[0].click()
    return "The walk through the Received headers" in browser.text


def test_the_policy_of_the_pages_stops_what_escaping_would_have_let_through(
    browser: Browser,
) -> None:
    browser.go("/help")
    browser.complaints()
    browser.script(
        "const script = document.createElement('script');"
        "script.textContent = \"document.title = 'stolen'\";"
        "document.body.append(script);"
    )
    assert browser.script("return document.title") != "stolen"
    assert any("Content Security Policy" in each for each in browser.complaints())


# Topology


def test_the_path_is_shown_as_it_is_after_a_switch(browser: Browser, gateway: LabHost) -> None:
    browser.go("/topology")
    browser.sees("Nothing differs from the declaration.")
    assert len(browser.elements("svg.across .station.good")) == 4
    browser.picture("topology")
    assert play("disable_sender_filter.yml", "--limit", gateway.name).returncode == 0
    browser.go("/topology")
    browser.sees("direct")
    assert len(browser.elements("svg.across .station.good")) == 3
    assert play("enable_sender_filter.yml", "--limit", gateway.name).returncode == 0
    browser.go("/topology")
    assert len(browser.elements("svg.across .station.good")) == 4


def test_what_differs_is_named_with_the_command_that_mends_it(
    browser: Browser, gateway: LabHost
) -> None:
    gateway.run("systemctl stop amavis")
    try:
        browser.go("/topology")
        browser.sees("What differs from the declaration")
        browser.sees("--args 'name=amavis state=restarted'")
        assert "repair_port_conflict.yml" not in browser.text
        assert len(browser.elements("svg.across .station.missing")) == 1
        browser.picture("topology-differs")
    finally:
        gateway.run("systemctl start amavis")


# For people


def test_everything_is_within_reach_of_the_keyboard(browser: Browser) -> None:
    browser.go("/")
    browser.keys(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "Skip to content"
    browser.keys(Keys.ENTER, Keys.TAB)
    assert browser.script("return document.getElementById('main').contains(document.activeElement)")
    browser.go("/")
    browser.keys("g", "c")
    eventually(lambda: browser.path == "/connections", "g c leads to the connections")
    browser.keys("/")
    assert browser.driver.switch_to.active_element.get_attribute("id") == "network"
    browser.go("/")
    browser.keys("?")
    eventually(lambda: browser.path == "/help#keys", "? leads to the keys")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_in_the_way_of_people_with_disabilities(browser: Browser, scheme: str) -> None:
    browser.colours(scheme)
    for path in PAGES:
        browser.go(path)
        assert browser.barriers() == [], path
    browser.go("/")
    browser.picture(f"overview-{scheme}")
    browser.colours("")


def test_a_phone_shows_all_without_scrolling_sideways(stranger: Browser, refused: str) -> None:
    stranger.phone()
    stranger.log_in("alice")
    for path in (*PAGES, f"/connections?network={refused}", f"/address?address={refused}"):
        stranger.go(path)
        assert stranger.script("return document.documentElement.scrollWidth") <= 360, path
        assert not stranger.script(
            "return [...document.querySelectorAll('.table')]"
            ".filter((each) => each.scrollWidth > each.clientWidth).length"
        ), path
    stranger.go("/connections")
    stranger.picture("connections-phone")


def test_the_console_speaks_japanese(stranger: Browser, refused: str) -> None:
    stranger.log_in("alice")
    stranger.press("日本語")
    stranger.sees("送信者フィルタ")
    stranger.sees("IPプロファイラ")
    stranger.picture("overview-japanese")
    stranger.go("/connections")
    assert "恒久的に拒否" in stranger.row(refused)
    stranger.picture("connections-japanese")
    stranger.press("English")
    stranger.sees("Connections")
