from __future__ import annotations

from typing import Any

import pytest
from builders import LOOPBACK

from module_utils.postfix.errors import AmbiguousService, InvalidConfig, NoSuchService
from module_utils.postfix.master_cf import MasterDocument
from module_utils.topology.between import AFTER, Between, front_of, is_after_filter

PROXY, TAKES = f"{LOOPBACK}:10020", f"{LOOPBACK}:10021"
STOCK = b"smtp      inet  n       -       y       -       -       smtpd\n"
FRONT = (
    STOCK + b"  -o smtpd_proxy_filter=127.0.0.1:10020\n"
    b"  -o receive_override_options=no_unknown_recipient_checks\n"
)
POSTSCREEN = b"smtp inet n - y - 1 postscreen\n"
BEHIND_IT = b"smtpd pass - - y - - smtpd\n"
OVERRIDE = "receive_override_options"
LATER = "no_unknown_recipient_checks"


def between(**wanted: Any) -> Between:
    return Between(PROXY, TAKES, **wanted)


def put(data: bytes, **wanted: Any) -> MasterDocument:
    """The file with the filter, read again."""
    document = between(**wanted).put_in(MasterDocument.parse(data), "smtp")
    return MasterDocument.parse(document.render())


def taken(data: bytes, **wanted: Any) -> bytes:
    return between(**wanted).take_out(MasterDocument.parse(data), "smtp").render()


def option(document: MasterDocument, service: str, kind: str, name: str) -> str | None:
    (entry,) = document.find(service, kind)
    return entry.option(name)


# In


def test_the_stock_entry() -> None:
    after = STOCK.replace(b"smtp     ", b"127.0.0.1:10021", 1)
    options = "".join(f"  -o {name}={value}\n" for name, value in AFTER.items()).encode()
    assert put(STOCK).render() == FRONT + after + options


def test_the_service_after_the_filter_believes_it_and_nobody_else() -> None:
    (after,) = put(STOCK + b"  -o smtpd_recipient_restrictions=permit\n").find(TAKES, "inet")
    options = dict(after.options)
    for name in ("client", "relay", "recipient"):
        assert options[f"smtpd_{name}_restrictions"] == "permit_mynetworks,reject"
    assert options["mynetworks"] == options["smtpd_authorized_xforward_hosts"] == "127.0.0.0/8"
    assert options["smtpd_proxy_filter"] == ""
    assert options["smtpd_tls_security_level"] == "none"
    assert options["smtpd_upstream_proxy_protocol"] == ""
    assert is_after_filter(after)


def test_the_options_of_the_operator_win_but_for_the_name_by_which_the_service_is_known() -> None:
    wanted = {"smtpd_error_sleep_time": "1", "smtpd_milters": "", "syslog_name": "postfix/mine"}
    document = put(STOCK, options=wanted)
    (after,) = document.find(TAKES, "inet")
    assert after.option("smtpd_error_sleep_time") == "1"
    assert after.option("smtpd_milters") == ""
    assert is_after_filter(after)
    assert taken(document.render(), options=wanted) == STOCK


@pytest.mark.parametrize(
    ("main_cf", "value"),
    [
        ("", LATER),
        ("no_address_mappings", f"no_address_mappings,{LATER}"),
        ("no_milters, no_address_mappings", f"no_milters,no_address_mappings,{LATER}"),
        ("no_milters no_address_mappings", f"no_milters,no_address_mappings,{LATER}"),
        (f"{LATER},no_milters", f"{LATER},no_milters"),
    ],
)
def test_what_main_cf_overrides_is_kept_and_recipients_are_judged_after_the_filter(
    main_cf: str, value: str
) -> None:
    document = put(STOCK, overrides=main_cf)
    assert option(document, "smtp", "inet", OVERRIDE) == value
    assert option(document, TAKES, "inet", OVERRIDE) is None
    assert taken(document.render(), overrides=main_cf) == STOCK


@pytest.mark.parametrize("own", ["", "no_milters", LATER])
def test_an_override_of_the_services_own_is_not_touched(own: str) -> None:
    data = STOCK + f"  -o {OVERRIDE}={own}\n".encode()
    document = put(data, overrides="no_address_mappings")
    assert option(document, "smtp", "inet", OVERRIDE) == own
    before = between(overrides="no_address_mappings")
    given = before.front_options(MasterDocument.parse(data), "smtp")
    assert given == {"smtpd_proxy_filter": PROXY}
    assert taken(document.render(), overrides="no_address_mappings", previous=given) == data


