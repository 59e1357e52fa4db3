"""The vendor's proxy: how it is known, what it needs of Postfix, and moves of real programs."""

from __future__ import annotations

import os
import shlex
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from topology import gateway as real
from topology.builders import (
    ANY_IPV4,
    EDGE_CF,
    MASTER,
    SYSTEMD,
    after_the_filter,
    edge,
    listener,
    postfix_on_listen,
)
from topology.gateway import HERE, PYTHON, Gateway
from topology.moves import Before, fails_after
from topology.test_target import MOVED_TO, OVERRIDES, gateways, to_edge

from module_utils.postfix.errors import InvalidValue
from module_utils.postfix.import_environment import settings
from module_utils.snapshots.store import Store
from module_utils.topology import effective, fronts, goal, model, restore
from module_utils.topology.diagnosis import differences, seen_topology
from module_utils.topology.filter_status import FRESH, RESTART
from module_utils.topology.forecast import actions
from module_utils.topology.heal import declared, heal, look
from module_utils.topology.imss import Imss, provider_of
from module_utils.topology.native import NATIVE
from module_utils.topology.preflight import obstacles
from module_utils.topology.request import Request
from module_utils.topology.risks import risks
from module_utils.topology.services import ServiceError, wait_until
from module_utils.topology.sockets import Listener, Process
from module_utils.topology.survey import FilterState, Survey
from module_utils.topology.switch import SwitchError, begin, rollback, switch
from module_utils.topology.target import master_cf

HOME = "/opt/trend/imss"
PROXY = Process(27408, "TmFoxProxy", "session-1.scope")
WHOLE = " ".join(f"{name}={value}" for name, value in settings(HOME, 2500).items())
RUNS = FilterState(True, True, True, True, FRESH, shares=False)
BEHIND = b"127.0.0.1:2500 inet n - y - - smtpd\n"
NATIVE_OPTIONS = b"  -o smtpd_upstream_proxy_protocol=haproxy\n"
RESTART_STEP = "restart Postfix with its new environment"


def proxy_on_listen() -> list[Listener]:
    """The sockets of topology edge: the vendor's proxy listens in IPv4 alone."""
    return [
        listener(25, PROXY, address=ANY_IPV4),
        listener(2500, MASTER),
        *after_the_filter(),
    ]


@pytest.fixture
def product(tmp_path: Path) -> Imss:
    """An installed product that does nothing."""
    home = tmp_path / "trend"
    for name in ("script/foxproxyd", "lib64/libTmFoxSocketLib.so"):
        (home / name).parent.mkdir(parents=True)
        (home / name).touch(mode=0o755)
    return Imss(str(home))


def vendors(survey: Survey, provider: Imss, units: FilterState = RUNS) -> Survey:
    return replace(survey, provider=provider, filter=units)


@pytest.fixture
def in_edge(product: Imss) -> Survey:
    whole = WHOLE.replace(HOME, product.home)
    found = edge(proxy_on_listen(), EDGE_CF.replace(NATIVE_OPTIONS, b""), import_environment=whole)
    return vendors(found, product)


def test_the_proxy_is_the_filter_by_its_name(in_edge: Survey) -> None:
    assert in_edge.owners(25) == [model.FILTER]
    assert seen_topology(in_edge) == model.EDGE
    stranger = "TmFoxProxy (pid 27408, session-1.scope)"
    assert replace(in_edge, provider=NATIVE).owners(25) == [stranger]


def test_the_filter_of_this_project_is_a_stranger_beside_it(product: Imss) -> None:
    survey = vendors(edge(), product)
    (owner,) = survey.owners(25)
    assert "senderfilter (pid 880, sender-filter.service)" in owner
    found = "\n".join(obstacles(survey, model.DIRECT))
    assert "neither Postfix nor the sender filter" in found


def test_a_socket_that_systemd_holds_is_not_the_proxys(in_edge: Survey) -> None:
    (owner,) = replace(in_edge, listeners=(listener(25, SYSTEMD),)).owners(25)
    assert owner == "systemd (pid 1, init.scope)"


