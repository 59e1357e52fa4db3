"""Who logs in is written down, and never with what."""

import asyncio
import json

from browsing import PHRASE, Reader, reader
from test_gate import basic

from sender_filter_console.auth.trail import MOST_A_MINUTE, Trail
from sender_filter_console.interface import UnavailableError

HERE = "testclient"
WRONG = "battery staple"


def said(browser: Reader) -> list[tuple[object, object, object]]:
    assert all(each["address"] == HERE for each in browser.notes)
    return [(each["who"], each["action"], each["outcome"]) for each in browser.notes]


def test_a_login_and_a_log_out_leave_a_line_each() -> None:
    operator = reader().log_in()
    operator.get("/lists")
    operator.change("/logout")
    assert said(operator) == [("olive", "login", "done"), ("olive", "logout", "done")]
    assert operator.notes[0]["how"] == "session"
    operator.log_in()
    assert said(operator)[2:] == [("olive", "login", "done")]  # also of a password just proven


def test_a_log_out_without_a_session_is_none() -> None:
    stranger = reader()
    stranger.post("/logout")
    assert stranger.notes == []


def test_a_wrong_password_leaves_a_line_without_it() -> None:
    stranger = reader()
    stranger.post("/login", name="olive", password=WRONG)
    assert said(stranger) == [("olive", "login", "failed: the password is wrong")]
    assert WRONG not in json.dumps(stranger.notes)


def test_what_was_typed_as_a_name_is_not_written_unless_somebody_has_it() -> None:
    stranger = reader()
    stranger.post("/login", name=PHRASE, password=WRONG)
    assert said(stranger) == [("", "login", "failed: nobody has this name")]
    assert PHRASE not in json.dumps(stranger.notes)


def test_who_is_held_back_is_named_once_in_a_wait() -> None:
    stranger = reader()
    for _ in range(5):
        stranger.post("/login", name="olive", password=WRONG)
    for _ in range(20):
        assert stranger.post("/login", name="olive", password=WRONG).status_code == 429
    assert said(stranger)[5:] == [("olive", "login", "held back for 4 s: too many attempts")]


def test_the_next_wait_is_named_again() -> None:
    lines: list[object] = []
    trail = Trail(lambda *words, **what: lines.append((*words, what)))
    for now, address in ((0.0, "a"), (3.9, "a"), (3.9, "b"), (4.0, "a")):
        trail.held_back(None, address, 4.0, now)
    assert len(lines) == 3


def test_those_who_come_from_everywhere_do_not_fill_the_disk() -> None:
    lines: list[object] = []
    trail = Trail(lambda *words, **what: lines.append((*words, what)))
    for number in range(1000):
        trail.held_back(None, f"2001:db8::{number:x}", 2.0, 30.0 + number / 100)
    assert len(lines) == MOST_A_MINUTE
    trail.held_back(None, "192.0.2.1", 2.0, 90.0)
    assert len(lines) == MOST_A_MINUTE + 1


def test_a_program_has_a_line_for_its_first_request_alone() -> None:
    program = reader()
    program.client.headers["authorization"] = basic("victor", PHRASE)
    for _ in range(3):
        program.get("/help")
    assert said(program) == [("victor", "login", "done")]
    assert program.notes[0]["how"] == "basic"
    program.get("/help", authorization=basic("victor", WRONG))
    assert said(program)[1:] == [("victor", "login", "failed: the password is wrong")]


def test_a_full_disk_keeps_nobody_out() -> None:
    def note(*_: object, **__: object) -> None:
        raise UnavailableError

    Trail(note).came("olive", HERE, "session")


async def test_it_stands_where_each_change_stands(proxy, console, backend):
    await backend.start()
    proxy.configure(backend.port)
    proxy.write_lists()
    await proxy.start()
    await asyncio.to_thread(console.start)
    assert (await console.post("/block", {"network": "192.0.2.7"}))[0] == 200
    status, _ = await asyncio.to_thread(
        console.call, "GET", "/api/v1/me", headers=[("Authorization", basic("alice", "no"))], who=""
    )
    assert status == 401
    assert [
        (each["who"], each["action"], each["outcome"]) for each in console.audited(logins=True)
    ] == [
        ("alice", "login", "done"),
        ("alice", "block", "asked"),
        ("alice", "block", "done"),
        ("alice", "login", "failed: the password is wrong"),
    ]
    assert console.audited(logins=True)[0]["address"] == "127.0.0.1"
    assert "right horse" not in console.audit.read_text()
    await asyncio.to_thread(console.stop)
    assert '"action": "login"' in console.stderr.read_text()  # the journal, on a gateway
