"""Who is let in, and what for."""

import base64
import re

import pytest
from browsing import CHANGES, ORIGIN, PAGES, PHRASE, reader
from fastapi.routing import APIRoute

from sender_filter_console import pages
from sender_filter_console.auth.gate import OPEN_TO_ALL, OPEN_TO_VIEWERS
from sender_filter_console.settings.schema import Listen

WRONG = "no"


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_the_changes_named_here_are_all_that_there_are() -> None:
    posts = {
        route.path
        for page in pages.PAGES
        for route in page.router.routes
        if isinstance(route, APIRoute) and route.methods != {"GET"}
    }
    named = {re.sub("(block|approve|release|know|forget)$", "{verb}", path) for path in CHANGES}
    named = {re.sub("blocked|known_hosts", "{name}", path) for path in named}
    assert posts == named | OPEN_TO_VIEWERS | OPEN_TO_ALL


@pytest.mark.parametrize("path", PAGES)
def test_without_a_login_there_is_only_the_login_page(path: str) -> None:
    answer = reader().get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize("path", CHANGES)
def test_without_a_login_nothing_changes(path: str) -> None:
    stranger = reader()
    assert stranger.post(path, network="192.0.2.7").status_code == 303
    assert stranger.fleet.orders == []


def test_the_api_says_that_a_login_is_missing_and_no_browser_asks_for_one() -> None:
    answer = reader().get("/api/v1/overview")
    assert answer.status_code == 401
    assert not answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("path", CHANGES)
def test_a_viewer_changes_nothing(path: str) -> None:
    viewer = reader().log_in("victor")
    assert viewer.change(path, network="192.0.2.7").status_code == 403
    assert viewer.fleet.orders == []


@pytest.mark.parametrize("path", PAGES)
def test_a_viewer_sees_everything_and_no_form_that_he_may_not_send(path: str) -> None:
    page = reader().log_in("victor").get(path)
    assert page.status_code == 200
    assert not any(f'action="{change}"' in page.text for change in CHANGES)


@pytest.mark.parametrize("path", CHANGES)
def test_an_operator_changes(path: str) -> None:
    operator = reader().log_in()
    answer = operator.change(path, network="192.0.2.7", text="192.0.2.7")
    assert answer.status_code == 303
    assert len(operator.fleet.orders) == 1


@pytest.mark.parametrize("path", [*CHANGES, "/logout"])
def test_a_form_without_the_token_of_the_session_is_refused(path: str) -> None:
    operator = reader().log_in()
    other = reader().log_in().token()
    assert operator.post(path, network="192.0.2.7").status_code == 403
    assert operator.post(path, network="192.0.2.7", csrf=other).status_code == 403
    assert operator.fleet.orders == []
    assert operator.get("/help").status_code == 200


