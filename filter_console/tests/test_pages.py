"""What the pages show, whatever strangers have put into it."""

import re
from datetime import UTC, datetime

import pytest
from browsing import PAGES, Markup, reader
from sample_fleet import HOSTILE, SampleFleet

from sender_filter_console.auth.headers import KEPT
from sender_filter_console.interface import DecisionQuery, ListQuery, Order
from sender_filter_console.pages.rendering import visible

INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f]")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("path", [*PAGES, "/connections/404"])
def test_what_a_stranger_has_written_is_text(path: str, text: str) -> None:
    page = reader(SampleFleet(text)).log_in().get(path)
    assert page.status_code in (200, 404)
    found = Markup(page.text)
    assert not INVISIBLE.search(page.text)
    scripts = [each.get("src") or "" for each in found.all("script")]
    assert all(each.startswith("/static/") for each in scripts)
    assert not found.all("img")
    names = {name for _, attributes in found.elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]
    if path not in ("/address", "/lists", "/help"):
        assert str(visible(text)) in found.text or str(visible(text)) in page.text


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("path", [*PAGES, "/login"])
def test_a_page_is_well_made(path: str, language: str) -> None:
    browser = reader()
    if path != "/login":
        browser.log_in()
    page = browser.get(path, **{"accept-language": language})
    found = Markup(page.text)
    assert page.status_code == 200
    assert found.all("html")[0]["lang"] == language
    assert len(found.all("h1")) == 1
    ids = [each["id"] for _, each in found.elements if "id" in each]
    assert len(ids) == len(set(ids))
    labelled = {each["for"] for each in found.all("label")}
    for field in (*found.all("input"), *found.all("select"), *found.all("textarea")):
        assert field.get("type") == "hidden" or field["id"] in labelled
    for form in found.all("form"):
        assert form["method"] in ("get", "post")
    posts = sum(form["method"] == "post" for form in found.all("form"))
    assert sum(field.get("name") == "csrf" for field in found.all("input")) == posts


def test_invisible_characters_are_written_out() -> None:
    assert visible("\u202etxt.exe") == "\\u202etxt.exe"
    assert visible("日本語 ñ\n\t") == "日本語 ñ\n\t"


def test_the_language_is_that_of_the_browser_until_another_one_is_chosen() -> None:
    operator = reader().log_in()
    operator.client.headers["accept-language"] = "fr, ja;q=0.8, en;q=0.5"
    assert "IPプロファイラ" in operator.get("/").text
    operator.change("/preferences", language="en", back="/")
    assert "IP Profiler" in operator.get("/").text
    operator.change("/preferences", theme="dark", back="/")
    assert Markup(operator.get("/").text).all("html")[0]["data-theme"] == "dark"


def test_a_stranger_may_choose_his_language_as_well() -> None:
    stranger = reader()
    answer = stranger.post("/preferences", language="ja", back="/login")
    assert answer.headers["location"] == "/login"
    assert "ログイン" in stranger.get("/login").text


def test_connections_are_searched_by_everything() -> None:
    operator = reader().log_in()
    operator.get(
        "/connections?network=192.0.2.0/24&function=reputation&result=temporary&gateway=gw2"
        "&since=2026-11-27T10:00&until=2026-11-27T11:00&after=older"
    )
    assert operator.fleet.orders == [
        (
            "decisions",
            DecisionQuery(
                "192.0.2.0/24",
                "reputation",
                "temporary",
                "gw2",
                datetime(2026, 11, 27, 10, tzinfo=UTC),
                datetime(2026, 11, 27, 11, tzinfo=UTC),
                "older",
            ),
        )
    ]


def test_empty_fields_of_a_form_ask_for_nothing() -> None:
    operator = reader().log_in()
    operator.get("/connections?network=&function=&result=&gateway=&since=&until=")
    assert operator.fleet.orders == [("decisions", DecisionQuery())]


def test_the_live_table_is_its_rows_alone_and_counts_the_new_ones() -> None:
    operator = reader().log_in()
    rows = operator.get("/connections?seen=7", **{"hx-request": "true", "hx-target": "decisions"})
    assert "<html" not in rows.text
    found = Markup(rows.text)
    status = next(each for each in found.all("span") if each.get("role") == "status")
    assert status
    assert "2 new" in rows.text
    again = next(each["hx-get"] for each in found.all("span") if "hx-get" in each)
    assert again is not None
    assert again.endswith("seen=9")


def test_how_the_gateways_do_is_shown_anew_without_the_rest_of_the_page() -> None:
    operator = reader().log_in()
    whole = Markup(operator.get("/").text)
    [renewed] = [each for each in whole.all("div") if each.get("id") == "gateways"]
    assert (renewed["hx-get"], renewed["hx-headers"]) == ("/", '{"x-renewal": "1"}')
    part = operator.get("/", **{"hx-request": "true", "hx-target": "gateways"})
    found = Markup(part.text)
    assert "<html" not in part.text
    assert len(found.all("section")) == 2
    focusable = [*found.all("a"), *found.all("button"), *found.all("input")]
    assert focusable == []  # who is there by keyboard would be thrown out


def test_the_past_is_not_live() -> None:
    operator = reader().log_in()
    for question in ("after=older", "until=2026-11-27T11:00", "live=off"):
        assert "hx-get" not in operator.get(f"/connections?{question}").text


