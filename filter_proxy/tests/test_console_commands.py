"""What a console shows, a terminal has as well: lists, import, export, decisions."""

import asyncio
import json
import subprocess

import yaml
from harness import COMMAND, Backend

from sender_filter.cli.import_list import MOST_ENTRIES
from sender_filter.io import control
from sender_filter.io.messages import Request


async def running(proxy, blocked="", approved="", more=""):
    proxy.write_lists(blocked=blocked, approved=approved)
    backend = await Backend().start()
    proxy.configure(backend.port, more=more)
    await proxy.start()
    return backend


async def order(proxy, command, address="", **more):
    request = Request(command, address, **more)
    return await asyncio.to_thread(control.ask, [proxy.directory / "control"], request)


async def test_lists_are_searched_across_pages(proxy):
    await running(proxy, "".join(f"192.0.2.{n} # number {n}\n" for n in range(200)), "::1\n")
    await order(proxy, "block", "198.51.100.1", comment="number 300")
    found = json.loads(proxy.run("lists", "search", "number", "--limit", "150", "--json").stdout)
    assert len(found) == 150
    assert (found[0]["entry"], found[0]["origin"]) == ("198.51.100.1", "run time")
    assert found[149] == {
        "list": "blocked", "origin": "declared", "entry": "192.0.2.148", "comment": "number 148",
        "file": str(proxy.lists["blocked"]), "line": 149,
    }  # fmt: skip


async def test_lists_for_people(proxy):
    await running(proxy, "192.0.2.1\n192.0.2.7 # seven\n")
    done = proxy.run("lists", "search", "--limit", "1")
    [_, row] = done.stdout.splitlines()
    assert row.split() == ["blocked", "192.0.2.1", f"{proxy.lists['blocked']}:1"]
    assert "There are more than 1" in done.stderr
    known = proxy.run("lists", "search", "--list", "known_hosts", "10.1.2.3").stdout
    assert "10.0.0.0/8" in known
    assert proxy.run("lists").stdout.splitlines()[1].split()[:2] == ["blocked", "2"]


async def test_a_list_of_the_vendors_is_imported(proxy, tmp_path):
    await running(proxy)
    vendor = tmp_path / "vendor.txt"
    vendor.write_text("198.51.100.0:255.255.255.0\n2001:db8::/48\nexample.com\n")
    words = ("import", "--list", "blocked", "--comment", "moved", str(vendor))
    checked = proxy.run(*words, "--check", check=False)
    assert checked.stdout == "2 entries would be blocked\n"
    assert (await order(proxy, "entries")).entries == []
    done = proxy.run(*words, check=False)
    assert (done.returncode, done.stdout) == (1, "2 entries are blocked\n")
    assert done.stderr.startswith("line 3: example.com: ")
    entries = (await order(proxy, "entries")).entries
    assert {each.network for each in entries} == {"198.51.100.0/24", "2001:db8::/48"}
    assert {each.comment for each in entries} == {"moved"}


async def test_what_was_said_at_run_time_is_exported(proxy):
    await running(proxy, "192.168.2.0/24 # old\n")
    await order(proxy, "block", "2001:db8::/48", author="alice", comment="no")
    await order(proxy, "approve", "203.0.113.1", author="bob", seconds=60)
    lines = proxy.run("export", "--list", "blocked", "--format", "vendor").stdout.splitlines()
    assert lines == ["2001:db8::/48", "192.168.2.0:255.255.255.0"]
    text = proxy.run("export", "--format", "yaml", "--origin", "run-time").stdout
    declared = yaml.safe_load(text)
    [item] = declared["sender_filter_blocked"]
    assert item.startswith("2001:db8::/48 # alice 2")
    assert item.endswith(": no")
    assert declared["sender_filter_approved"] == []
    assert "203.0.113.1 # bob 2" in text


async def test_what_was_exported_is_taken_as_a_list(proxy):
    await running(proxy)
    await order(proxy, "block", "192.0.2.7", comment='a "quoted" # comment')
    items = yaml.safe_load(proxy.run("export", "--format", "yaml").stdout)["sender_filter_blocked"]
    proxy.write_lists(blocked="".join(f"{item}\n" for item in items))
    assert proxy.run("check-config").stdout.endswith("1 blocked and 0 approved entries\n")


async def test_many_are_imported_while_mail_goes_on(proxy):
    await running(proxy)
    lines = "".join(f"10.{n // 256}.{n % 256}.1\n" for n in range(1000))
    done = subprocess.run(
        [COMMAND, "import", "--list", "blocked", "--config", proxy.config, "-"],
        input=lines, capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    assert done.stdout == "1000 entries are blocked\n"
    assert (await proxy.status())["entries"] == 1000


def test_too_many_are_to_be_declared(proxy, tmp_path):
    proxy.configure(1)
    file = tmp_path / "many"
    file.write_text("192.0.2.1\n" * (MOST_ENTRIES + 1))
    done = proxy.run("import", "--list", "approved", str(file), check=False)
    assert "declare them (sender_filter_approved)" in done.stderr


async def test_follow_shows_what_happens_from_now_on(proxy):
    await running(proxy)
    _, before = await proxy.connect()
    await proxy.written(1)
    follower = await asyncio.create_subprocess_exec(
        COMMAND, "follow", "--json", "--action", "pass", "--config", str(proxy.config),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await asyncio.sleep(1)  # it has begun
    _, after = await proxy.connect()
    seen = json.loads(await follower.stdout.readline())
    follower.terminate()
    await follower.communicate()
    records = await proxy.written(2)
    assert seen["record"]["session"] == records[1]["session"] != records[0]["session"]
    before.close()
    after.close()


async def test_one_connection_with_all_its_checks(proxy):
    await running(proxy, "127.0.0.0/8 # loopback\n")
    reader, _ = await proxy.connect()
    await reader.read()
    [record] = await proxy.written(1)
    said = proxy.run("log", "--session", record["session"], "--details").stdout.splitlines()
    assert len(said) == 3
    assert said[1].startswith("  1. approved 127.0.0.1: no match (")
    assert f"match ({record['checks'][1]['micros']} us); 127.0.0.0/8 (" in said[2]
    assert proxy.run("log", "--session", "another", "--details").stdout == ""


async def test_status_says_what_a_console_shows(proxy):
    backend = await running(proxy, "127.0.0.1 temporary\n", more='[throttling]\nmode = "shadow"\n')
    reader, _ = await proxy.connect()
    await reader.read()
    status = await proxy.status()
    modes = {each["name"]: each["mode"] for each in status["functions"]}
    assert modes == {
        "known_hosts": "off", "approved": "on", "blocked": "on", "profiler": "off",
        "reputation": "off", "throttling": "shadow",
    }  # fmt: skip
    assert status["decisions"] == [{"function": "blocked", "action": "temporary", "count": 1}]
    assert status["store"]["kind"] == "sqlite"
    assert status["reports"] == {"spam": 0, "virus": 0, "last": None}
    assert status["uptime_seconds"] > 0
    shown = proxy.run("status").stdout
    assert "function throttling" in shown
    backend.stop()


async def test_an_older_filter_says_what_it_does_not_know(proxy):
    """A request of a newer command, to a filter of today, is an error in words."""
    await running(proxy)
    reader, writer = await asyncio.open_unix_connection(proxy.directory / "control")
    for request in ({"command": "tomorrow"}, {"command": "status", "more": 1}):
        writer.write(json.dumps(request).encode() + b"\n")
        answer = json.loads(await reader.readline())
        assert answer["answer"] == "error"
        assert "$.command" in answer["error"] or "more" in answer["error"]
    writer.close()
