from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def test_many_parameters_in_one_write(config_dir: Path, commands: Path, postconf) -> None:
    main = config_dir / "main.cf"
    main.chmod(0o640)
    before = main.read_bytes()
    result = postconf(
        params={"smtpd_helo_required": True, "relayhost": "[b]:25", "smtpd_timeout": 30},
        backup=True,
    )
    assert result["changed"], result
    assert main.read_bytes() == before.replace(b"[a]:25", b"[b]:25") + (
        b"smtpd_helo_required = yes\nsmtpd_timeout = 30\n"
    )
    assert result["params"] == {
        "relayhost": {"before": "[a]:25", "after": "[b]:25"},
        "smtpd_helo_required": {"before": None, "after": "yes"},
        "smtpd_timeout": {"before": None, "after": "30"},
    }
    assert main.stat().st_mode & 0o777 == 0o640
    assert (config_dir / result["backup_file"]).read_bytes() == before
    assert len((commands / "calls").read_text().splitlines()) == 1
    assert "diff" not in result


def test_a_second_run_changes_nothing(config_dir: Path, postconf) -> None:
    main = config_dir / "main.cf"
    arguments = {
        "params": {"relayhost": "", "smtpd_helo_required": False},
        "tokens": {"import_environment": {"present": ["A=b", "C"]}},
    }
    assert postconf(**arguments)["changed"]
    status, data = main.stat(), main.read_bytes()
    result = postconf(**arguments, backup=True)
    assert not result["changed"], result
    assert result["params"] == {}
    assert "backup_file" not in result
    assert (main.stat().st_ino, main.stat().st_mtime_ns) == (status.st_ino, status.st_mtime_ns)
    assert main.read_bytes() == data


def test_check_mode_and_diff(config_dir: Path, postconf) -> None:
    main = config_dir / "main.cf"
    before, status = main.read_bytes(), main.stat()
    result = postconf(params={"relayhost": "[b]:25"}, check_mode=True, diff=True, backup=True)
    assert result["changed"]
    assert main.read_bytes() == before
    assert main.stat().st_mtime_ns == status.st_mtime_ns
    assert sorted(p.name for p in config_dir.iterdir()) == ["main.cf", "master.cf"]
    after = postconf(params={"relayhost": "[b]:25"}, diff=True)
    assert after["diff"] == result["diff"]
    assert result["diff"]["before"].encode() == before
    assert result["diff"]["after"].encode() == main.read_bytes()


def test_absent_goes_back_to_the_default(config_dir: Path, postconf) -> None:
    main = config_dir / "main.cf"
    before = main.read_bytes()
    postconf(params={"smtpd_banner": "x"})
    assert postconf(params={"smtpd_banner": None, "nosuch": None}, state="absent")["changed"]
    assert main.read_bytes() == before
    assert not postconf(params={"smtpd_banner": None}, state="absent")["changed"]


def test_members_start_from_the_default(postconf) -> None:
    tokens = {"import_environment": {"present": ["P=2500"], "absent": ["P=*", "MAIL_DEBUG"]}}
    result = postconf(tokens=tokens)
    value = result["params"]["import_environment"]["after"].split()
    assert value[0] == "MAIL_CONFIG"
    assert value[-1] == "P=2500"
    assert "MAIL_DEBUG" not in value
    assert not postconf(tokens=tokens)["changed"]
    tokens["import_environment"]["present"] = ["P=25"]
    changed = postconf(tokens=tokens)["params"]["import_environment"]["after"].split()
    assert changed == [*value[:-1], "P=25"]


def test_a_member_that_is_there_keeps_its_place(config_dir: Path, postconf) -> None:
    main = config_dir / "main.cf"
    main.write_bytes(main.read_bytes() + b"import_environment = P=1 P=2500 TZ\n")
    tokens = {"import_environment": {"present": ["P=2500"], "absent": ["P=*"]}}
    assert postconf(tokens=tokens)["params"]["import_environment"]["after"] == "P=2500 TZ"
    assert not postconf(tokens=tokens)["changed"]


def test_a_file_that_is_no_utf8_keeps_its_bytes(config_dir: Path, postconf) -> None:
    main = config_dir / "main.cf"
    own = b"# f\xfcr uns\nrelay_domains = \xe4\n" + main.read_bytes() + b"a\xf6 = 1\na\xf6 = 2\n"
    main.write_bytes(own)
    asked = {"params": {"relay_domains": "b"}}
    done = postconf(**asked, diff=True)
    assert done["params"] == {"relay_domains": {"before": "\ufffd", "after": "b"}}
    assert done["diff"]["before"].startswith("# f\ufffdr uns\n")
    assert main.read_bytes() == own.replace(b"= \xe4", b"= b")
    taken = postconf(params={"relay_domains": None}, state="absent", diff=True)
    assert "a\ufffd is set again" in taken["warnings"][0]["event"]["msg"]
    main.write_bytes(own + b"\xfc\n")
    assert postconf(**asked)["failed"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"params": {"smtpd_timeuot": "1"}}, "nothing in Postfix reads smtpd_timeuot"),
        ({"params": {"a b": "1"}}, "is not the name of a parameter"),
        ({"params": {"relayhost": "a\nb = c"}}, "must start with a blank"),
        ({"params": {"myhostname": "$myhostname"}}, "unreasonable macro call nesting"),
        ({"tokens": {"mynetworks": ["a"]}}, "must be a dictionary"),
        ({"tokens": {"mynetworks": {"present": ["a b"]}}}, "not one member"),
    ],
)
def test_errors_name_host_and_file(config_dir: Path, postconf, arguments, said: str) -> None:
    before = (config_dir / "main.cf").read_bytes()
    result = postconf(**arguments)
    assert result["failed"]
    assert said in result["msg"]
    assert result["msg"].startswith(f"{platform.node()}: ")
    assert f"{config_dir}/main.cf" in result["msg"]
    assert (config_dir / "main.cf").read_bytes() == before


def test_unknown_names_can_be_allowed(postconf) -> None:
    params = {"mua_client_restrictions": "permit", "other": "x"}
    assert "other" in postconf(params=params, allow_unknown=["mua_client_restrictions"])["msg"]
    assert postconf(params=params, allow_unknown=["mua_client_restrictions", "other"])["changed"]


def test_names_that_something_uses_are_known(postconf) -> None:
    assert postconf(params={"mine": "x", "smtpd_banner": "$mine"})["changed"]


def test_what_was_there_wrongly_is_an_error_with_its_line(config_dir: Path, postconf) -> None:
    main = config_dir / "main.cf"
    main.write_bytes(b"broken\n" + main.read_bytes())
    result = postconf(params={"relayhost": "x"}, allow_unknown=["relayhost"])
    assert f"{main}:1: 'broken' is not" in result["msg"]


def test_a_missing_file(tmp_path: Path, postconf) -> None:
    result = postconf(params={"relayhost": "x"}, config_dir=str(tmp_path))
    assert result["failed"]
    assert "is config_dir right?" in result["msg"]