def test_behind_postscreen_the_service_that_gets_its_clients_has_the_filter() -> None:
    data = POSTSCREEN + b"  -o a=b\n" + BEHIND_IT + b"# end\n"
    document = put(data)
    assert option(document, "smtp", "inet", "smtpd_proxy_filter") is None
    assert option(document, "smtpd", "pass", "smtpd_proxy_filter") == PROXY
    assert option(document, "smtpd", "pass", OVERRIDE) == LATER
    (after,) = document.find(TAKES, "inet")
    assert (after.command, after.fields[2]) == ("smtpd", "n")
    assert taken(document.render()) == data


@pytest.mark.parametrize(
    ("data", "front"),
    [
        (STOCK, ("smtp", "inet")),
        (POSTSCREEN + BEHIND_IT, ("smtpd", "pass")),
        (BEHIND_IT, ("smtp", "inet")),
        (b"", ("smtp", "inet")),
    ],
)
def test_the_service_in_front_is_the_one_that_speaks_smtp(
    data: bytes, front: tuple[str, str]
) -> None:
    assert front_of(MasterDocument.parse(data), "smtp") == front


def test_a_service_with_another_filter_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="sets smtpd_proxy_filter"):
        put(STOCK + b"  -o smtpd_proxy_filter=127.0.0.1:10099\n")


def test_without_its_service_there_is_no_place_for_the_filter() -> None:
    with pytest.raises(NoSuchService, match="no active entry smtp/inet"):
        put(b"# nothing\n")
    with pytest.raises(NoSuchService, match="no active entry smtpd/pass"):
        put(POSTSCREEN)


# Out


def test_a_file_without_the_filter_stays_as_it_is() -> None:
    document = MasterDocument.parse(STOCK)
    assert between().take_out(document, "smtp") is document


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        (PROXY, True),
        (f"inet:{PROXY}", True),
        ("localhost:10020", True),
        ("127.0.0.1:10099", False),
        ("", False),
        (None, False),
    ],
)
def test_mail_passes_if_it_goes_to_the_filters_port(value: str | None, passes: bool) -> None:
    line = "" if value is None else f"  -o smtpd_proxy_filter={value}\n"
    for home, kind in ((STOCK, b""), (POSTSCREEN, BEHIND_IT)):
        document = MasterDocument.parse(home + kind + line.encode())
        assert between().passes(document, "smtp") is passes
    assert not between().passes(MasterDocument.parse(b""), "smtp")


def test_what_the_last_move_gave_is_taken_out_though_main_cf_says_something_else_now() -> None:
    there = put(STOCK, overrides="no_milters").render()
    given = {"smtpd_proxy_filter": PROXY, OVERRIDE: f"no_milters,{LATER}"}
    assert taken(there, overrides="", previous=given) == STOCK
    # Without a record it could be the operator's own.
    assert taken(there, overrides="") == STOCK + f"  -o {OVERRIDE}=no_milters,{LATER}\n".encode()


def test_what_the_operator_has_changed_since_is_kept() -> None:
    edited = put(STOCK).render().replace(LATER.encode(), b"no_milters")
    assert taken(edited) == STOCK + b"  -o receive_override_options=no_milters\n"


def test_a_service_of_the_operators_own_after_the_filter_stays() -> None:
    own = b"127.0.0.1:10021 inet n - y - - smtpd\n  -o syslog_name=postfix/mine\n"
    assert taken(STOCK + own) == STOCK + own
    assert taken(FRONT + own) == STOCK + own
    with pytest.raises(AmbiguousService, match="10021/inet is there already"):
        put(STOCK + own)


def test_a_service_after_the_filter_goes_though_nothing_leads_to_it() -> None:
    left = put(STOCK).render().removeprefix(FRONT)
    assert taken(STOCK + left) == STOCK
    # In topology edge the service in front has moved.
    assert taken(b"#" + STOCK + BEHIND_IT + left) == b"#" + STOCK + BEHIND_IT
