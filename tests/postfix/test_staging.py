from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from module_utils.postfix import atomic, staging
from module_utils.postfix.change import change_file
from module_utils.postfix.errors import InvalidConfig, Locked

if TYPE_CHECKING:
    from pathlib import Path


def with_line(path: Path, line: bytes) -> bytes:
    return path.read_bytes() + line + b"\n"


def test_a_good_configuration_is_asked_for_on_a_copy(config_dir: Path, commands: Path) -> None:
    master = config_dir / "master.cf"
    new = with_line(master, b"2500 inet n - y - - smtpd")
    assert staging.validate(config_dir, {"master.cf": new}) == []
    call = (commands / "calls").read_text()
    assert re.fullmatch(r"-c /\S+/sender-filter-stage-\w+ check\n", call)
    assert str(config_dir) not in call
    assert b"2500" not in master.read_bytes()


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("master.cf", b"2500 inet n - y -", r"master\.cf:5: the entry has 6 fields"),
        ("master.cf", b"2500 inet y - y - - smtpd", r"master\.cf:5: the field private"),
        (
            "master.cf",
            b"2500 inet n - y - - nosuch",
            r"master\.cf:5: there is no program \S+nosuch",
        ),
        ("main.cf", b"no equals", r"main\.cf:6: 'no equals' is not"),
        ("main.cf", b"myhostname = $myhostname", r"refuses.*unreasonable macro call"),
    ],
)
def test_a_wrong_configuration_is_refused(
    config_dir: Path, file: str, line: bytes, said: str
) -> None:
    with pytest.raises(InvalidConfig, match=said) as error:
        staging.validate(config_dir, {file: with_line(config_dir / file, line)})
    assert "sender-filter-stage" not in str(error.value)


def test_the_words_of_postfix_check_are_passed_on(config_dir: Path, commands: Path) -> None:
    (commands / "refuse").write_text("postfix: fatal: CONFIG_DIR/main.cf: away\n")
    new = with_line(config_dir / "main.cf", b"relayhost =")
    with pytest.raises(InvalidConfig, match=rf"'postfix check' refuses.*: {config_dir}/main"):
        staging.validate(config_dir, {"main.cf": new})


def test_a_check_that_does_not_end_is_an_error_like_any_other(
    config_dir: Path, commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "_TIMEOUT_SECONDS", 0.5)
    (commands / "postfix").write_text("#!/bin/sh\nexec sleep 60\n")
    new = with_line(config_dir / "main.cf", b"relayhost =")
    with pytest.raises(InvalidConfig, match=r"'postfix check' has not ended within 0\.5 s"):
        staging.validate(config_dir, {"main.cf": new})


def test_for_a_reload_it_is_enough_that_postfix_can_work_with_it(
    config_dir: Path, commands: Path
) -> None:
    new = with_line(config_dir / "master.cf", b"2500 inet n - y - - smtpd")
    staging.validate(config_dir, {"master.cf": new}, restart=False)
    assert (commands / "calls").read_text().endswith(" status\n")
    (commands / "refuse").write_text("postfix: fatal: CONFIG_DIR/main.cf: away\n")
    with pytest.raises(InvalidConfig, match=rf"'postfix status' refuses.*: {config_dir}/main"):
        staging.validate(config_dir, {"master.cf": new}, restart=False)


def test_what_was_odd_before_is_not_held_against_the_change(config_dir: Path) -> None:
    master = config_dir / "master.cf"
    master.write_bytes(with_line(master, b"old unix - - - - - gone"))
    new = with_line(master, b"25 inet n - y - - smtpd")
    (warning,) = staging.validate(config_dir, {"master.cf": new})
    assert f"{master}:6: 25/inet is the same service as line 2" in warning


def test_nothing_is_left_behind(config_dir: Path, tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    staging.validate(config_dir, {"main.cf": with_line(config_dir / "main.cf", b"a = b")})
    with pytest.raises(InvalidConfig):
        staging.validate(config_dir, {"main.cf": b"a"})
    assert not list(folder.iterdir())


def test_unknown_names_are_postfixs_own_judgement(config_dir: Path) -> None:
    lines = [
        b"smtpd_timeuot = 1",
        b"bar = $baz",
        b"baz = 1",
        b"relay_destination_rate_delay = 1s",
        b"mine = permit",
        b"smtpd_restriction_classes = mine",
        b"alias_maps = ldap:people",
        b"people_server_host = h",
    ]
    main = config_dir / "main.cf"
    master = with_line(config_dir / "master.cf", b"relay unix - - y - - smtp")
    changes = {"main.cf": with_line(main, b"\n".join(lines)), "master.cf": master}
    assert staging.unknown_parameters(config_dir, changes) == {"smtpd_timeuot", "bar"}


def test_a_missing_postfix_is_named(config_dir: Path, monkeypatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(InvalidConfig, match=r"no program 'postconf'.*install Postfix"):
        staging.validate(config_dir, {})
    with pytest.raises(InvalidConfig, match=r"main\.cf: No such file.*config_dir"):
        staging.validate(config_dir / "nosuch", {})


def test_a_change_is_one_step(config_dir: Path, commands: Path) -> None:
    main = config_dir / "main.cf"
    before = main.read_bytes()
    change = change_file(main, lambda data: data + b"a = b\n", backup=True)
    assert change.changed
    assert main.read_bytes() == before + b"a = b\n"
    assert change.backup is not None
    assert change.backup.read_bytes() == before
    assert len((commands / "calls").read_text().splitlines()) == 1


def test_no_change_asks_nobody_and_writes_nothing(config_dir: Path, commands: Path) -> None:
    main = config_dir / "main.cf"
    status = main.stat()
    assert not change_file(main, lambda data: data, backup=True).changed
    assert main.stat() == status or main.stat().st_ino == status.st_ino
    assert not (commands / "calls").exists()
    assert sorted(p.name for p in config_dir.iterdir()) == ["main.cf", "master.cf"]


def test_a_change_that_is_only_checked_is_not_written(config_dir: Path, commands: Path) -> None:
    main = config_dir / "main.cf"
    before = main.read_bytes()
    change = change_file(main, lambda data: data + b"a = b\n", check_only=True, backup=True)
    assert (change.changed, change.backup, main.read_bytes()) == (True, None, before)
    with pytest.raises(InvalidConfig):
        change_file(main, lambda data: data + b"a\n", check_only=True)
    assert (commands / "calls").exists()


def test_a_refused_change_is_not_written(config_dir: Path) -> None:
    main = config_dir / "main.cf"
    before = main.read_bytes()
    with pytest.raises(InvalidConfig):
        change_file(main, lambda data: data + b"a\n", backup=True)
    assert main.read_bytes() == before
    assert sorted(p.name for p in config_dir.iterdir()) == ["main.cf", "master.cf"]


def test_a_second_run_waits_for_the_lock(config_dir: Path) -> None:
    with atomic.lock(config_dir), pytest.raises(Locked):
        change_file(config_dir / "main.cf", lambda data: data, timeout=0.1)