@pytest.mark.parametrize("path", [*CHANGES, "/login", "/preferences"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", ORIGIN + ".evil.example"])
def test_a_form_of_another_site_is_refused(path: str, origin: str) -> None:
    operator = reader().log_in()
    answer = operator.post(path, origin=origin, network="192.0.2.7", csrf=operator.token())
    assert answer.status_code == 403
    assert operator.fleet.orders == []


def test_a_browser_without_origin_says_by_another_header_that_the_site_is_another() -> None:
    operator = reader().log_in()
    operator.client.headers["sec-fetch-site"] = "cross-site"
    fields = {"network": "192.0.2.7", "csrf": operator.token()}
    assert operator.post("/address/block", origin=None, **fields).status_code == 403


def test_the_token_may_come_as_a_header() -> None:
    operator = reader().log_in()
    operator.client.headers["x-csrf-token"] = operator.token()
    assert operator.post("/address/block", network="192.0.2.7").status_code == 303


def test_a_change_that_is_too_large_is_not_read() -> None:
    assert reader().post("/login", name="x" * 20_000).status_code == 413


def test_the_cookie_is_out_of_reach() -> None:
    plain = reader().post("/login", name="olive", password=PHRASE).headers["set-cookie"]
    assert plain.startswith("session=")
    assert "HttpOnly" in plain
    assert "SameSite=strict" in plain
    secured = reader(listen=Listen(certificate="cert.pem", key="key.pem"))
    cookie = secured.post("/login", name="olive", password=PHRASE).headers["set-cookie"]
    assert cookie.startswith("__Host-session=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


def test_a_login_gives_a_new_session_and_ends_the_old_one() -> None:
    operator = reader().log_in()
    old = operator.client.cookies["session"]
    operator.log_in()
    assert operator.client.cookies["session"] != old
    operator.client.cookies.clear()
    operator.client.cookies.set("session", old)
    assert operator.get("/help").status_code == 303


def test_an_id_that_somebody_else_has_chosen_is_never_a_session() -> None:
    victim = reader()
    victim.client.cookies.set("session", "chosen")
    victim.log_in()
    assert [each.value for each in victim.client.cookies.jar if each.value != "chosen"]
    victim.client.cookies.clear()
    victim.client.cookies.set("session", "chosen")
    assert victim.get("/help").status_code == 303


def test_a_log_out_ends_the_session_at_the_server() -> None:
    operator = reader().log_in()
    cookie = operator.client.cookies["session"]
    assert operator.change("/logout").headers["location"] == "/login"
    operator.client.cookies.set("session", cookie)
    assert operator.get("/help").status_code == 303


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", ""]
)
def test_a_login_leads_nowhere_else(target: str) -> None:
    answer = reader().post("/login", name="olive", password=PHRASE, next=target)
    assert answer.headers["location"] == "/"


def test_a_login_leads_where_one_wanted_to_go() -> None:
    stranger = reader()
    login = stranger.get("/connections?result=refused").headers["location"]
    assert login == "/login?next=/connections%3Fresult%3Drefused"
    answer = stranger.post(
        "/login", name="olive", password=PHRASE, next="/connections?result=refused"
    )
    assert answer.headers["location"] == "/connections?result=refused"


def test_wrong_passwords_are_slowed_down_and_a_right_one_waits_as_well() -> None:
    stranger = reader()
    statuses = [stranger.post("/login", name="olive", password=WRONG).status_code for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    answer = stranger.post("/login", name="olive", password=PHRASE)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 4


def test_a_name_that_nobody_has_is_answered_like_a_wrong_password() -> None:
    one, other = (
        reader().post("/login", name=name, password=WRONG).text.replace(name, "")
        for name in ("olive", "nobody")
    )
    assert one == other


def test_basic_is_enough_for_a_program() -> None:
    program = reader()
    assert program.get("/help", authorization=basic("victor", PHRASE)).status_code == 200
    program.client.headers["authorization"] = basic("olive", PHRASE)
    answer = program.post("/address/block", origin=None, network="192.0.2.7")
    assert answer.status_code == 303
    assert program.fleet.orders[0][1].who == "olive"


@pytest.mark.parametrize(
    "header", [basic("olive", "no"), basic("nobody", PHRASE), "Basic !", "Bearer x", "Basic"]
)
def test_basic_with_anything_else_is_not(header: str) -> None:
    assert reader().get("/help", authorization=header).status_code == 401


def test_basic_of_a_viewer_changes_nothing_and_no_other_site_may_use_it() -> None:
    program = reader()
    program.client.headers["authorization"] = basic("victor", PHRASE)
    assert program.post("/address/block", network="192.0.2.7").status_code == 403
    program.client.headers["authorization"] = basic("olive", PHRASE)
    answer = program.post("/address/block", origin="https://evil.example", network="192.0.2.7")
    assert answer.status_code == 403
    assert program.fleet.orders == []


def test_basic_is_slowed_down_too() -> None:
    program = reader()
    wrong = [program.get("/help", authorization=basic("olive", "no")) for _ in range(6)]
    assert [answer.status_code for answer in wrong] == [401] * 5 + [429]


@pytest.mark.parametrize("path", ["/login", "/", "/nowhere", "/static/console.css", "/api/v1/x"])
def test_every_answer_has_the_headers(path: str) -> None:
    headers = reader().get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers


def test_an_error_inside_has_the_headers_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = reader().log_in()
    monkeypatch.setattr(operator.fleet, "lists", None)
    answer = operator.get("/lists")
    assert answer.status_code == 500
    assert "content-security-policy" in answer.headers
    assert "Traceback" not in answer.text


def test_tls_is_kept_to() -> None:
    secured = reader(listen=Listen(certificate="cert.pem", key="key.pem"))
    assert "max-age=63072000" in secured.get("/login").headers["strict-transport-security"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8025", 200),
        ("[::1]:8025", 200),
        ("localhost:8025", 200),
        ("mx1.example.com", 200),
        ("MX1.example.com.:8025", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("mx1.example.com.evil.example", 421),
        ("", 421),
    ],
)
def test_only_the_names_of_the_console_are_answered(host: str, status: int) -> None:
    known = reader(listen=Listen(name="mx1.example.com"))
    assert known.get("/login", host=host).status_code == status
