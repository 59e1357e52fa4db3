from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from real_sockets import child_with, listening, port_of
from topology import builders
from topology.gateway import Gateway

from module_utils.topology import fronts, services
from module_utils.topology.services import ServiceError, end_children, wait_until
from module_utils.topology.sockets import listeners
from module_utils.topology.survey import run


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every program gets half a second."""
    monkeypatch.setattr(services, "run", lambda command, *_, **__: run(command, 0.5))


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: services.systemctl("start", "x.service"), "systemctl start x.service"),
        (lambda: services.run_checked("systemd-run", "x"), "systemd-run x"),
        (lambda: services.reload_postfix(Path("/etc/none")), "postfix -c /etc/none reload"),
    ],
)
def test_a_program_that_does_not_end_is_named(
    commands: Path, call: Callable[[], None], said: str
) -> None:
    for name in ("systemctl", "systemd-run", "postfix"):
        hangs(commands / name)
    with pytest.raises(ServiceError, match=f"^`{said}` has not ended within 0.5 s$"):
        call()


@pytest.mark.usefixtures("_impatient")
def test_a_log_that_does_not_answer_hides_no_failure(commands: Path) -> None:
    hangs(commands / "journalctl")
    (commands / "systemctl").write_text("#!/bin/sh\necho no such unit >&2\nexit 1\n")
    (commands / "systemctl").chmod(0o755)
    with pytest.raises(ServiceError, match=r"no such unit\n`journalctl .*` has not ended within"):
        services.systemctl("start", "x.service")


def hangs(program: Path) -> None:
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)


def test_a_condition_is_waited_for_until_it_is_true() -> None:
    answers = iter([False, False, True])
    assert wait_until(lambda: next(answers), 10)
    assert list(answers) == []


def test_a_condition_that_stays_false_is_given_up() -> None:
    started = time.monotonic()
    assert not wait_until(lambda: False, 0.05)
    assert 0.05 <= time.monotonic() - started < 5


def test_a_condition_is_asked_even_without_any_time() -> None:
    assert wait_until(lambda: True, 0)


@pytest.fixture
def held() -> Iterator[tuple[socket.socket, subprocess.Popen[bytes]]]:
    """A listener of ours that a child has open too."""
    with listening() as one:
        command = [sys.executable, "-c", "input()"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[one.fileno()]) as child:
            yield one, child
            child.kill()


def test_the_children_of_master_are_ended_and_master_is_not(
    held: tuple[socket.socket, subprocess.Popen[bytes]],
) -> None:
    one, child = held
    found = listeners({port_of(one)})
    assert len(found[0].processes) == 2
    end_children(found, os.getpid())
    assert child.wait(10) == -signal.SIGTERM


@pytest.mark.parametrize("master", [None, 1])
def test_a_process_that_is_not_masters_child_is_left_alone(
    held: tuple[socket.socket, subprocess.Popen[bytes]], master: int | None
) -> None:
    one, child = held
    end_children(listeners({port_of(one)}), master)
    assert child.poll() is None


def test_a_child_that_has_ended_meanwhile_is_no_error() -> None:
    with listening() as one:
        with child_with(one):
            found = listeners({port_of(one)})
        end_children(found, os.getpid())


def test_systemctl_that_fails_is_an_error_with_the_units_own_words(direct: Gateway) -> None:
    direct.refuse("start sender-filter.socket")
    with pytest.raises(ServiceError) as caught:
        services.listen_for_filter(fronts.EDGE)
    assert str(caught.value) == (
        "systemctl start sender-filter.socket failed: Job for start sender-filter.socket failed.\n"
        "the last words of sender-filter.socket"
    )


def test_a_reload_that_postfix_refuses_is_an_error(direct: Gateway) -> None:
    direct.pid_file.write_text("")
    with pytest.raises(ServiceError, match=r"^postfix reload failed: .*kill"):
        services.reload_postfix(direct.config_dir)


def test_the_filter_takes_its_files_up(edge: Gateway) -> None:
    edge.setting.write_text("listen = 26\n")
    before = filter_pid(edge)
    services.reload_filter(fronts.EDGE)
    assert edge.calls() == {"reload", "show"}
    assert filter_pid(edge) == before


def test_a_filter_that_does_not_take_its_files_up_is_an_error(
    edge: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "RELOAD_SECONDS", 0.2)
    edge.say("filter-stubborn")
    edge.setting.write_text("listen = 26\n")
    with pytest.raises(ServiceError, match=r"did not take its files up:\n.*sender-filter.service$"):
        services.reload_filter(fronts.EDGE)


def test_another_process_of_the_filter_takes_the_port(edge: Gateway) -> None:
    session, before = edge.session(), filter_pid(edge)
    services.restart_filter(fronts.EDGE)
    assert edge.calls() == {"daemon-reload", "restart"}
    assert filter_pid(edge) != before
    with session:
        session.sendall(b"NOOP\r\n")
        assert session.recv(512) == b"250 2.0.0 Ok\r\n"


def filter_pid(gateway: Gateway) -> int:
    return int((gateway.host / "filter.pid").read_text())


def test_a_program_that_must_succeed_is_an_error_otherwise(tmp_path: Path) -> None:
    services.run_checked("true")
    with pytest.raises(ServiceError, match=r"^ls failed: .*none"):
        services.run_checked("ls", str(tmp_path / "none"))


def stand_in_for_systemctl(commands: Path, script: str) -> None:
    (commands / "systemctl").write_text(script)
    (commands / "systemctl").chmod(0o755)


@pytest.mark.parametrize(
    ("instance", "environment", "unit"),
    [
        ("", "", "postfix.service"),
        ("postfix-two", "", "postfix@postfix-two.service"),
        ("postfix-two", "MAIL_CONFIG=/etc/postfix-other", "postfix@postfix-two.service"),
        ("postfix-two", "MAIL_CONFIG=/etc/postfix-two", "postfix@two.service"),
    ],
)
def test_one_instance_is_restarted_and_no_other(
    commands: Path, tmp_path: Path, instance: str, environment: str, unit: str
) -> None:
    script = f'#!/bin/sh\necho "$*" >>{tmp_path}/said\necho "Environment={environment}"\n'
    stand_in_for_systemctl(commands, script)
    parameters = {**builders.PARAMETERS, "multi_instance_name": instance}
    postfix = replace(
        builders.direct().postfix, config_dir=Path("/etc/postfix-two"), parameters=parameters
    )
    services.restart_postfix(postfix)
    assert (tmp_path / "said").read_text().splitlines()[-1] == f"restart {unit}"


def test_no_port_stays_open_for_a_service_that_is_started_again_before_its_stop(
    commands: Path, tmp_path: Path
) -> None:
    """systemd starts the socket with a service that it restarts (RestartSec, Wants=)."""
    port = tmp_path / "open"
    script = f"""#!/bin/sh
case "$*" in
  "stop {fronts.EDGE.socket_unit}") rm -f {port} ;;
  "stop {fronts.EDGE.service_unit}") touch {port} ;;
esac
"""
    stand_in_for_systemctl(commands, script)
    port.touch()
    services.stop_filter(fronts.EDGE)
    assert not port.exists()


@pytest.mark.parametrize("conflicts", ["shutdown.target", "shutdown.target postfix@-.service"])
def test_after_an_upgrade_the_unit_of_before_is_stopped_first(
    commands: Path, tmp_path: Path, conflicts: str
) -> None:
    script = f'#!/bin/sh\necho "$*" >>{tmp_path}/said\n[ "$1" != show ] || echo "{conflicts}"\n'
    stand_in_for_systemctl(commands, script)
    services.restart_postfix(builders.direct().postfix)
    said = (tmp_path / "said").read_text().splitlines()
    stopped = ["stop postfix@-.service"] if "postfix@" in conflicts else []
    assert said[1:] == [*stopped, "restart postfix.service"]