@pytest.mark.usefixtures("host_with_ipv6")
def test_a_healthy_host_differs_in_nothing(
    in_edge: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Imss, "wants_restart", lambda *_: False)
    assert differences(in_edge, model.EDGE) == []
    values = {
        "smtpd_relay_restrictions": "permit_mynetworks,reject_unauth_destination",
        "smtpd_forbid_bare_newline": "normalize",
        "smtpd_forbid_bare_newline_exclusions": "127.0.0.0/8",
        "smtpd_authorized_xforward_hosts": "127.0.0.0/8",
        "smtpd_client_restrictions": "permit_mynetworks,reject",
    }
    given = {entry.identity: values for entry in effective.on_the_path(in_edge)}
    told = {one.id for one in risks(in_edge, model.EDGE, given)}
    native = replace(in_edge, provider=NATIVE)
    assert not {"hidden_client", "smuggling"} & told
    assert {"hidden_client", "smuggling"} <= {one.id for one in risks(native, model.EDGE, given)}
    assert obstacles(in_edge, model.EDGE) == []


def test_what_differs_is_named(in_edge: Survey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Imss, "wants_restart", lambda *_: True)
    parameters = {**in_edge.postfix.parameters, "import_environment": "TZ"}
    damaged = replace(in_edge, postfix=replace(in_edge.postfix, parameters=parameters))
    found = "\n".join(differences(damaged, model.DIRECT))
    assert "/etc/postfix/main.cf: import_environment lacks LD_PRELOAD=" in found
    assert "Postfix has not read import_environment since it was changed" in found
    assert f"TmFoxProxy is running: {in_edge.provider.home}/script/foxproxyd stop" in found


@pytest.mark.parametrize(
    ("topology", "missing", "said"),
    [
        (model.EDGE, "script/foxproxyd", "script/foxproxyd: set imss_home to where"),
        (model.DIRECT, "script/foxproxyd", "script/foxproxyd: set imss_home to where"),
        (model.EDGE, "lib64/libTmFoxSocketLib.so", "and relay for it"),
        (model.DIRECT, "lib64/libTmFoxSocketLib.so", None),
        (model.INLINE, None, "choose edge or direct"),
        (model.EDGE, None, None),
    ],
)
def test_what_stands_in_the_way_is_said_with_its_cure(
    in_edge: Survey, topology: str, missing: str | None, said: str | None
) -> None:
    if missing:
        Path(in_edge.provider.home, missing).unlink()
    found = in_edge.provider.obstacles(in_edge, topology)
    assert len(found) == (said is not None)
    assert all(said and said in one for one in found)