def test_from_each_refusal_one_click_leads_to_an_approval() -> None:
    operator = reader().log_in()
    links = [each.get("href") or "" for each in Markup(operator.get("/connections").text).all("a")]
    approval = next(each for each in links if each.endswith("#approve"))
    assert approval == "/address?address=198.51.100.7&why=9#approve"
    page = Markup(operator.get(approval.removesuffix("#approve")).text)
    assert any("autofocus" in each for each in page.all("button"))
    comments = [each.get("value") for each in page.all("input") if each.get("name") == "comment"]
    assert comments[0] == "was refused by Blocked list (2026-11-27 11:51 UTC)"


def test_an_order_names_who_gave_it_and_is_confirmed_once() -> None:
    operator = reader().log_in()
    answer = operator.change(
        "/address/approve", network=" 192.0.2.7 ", duration="3600", comment=" why ", back="/lists"
    )
    assert operator.fleet.orders == [("approve", Order("192.0.2.7", 3600.0, "why", "olive"))]
    assert "192.0.2.7 is approved" in operator.get(answer.headers["location"]).text
    assert "192.0.2.7 is approved" not in operator.get("/lists").text


def test_a_block_is_for_good_unless_it_has_an_end() -> None:
    operator = reader().log_in()
    operator.change("/address/block", network="192.0.2.7", duration="")
    operator.change("/address/block", network="192.0.2.8", duration="60", until="2999-01-01T00:00")
    (_, good), (_, until) = operator.fleet.orders
    assert isinstance(good, Order)
    assert isinstance(until, Order)
    assert good.seconds is None
    assert until.seconds is not None
    assert until.seconds > 900 * 365 * 86_400


@pytest.mark.parametrize(
    "fields", [{"until": "2001-01-01T00:00"}, {"until": "soon"}, {"duration": "-5"}]
)
def test_an_end_that_makes_no_sense_is_refused(fields: dict[str, str]) -> None:
    operator = reader().log_in()
    assert operator.change("/address/block", network="192.0.2.7", **fields).status_code == 400
    assert operator.fleet.orders == []


def test_an_order_that_there_is_not_does_nothing() -> None:
    operator = reader().log_in()
    assert operator.change("/address/nonsense", network="192.0.2.7").status_code == 400
    assert operator.fleet.orders == []


def test_the_page_of_known_hosts_says_what_one_is_and_asks_for_it_alone() -> None:
    operator = reader().log_in()
    page = operator.get("/lists/known_hosts")
    assert "A known host is not judged itself" in page.text
    actions = {each["action"] for each in Markup(page.text).all("form")}
    assert {"/address/know", "/address/forget", "/lists/known_hosts/import"} <= actions
    assert not actions & {"/address/block", "/address/approve", "/address/release"}
    assert "export?form=yaml" in page.text
    operator.fleet.orders.clear()
    operator.change("/address/know", network="198.51.100.7", comment="our relay", duration="")
    operator.change("/address/forget", network="198.51.100.7")
    assert operator.fleet.orders == [
        ("know", Order("198.51.100.7", None, "our relay", "olive")),
        ("forget", ("198.51.100.7", "olive")),
    ]


def test_a_known_host_is_taken_back_from_the_page_of_an_address_too() -> None:
    page = Markup(reader().log_in().get("/address?address=198.51.100.7").text)
    forms = [each["action"] for each in page.all("form")]
    assert forms.count("/address/forget") == 1
    assert forms.count("/address/release") == 2


def test_an_import_takes_a_file_and_names_the_lines_that_it_leaves_out() -> None:
    operator = reader().log_in()
    operator.client.headers["x-csrf-token"] = operator.token()
    answer = operator.client.post(
        "/lists/blocked/import",
        files={"file": ("list.txt", b"\xef\xbb\xbf192.0.2.1\nbad\n192.0.2.2\n")},
        data={"comment": "from elsewhere"},
        headers={"origin": "http://127.0.0.1:8025"},
    )
    assert answer.status_code == 200
    assert "2 entries added" in answer.text
    assert "no network" in answer.text
    _, order = operator.fleet.orders[0]
    assert order == ("blocked", "192.0.2.1\nbad\n192.0.2.2\n", "from elsewhere", "olive")


def test_a_list_is_exported_as_a_file() -> None:
    answer = reader().log_in().get("/lists/blocked/export?form=yaml&only=run_time")
    assert answer.text == "# blocked yaml True\n192.0.2.0/24\n"
    assert answer.headers["content-disposition"] == 'attachment; filename="blocked-yaml.yml"'


def test_a_search_in_a_list_gets_its_rows_alone() -> None:
    operator = reader().log_in()
    rows = operator.get(
        "/lists/blocked?search=192&only=run_time",
        **{"hx-request": "true", "hx-target": "entries"},
    )
    assert "<html" not in rows.text
    assert operator.fleet.orders == [("entries", ListQuery("blocked", "192", run_time=True))]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/lists/nonsense", 404),
        ("/lists/blocked/export?form=doc", 404),
        ("/connections/404", 404),
        ("/connections/nonsense", 400),
        ("/connections?since=yesterday", 400),
        ("/address?address=nonsense", 400),
    ],
)
def test_what_does_not_work_is_said_on_a_page(path: str, status: int) -> None:
    answer = reader().log_in().get(path)
    assert answer.status_code == status
    assert len(Markup(answer.text).all("h1")) == 1


def test_files_are_kept_by_browsers_under_the_name_of_their_version() -> None:
    stranger = reader()
    page = Markup(stranger.get("/login").text)
    assert len(page.all("script")) == 2
    for address in [each["src"] for each in page.all("script")]:
        answer = stranger.get(str(address))
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == KEPT
    assert stranger.get("/static/..%2fwords.py").status_code == 404
