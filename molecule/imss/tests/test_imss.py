"""Hosts with the vendor's product: its proxy is driven, and import_environment is kept whole."""

from __future__ import annotations

from imss_product import HOME, PROXY, environment, loaded, play, point_to, settings
from lab_hosts import Client, LabHost, MailStore, changes
from moves import DIRECT, EDGE, MASTER_CF, PLAYBOOKS, Fleet
from smtp import Session, message, unique

MASTER = frozenset({"master"})
VENDOR = settings()
OWN = ["MAIL_CONFIG", "TZ", "OWN=1", "LANG=C"]


def enable(fleet: Fleet, *arguments: str, **further: object) -> str:
    return play(fleet, PLAYBOOKS[EDGE], *arguments, **further).must_pass()


def disable(fleet: Fleet, *arguments: str, **further: object) -> str:
    return play(fleet, PLAYBOOKS[DIRECT], *arguments, **further).must_pass()


def owners(host: LabHost, port: int) -> list[frozenset[str]]:
    """Who has the port, IPv4; children of master have its sockets too."""
    return [
        frozenset({"master"}) if "master" in one.processes else one.processes
        for one in host.listeners(port)
        if ":" not in one.address
    ]


def assert_edge(fleet: Fleet, port: int = 2500) -> None:
    for one in fleet.gateways:
        assert owners(one.host, 25) == [frozenset({PROXY})], one.name
        assert owners(one.host, port) == [MASTER], one.name
        assert loaded(one.host), one.name
        assert "haproxy" not in one.host.read(MASTER_CF).decode(), one.name


def assert_direct(fleet: Fleet) -> None:
    for one in fleet.gateways:
        assert owners(one.host, 25) == [MASTER], one.name
        assert owners(one.host, 2500) == [], one.name
        assert one.host.run(f"pgrep --exact {PROXY} || echo none").strip() == "none", one.name


def assert_mail_arrives(fleet: Fleet, client: Client, mailstore: MailStore) -> None:
    for one in fleet.gateways:
        subject = unique()
        with Session(client, one.host.address) as session:
            session.deliver(message(subject))
        assert len(mailstore.wait_for_stored(subject)) == 1, one.name


def test_there_and_back(fleet: Fleet, client: Client, mailstore: MailStore) -> None:
    before = {one.name: one.host.read(MASTER_CF) for one in fleet.gateways}
    foreseen = enable(fleet, "--check", "--diff")
    assert "+import_environment = MAIL_CONFIG" in foreseen
    assert VENDOR[0] in foreseen
    assert {one.name: one.host.read(MASTER_CF) for one in fleet.gateways} == before
    output = enable(fleet)
    assert output.count(f"(plain: {PROXY} does not share its port)") == len(fleet.gateways)
    assert_edge(fleet)
    assert_mail_arrives(fleet, client, mailstore)
    for one in fleet.gateways:
        assert environment(one.host)[-4:] == VENDOR
        assert "MAIL_CONFIG" in environment(one.host)
        one.host.run("! test -e /opt/sender-filter")
    assert changes(enable(fleet)) == {one.name: 0 for one in fleet.gateways}
    play(fleet, "verify_topology.yml").must_pass()

    disable(fleet)
    assert_direct(fleet)
    assert_mail_arrives(fleet, client, mailstore)
    for one in fleet.gateways:
        assert one.host.read(MASTER_CF) == before[one.name]
        assert environment(one.host)[-4:] == VENDOR
        assert loaded(one.host)
    assert changes(disable(fleet)) == {one.name: 0 for one in fleet.gateways}
    play(fleet, "verify_topology.yml").must_pass()


def test_what_is_damaged_is_named_and_mended(fleet: Fleet) -> None:
    damaged = ["TM_FOX_PROXY_LIST=/x", *OWN, "LD_PRELOAD", *VENDOR[2:]]
    mended = [VENDOR[1], *OWN, VENDOR[0], *VENDOR[2:]]
    disable(fleet)
    fleet.run(f"postconf 'import_environment = {' '.join(damaged)}' && systemctl restart postfix")
    said = play(fleet, "verify_topology.yml").must_fail()
    assert "main.cf: import_environment " in said
    disable(fleet)
    for one in fleet.gateways:
        assert environment(one.host) == mended, one.name
        assert loaded(one.host), one.name
    assert_direct(fleet)