@pytest.mark.parametrize("value", ["TZ", WHOLE])
def test_a_forecast_tells_of_the_restart(
    in_edge: Survey, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    whole = value.replace(HOME, in_edge.provider.home)
    parameters = {**in_edge.postfix.parameters, "import_environment": whole}
    survey = replace(in_edge, postfix=replace(in_edge.postfix, parameters=parameters))
    monkeypatch.setattr(
        "module_utils.topology.imss._environment", lambda _: settings(in_edge.provider.home, 2500)
    )
    end = goal.of_topology(model.EDGE, survey.ports, survey.postfix.master_cf)
    assert actions(survey, end)["postfix"] == ("nothing" if value == WHOLE else "restart")


def test_an_old_postfix_and_any_command_will_do(in_edge: Survey) -> None:
    """They matter to the PROXY protocol alone."""
    postfix = in_edge.postfix
    old = replace(
        postfix,
        parameters={**postfix.parameters, "mail_version": "3.4.0"},
        master_cf=b"smtp inet n - y - - other\n",
    )
    survey = replace(in_edge, listeners=tuple(postfix_on_listen()), postfix=old)
    assert obstacles(survey, model.EDGE) == []
    assert len(obstacles(replace(survey, provider=NATIVE), model.EDGE)) == 2


@pytest.mark.parametrize("home", ["", "/opt/trend/imss"])
def test_the_home_names_the_provider(home: str) -> None:
    assert provider_of(home).home == home
    assert provider_of(home) == provider_of(home)


def test_a_home_that_postfix_cannot_be_told_is_refused() -> None:
    with pytest.raises(InvalidValue):
        provider_of("/opt/trend micro")


@given(gateways(), OVERRIDES)
def test_postfix_behind_it_has_no_proxy_protocol_and_comes_back(
    gateway: tuple[bytes, str], overrides: dict[str, str]
) -> None:
    data, _ = gateway

    def to(topology: str, current: bytes) -> bytes:
        return master_cf(current, topology, MOVED_TO, overrides, proxied=False)

    there = to(model.EDGE, data)
    assert to(model.EDGE, there) == there
    assert to(model.DIRECT, there) == data
    if not {"smtpd_upstream_proxy_protocol", "postscreen_upstream_proxy_protocol"} & set(overrides):
        # What this project's own filter has left is taken away.
        proxied = to_edge(data, **overrides)
        assert to(model.EDGE, proxied) == there
        assert to(model.DIRECT, proxied) == data


# Moves of real programs


@pytest.fixture
def imss(config_dir: Path, commands: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    # Its own name: other runs of the tests may have a proxy too, and one of them is enough.
    name = f"TmFox{os.getpid() % 10**9}"
    monkeypatch.setattr("module_utils.topology.imss.PROCESS", name)
    with real.running(config_dir, commands, model.DIRECT) as gateway:
        home = gateway.place / "trend"
        stand_in = [str(HERE / "stand_in_proxy.py"), name, str(gateway.ports.listen)]
        start = shlex.join([*PYTHON, *stand_in])
        script = f"""#!/bin/sh
host={gateway.host}
echo "$1" >> $host/foxproxyd-calls
[ ! -f $host/foxproxyd-fails ] || {{ echo no licence; exit 1; }}
end() {{
  read -r pid < $host/proxy.pid && rm $host/proxy.pid && kill -USR2 $pid
  while [ "$(cat /proc/$pid/comm 2>/dev/null)" = {name} ]; do sleep 0.01; done
}}
[ $1 = start ] || end 2>/dev/null
[ $1 = stop ] || {start} $host
"""
        for folder in ("script", "lib64"):
            (home / folder).mkdir(parents=True)
        (home / "script/foxproxyd").write_text(script)
        (home / "script/foxproxyd").chmod(0o755)
        (home / "lib64/libTmFoxSocketLib.so").touch()
        yield gateway


def wanted(gateway: Gateway, topology: str, **further: object) -> Request:
    provider = Imss(str(gateway.place / "trend"))
    return gateway.request(topology, provider=provider, **further)


def told(gateway: Gateway) -> list[str]:
    """What the vendor's script was told."""
    file = gateway.host / "foxproxyd-calls"
    return file.read_text().split() if file.exists() else []


def environment(gateway: Gateway) -> str:
    """import_environment in main.cf."""
    rows = (gateway.config_dir / "main.cf").read_text().splitlines()
    return next((row for row in rows if row.startswith("import_environment")), "")


def test_there_and_back(imss: Gateway) -> None:
    before = imss.master_cf.read_bytes()
    there = switch(wanted(imss, model.EDGE))
    assert there.steps == [
        "mend main.cf",
        RESTART_STEP,
        "add Postfix's new service",
        "move Postfix in master.cf and reload it",
        "start the sender filter",
        "see the filter live",
        "record the declared topology",
    ]
    assert there.handover == "plain: TmFoxProxy does not share its port"
    assert there.refused is None
    assert seen_topology(there.after) == model.EDGE
    assert "220 proxy" in imss.greeting()
    assert b"haproxy" not in imss.master_cf.read_bytes()
    assert "sender-filter" not in "".join(imss.calls())

    assert switch(wanted(imss, model.EDGE)).steps == []
    with imss.session():
        back = switch(wanted(imss, model.DIRECT))
    assert back.steps == [
        "stop the sender filter",
        "add Postfix's new service",
        "wait for the filter's sessions to end",
        "move Postfix in master.cf and reload it",
        "record the declared topology",
    ]
    assert back.sessions_cut == 1
    assert imss.master_cf.read_bytes() == before
    assert WHOLE.replace(HOME, f"{imss.place}/trend").replace("2500", str(imss.ports.smtp)) in (
        environment(imss)
    )
    assert told(imss) == ["start", "stop"]


def test_check_foresees_and_changes_nothing(imss: Gateway) -> None:
    files = imss.files()
    foreseen = switch(wanted(imss, model.EDGE), check=True).steps
    assert foreseen[:2] == ["mend main.cf", RESTART_STEP]
    assert imss.files() == files
    assert told(imss) == []


def test_a_proxy_that_does_not_start_is_no_change(
    imss: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("module_utils.topology.imss.START_SECONDS", 0.1)
    before = Before(imss)
    imss.say("foxproxyd-fails")
    with pytest.raises(SwitchError, match=r"does not listen on port .*\nno licence\n") as said:
        switch(wanted(imss, model.EDGE))
    assert "its log is below" in str(said.value)
    assert "The host is as it was before (direct), proven." in str(said.value)
    before.assert_is_back()


def test_a_script_that_does_not_end_is_named(
    imss: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("module_utils.topology.imss.SCRIPT_SECONDS", 0.1)
    script = imss.place / "trend/script/foxproxyd"
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(ServiceError, match=rf"^`{script} stop` has not ended within 0\.1 s$"):
        wanted(imss, model.EDGE).provider.stop(fronts.EDGE)


@pytest.mark.parametrize("step", ["mend main.cf", RESTART_STEP, "see the filter live"])
def test_a_move_that_fails_is_taken_back(
    imss: Gateway, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = Before(imss)
    fails_after(monkeypatch, step)
    with pytest.raises(SwitchError, match=r"as it was before \(direct\), proven"):
        switch(wanted(imss, model.EDGE))
    before.assert_is_back()


def test_a_way_back_that_fails_starts_the_proxy_again(
    imss: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch(wanted(imss, model.EDGE))
    before = imss.greeting()
    fails_after(monkeypatch, "move Postfix in master.cf and reload it")
    with pytest.raises(SwitchError, match=r"as it was before \(edge\), proven"):
        switch(wanted(imss, model.DIRECT))
    assert imss.greeting() == before
    assert told(imss) == ["start", "stop", "start"]


def test_a_postfix_that_has_not_read_it_is_restarted(imss: Gateway) -> None:
    switch(wanted(imss, model.DIRECT))
    main_cf = imss.config_dir / "main.cf"
    whole = main_cf.read_text()
    main_cf.write_text(whole.replace(environment(imss), "import_environment = TZ"))
    imss.systemctl("restart", "postfix.service")
    main_cf.write_text(whole)
    request = wanted(imss, model.DIRECT)
    assert request.provider.wants_restart(request.look())
    with imss.session():
        outcome = switch(request)
    assert outcome.steps == [RESTART_STEP]
    assert (outcome.sessions_cut, outcome.refused) == (1, None)
    assert not request.provider.wants_restart(request.look())


def test_a_proxy_that_runs_and_does_not_serve_is_restarted(imss: Gateway) -> None:
    switch(wanted(imss, model.EDGE))
    with socket.create_server(("127.0.0.1", 0)) as free:
        elsewhere = replace(imss.ports, listen=free.getsockname()[1])
    state = wanted(imss, model.EDGE, ports=elsewhere).look().filter
    assert state == replace(RUNS, needs=RESTART)


def test_a_snapshot_knows_whose_filter_it_was(imss: Gateway) -> None:
    begun, _ = begin(wanted(imss, model.EDGE))
    switch(wanted(imss, model.EDGE, begun=begun))
    (name,) = Store().names()
    assert restore.request_for(Store().load(name)).provider == wanted(imss, model.EDGE).provider
    rollback(imss.config_dir, name)
    assert seen_topology(wanted(imss, model.DIRECT).look()) == model.DIRECT
    assert environment(imss) == ""
    assert told(imss) == ["start", "stop"]


def test_who_goes_back_to_another_environment_has_it(imss: Gateway) -> None:
    switch(wanted(imss, model.DIRECT))
    begin(wanted(imss, model.EDGE))
    name = Store().names()[-1]
    main_cf = imss.config_dir / "main.cf"
    main_cf.write_text(main_cf.read_text().replace("trend/lib", "trend/other"))
    imss.systemctl("restart", "postfix.service")
    rollback(imss.config_dir, name)
    request = wanted(imss, model.DIRECT)
    assert not request.provider.wants_restart(request.look())


def test_what_is_missing_is_not_told_twice(imss: Gateway) -> None:
    found = differences(wanted(imss, model.DIRECT).look(), model.DIRECT)
    assert len(found) == 4
    assert all("main.cf: import_environment lacks " in one for one in found)


def test_the_record_is_enough_to_heal(imss: Gateway) -> None:
    switch(wanted(imss, model.EDGE))
    os.kill(int((imss.host / "proxy.pid").read_text()), signal.SIGUSR2)
    request = declared(imss.config_dir)
    assert request.provider == wanted(imss, model.EDGE).provider
    assert wait_until(lambda: request.look().filter.stopped, 10)
    outcome = heal(look(request))
    assert outcome.steps == ["start the sender filter", "see the filter live"]
    assert "220 proxy" in imss.greeting()
