from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROXY = {"smtpd_upstream_proxy_protocol": "haproxy"}
THERE = {"service": "smtp/inet", "move_to": "127.0.0.1:2500", "options": PROXY}
BACK = {"service": "smtp/inet", "move_back_from": "127.0.0.1:2500", "options": PROXY}


def test_there_and_back(config_dir: Path, postfix_master) -> None:
    master = config_dir / "master.cf"
    before = master.read_bytes()
    there = postfix_master(**THERE)
    assert there["changed"], there
    assert there["entries"] == [
        {
            "line": 3,
            "service": "127.0.0.1:2500",
            "type": "inet",
            "fields": {
                "private": "n",
                "unprivileged": "-",
                "chroot": "y",
                "wakeup": "-",
                "process_limit": "-",
                "command": "smtpd",
            },
            "options": PROXY,
        }
    ]
    status = master.stat()
    assert not postfix_master(**THERE)["changed"]
    assert master.stat().st_ino == status.st_ino
    back = postfix_master(**BACK)
    assert back["changed"]
    assert back["entries"][0]["service"] == "smtp"
    assert master.read_bytes() == before
    assert not postfix_master(**BACK)["changed"]


def test_check_mode_and_diff(config_dir: Path, postfix_master) -> None:
    master = config_dir / "master.cf"
    before = master.read_bytes()
    checked = postfix_master(**THERE, check_mode=True, diff=True, backup=True)
    assert checked["changed"]
    assert master.read_bytes() == before
    assert "diff" not in postfix_master(**THERE, check_mode=True)
    done = postfix_master(**THERE, diff=True)
    assert done["diff"] == checked["diff"]
    assert done["diff"]["after"].encode() == master.read_bytes()
    assert done["diff"]["before"].encode() == before


def test_states(config_dir: Path, postfix_master) -> None:
    master = config_dir / "master.cf"
    before = master.read_bytes()
    entry = {"service": "127.0.0.1:10026/inet", "fields": {"command": "smtpd", "chroot": False}}
    added = postfix_master(**entry, options={"content_filter": "", "mynetworks": "127.0.0.0/8"})
    assert added["changed"], added
    assert master.read_bytes() == before + (
        b"127.0.0.1:10026 inet n  -       n       -       -       smtpd\n"
        b"  -o content_filter=\n  -o mynetworks=127.0.0.0/8\n"
    )
    assert not postfix_master(**entry)["changed"]
    assert postfix_master(**entry, options={"mynetworks": None})["changed"]
    assert master.read_bytes().endswith(b"smtpd\n  -o content_filter=\n")
    assert postfix_master(service=entry["service"], state="commented")["changed"]
    assert master.read_bytes().endswith(b"#  -o content_filter=\n")
    assert postfix_master(service=entry["service"])["changed"]
    assert master.read_bytes().endswith(b"smtpd\n  -o content_filter=\n")
    assert postfix_master(service=entry["service"], state="absent")["changed"]
    assert master.read_bytes() == before
    for state in ("absent", "commented"):
        assert not postfix_master(service=entry["service"], state=state)["changed"]


def test_a_commented_out_entry_is_made_active(config_dir: Path, postfix_master) -> None:
    result = postfix_master(service="465/inet", options={"smtpd_tls_wrappermode": True})
    assert result["changed"]
    assert (
        b"\nsmtps     inet  n       -       y       -       -       smtpd\n"
        b"  -o smtpd_tls_wrappermode=yes\npickup"
    ) in (config_dir / "master.cf").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"service": "smtp"}, "write name/type, as smtp/inet"),
        ({"service": "2500/inet"}, "give its field 'command'"),
        ({"service": "2500/inet", "move_to": "2600"}, "add a line for 2500 inet"),
        ({"service": "smtps/inet", "move_to": "2600"}, "commented out at line 3"),
        ({"service": "smtp/inet", "move_to": "25"}, "the same service"),
        ({"service": "smtp/inet", "move_to": "26", "options": {"a": None}}, "taken out"),
        ({"service": "smtp/inet", "options": {"a": "{"}}, "braces"),
        ({"service": "smtp/inet", "fields": {"chroot": "maybe"}}, "master.cf:2: the field chroot"),
        ({"service": "2500/inet", "fields": {"command": "nosuch"}}, "master.cf:5: there is no"),
    ],
)
def test_errors(config_dir: Path, postfix_master, arguments, said: str) -> None:
    before = (config_dir / "master.cf").read_bytes()
    result = postfix_master(**arguments)
    assert result["failed"]
    assert said in result["msg"]
    assert f"{config_dir}/master.cf" in result["msg"]
    assert (config_dir / "master.cf").read_bytes() == before


LATIN = (
    b"# f\xfcr uns\nx\xe4 unix - - n - - smtp\n  -o y\xf6=\xfc\n"
    b"z\xe4 unix - - n - - smtp\nz\xe4 unix - - n - - smtp\n"
)


def test_a_file_that_is_no_utf8_keeps_its_bytes(config_dir: Path, postfix_master) -> None:
    master = config_dir / "master.cf"
    own = LATIN + master.read_bytes()
    master.write_bytes(own)
    done = postfix_master(**THERE, diff=True)
    assert done["diff"]["before"].startswith("# f\ufffdr uns\n")
    assert master.read_bytes().startswith(LATIN)
    assert postfix_master(**BACK)["changed"]
    assert master.read_bytes() == own
    master.write_bytes(own.replace(b"x\xe4 unix", b"x unix"))  # a task names it by UTF-8
    changed = postfix_master(service="x/unix", options={"a": "b"})
    assert changed["entries"][0]["options"] == {"y\ufffd": "\ufffd", "a": "b"}
    assert "z\ufffd/unix is the same service as line 5" in changed["warnings"][0]["event"]["msg"]
    master.write_bytes(own + b"\xfc\n")
    assert "are needed: \ufffd" in postfix_master(**THERE)["msg"]


def test_a_move_stands_alone(postfix_master) -> None:
    assert "second task" in postfix_master(**THERE, state="absent")["msg"]
    assert "mutually exclusive" in postfix_master(**THERE, move_back_from="2500")["msg"]


def test_ansible_packs_what_the_module_needs(config_dir: Path, tmp_path: Path) -> None:
    """One run through Ansible itself: the packed module finds its shared code."""
    with (config_dir / "master.cf").open("ab") as file:
        file.write(b"# f\xfcr uns\n")
    arguments = json.dumps({**THERE, "config_dir": str(config_dir)})
    (tmp_path / "ansible.cfg").touch()
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_LIBRARY": str(ROOT / "library"),
        "ANSIBLE_MODULE_UTILS": str(ROOT / "module_utils"),
    }
    command = ["-m", "ansible", "adhoc", "localhost", "-m", "postfix_master", "-a", arguments]
    command += ["--diff", "-e", f"ansible_python_interpreter={sys.executable}"]
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
    )
    assert "CHANGED" in done.stdout, done.stdout + done.stderr
    assert b"127.0.0.1:2500 inet" in (config_dir / "master.cf").read_bytes()


@pytest.mark.parametrize("module", ["postconf", "postfix_master"])
def test_the_documentation_is_whole(module: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ansible",
            "doc",
            "-t",
            "module",
            "-M",
            ROOT / "library",
            "-j",
            module,
        ],
        env={**os.environ, "ANSIBLE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    documentation = json.loads(done.stdout)[module]
    assert documentation["examples"]
    assert documentation["return"]["path"]
    source = (ROOT / "library" / f"{module}.py").read_text()
    for option in documentation["doc"]["options"]:
        assert f'"{option}": {{"type"' in source