def test_a_parameter_that_is_gone_is_built_anew_in_edge(fleet: Fleet) -> None:
    enable(fleet)
    fleet.run("postconf -X import_environment && systemctl restart postfix")
    assert not any(loaded(one.host) for one in fleet.gateways)
    output = enable(fleet)
    assert changes(output) == {one.name: 2 for one in fleet.gateways}
    assert_edge(fleet)
    for one in fleet.gateways:
        default = one.host.run("postconf -dh import_environment").split()
        assert environment(one.host) == [*default, *VENDOR]


def test_a_postfix_that_has_not_read_it_is_restarted(fleet: Fleet) -> None:
    enable(fleet)
    fleet.run("cp /etc/postfix/main.cf /root/ && postconf -X import_environment")
    fleet.run("systemctl restart postfix && cp /root/main.cf /etc/postfix/ && postfix reload")
    assert not any(loaded(one.host) for one in fleet.gateways)
    said = play(fleet, "verify_topology.yml").must_fail()
    assert "Postfix has not read import_environment since it was changed" in said
    enable(fleet)
    assert_edge(fleet)
    play(fleet, "verify_topology.yml").must_pass()


def test_the_port_follows_the_declared_one(
    fleet: Fleet, client: Client, mailstore: MailStore
) -> None:
    disable(fleet)
    # The vendor's proxy has not been told yet: no mail would come through, so nothing moves.
    said = play(fleet, PLAYBOOKS[EDGE], postfix_gateway_smtp_port=2600).must_fail()
    assert "does not take mail" in said
    assert "The host is as it was before (direct), proven." in said
    assert_direct(fleet)
    assert all(environment(one.host)[-4:] == VENDOR for one in fleet.gateways)

    fleet.each(lambda one: point_to(one.host, 2600))
    enable(fleet, postfix_gateway_smtp_port=2600)
    assert_edge(fleet, 2600)
    assert_mail_arrives(fleet, client, mailstore)
    assert all(environment(one.host)[-4:] == settings(2600) for one in fleet.gateways)
    said = play(fleet, PLAYBOOKS[EDGE]).must_fail()
    assert "if the port was changed in edge, go to direct with the one of before" in said
    disable(fleet, postfix_gateway_smtp_port=2600)
    fleet.each(lambda one: point_to(one.host, 2500))
    enable(fleet)
    assert_edge(fleet)


def test_a_proxy_that_does_not_start_is_no_change(fleet: Fleet) -> None:
    disable(fleet)
    broken = f"mv {HOME}/bin/{PROXY} {HOME}/bin/away"
    with fleet.broken(broken, f"mv {HOME}/bin/away {HOME}/bin/{PROXY}"):
        said = play(fleet, PLAYBOOKS[EDGE]).must_fail()
    assert f"{PROXY} does not listen on port 25" in said
    assert "The host is as it was before (direct), proven." in said
    assert_direct(fleet)


def test_what_is_missing_or_impossible_is_said_first(fleet: Fleet) -> None:
    disable(fleet)
    said = play(fleet, PLAYBOOKS[EDGE], imss_home="/opt/nowhere").must_fail()
    assert "there is no /opt/nowhere/script/foxproxyd: set imss_home to" in said
    said = play(fleet, "inline_sender_filter.yml").must_fail()
    assert "choose edge or direct, or set sender_filter_provider to native" in said
    assert_direct(fleet)


def test_a_gateway_goes_back_to_a_snapshot(fleet: Fleet) -> None:
    disable(fleet)
    enable(fleet)
    fleet.play("rollback.yml").must_pass()
    assert_direct(fleet)
    fleet.play("rollback.yml").must_pass()
    assert_edge(fleet)


def test_the_night_starts_a_proxy_that_is_gone(
    fleet: Fleet, client: Client, mailstore: MailStore
) -> None:
    enable(fleet)
    fleet.run(f"{HOME}/script/foxproxyd stop")
    fleet.run("postconf -X import_environment")
    fleet.run("mail-topology nightly")
    assert_edge(fleet)
    assert_mail_arrives(fleet, client, mailstore)
    disable(fleet)
