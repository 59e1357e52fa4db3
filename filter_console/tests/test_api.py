"""The API over a real filter: what it shows is what was decided, and what it orders is done."""

import asyncio

BLOCKED = "127.0.0.1 # a test\n198.51.100.0/24 # a network\n"


async def started(proxy, console, backend, *, blocked="", more=""):
    await backend.start()
    proxy.configure(backend.port, more=more)
    proxy.write_lists(blocked=blocked)
    await proxy.start()
    await asyncio.to_thread(console.start)


async def greeting(proxy):
    reader, writer = await proxy.connect()
    line = await reader.readline()
    writer.close()
    return line


async def test_a_refusal_is_seen_with_its_reason_and_its_record(proxy, console, backend):
    await started(proxy, console, backend, blocked=BLOCKED)
    assert (await greeting(proxy)).startswith(b"554 ")
    page = await console.until("/decisions", lambda answer: answer["items"])
    [row] = page["items"]
    assert (row["address"], row["function"], row["action"]) == ("127.0.0.1", "blocked", "permanent")
    assert "blocked:1" in row["reason"]
    assert row["reply"].startswith("554 ")
    full = await console.get(f"/decisions/{row['id']}")
    assert full["row"] == row
    assert [check["function"] for check in full["checks"]] == ["approved", "blocked"]
    top = await console.get("/top")
    assert top == [{"address": "127.0.0.1", "refused": 1, "last": row["id"]}]


async def test_a_session_that_ended_is_part_of_its_decision(proxy, console, backend):
    await started(proxy, console, backend)
    assert (await greeting(proxy)).startswith(b"220 ")
    [row] = (await console.until("/decisions", lambda answer: answer["items"]))["items"]
    assert row["reason"] is None
    full = await console.until(f"/decisions/{row['id']}", lambda answer: answer["end"])
    assert full["end"]["from_upstream"] == len(b"220 backend\r\n")


async def test_an_approval_from_the_place_of_the_refusal(proxy, console, backend):
    await started(proxy, console, backend, blocked=BLOCKED)
    assert (await greeting(proxy)).startswith(b"554 ")
    wanted = {"network": "127.0.0.1", "seconds": 3600, "comment": "ticket 4711"}
    status, answer = await console.post("/approve", wanted)
    assert (status, answer) == (200, {"done": "127.0.0.1 is approved"})
    assert (await greeting(proxy)).startswith(b"220 ")
    report = await console.get("/address", address="127.0.0.1")
    assert report["explanation"]["function"] == "approved"
    [approval] = report["approvals"]
    assert (approval["who"], approval["comment"]) == ("alice", "ticket 4711")
    assert approval["until"] is not None
    report = await console.until("/address", lambda answer: answer["events"], address="127.0.0.1")
    assert [(event["change"], event["author"]) for event in report["events"]] == [
        ("approve", "alice")
    ]
    status, _ = await console.post("/release", {"network": "127.0.0.1"})
    assert status == 200
    assert (await greeting(proxy)).startswith(b"554 ")


async def test_each_change_is_in_the_audit_record_with_what_came_of_it(proxy, console, backend):
    await started(proxy, console, backend)
    await console.post("/block", {"network": "192.0.2.7", "comment": "spam"})
    status, answer = await console.post("/block", {"network": "192.0.2.7/24"})
    assert status == 400
    assert "write 192.0.2.0/24" in answer["error"]
    notes = [(note["action"], note["network"], note["outcome"]) for note in console.audited()]
    assert notes[:2] == [("block", "192.0.2.7", "asked"), ("block", "192.0.2.7", "done")]
    assert notes[2] == ("block", "192.0.2.7/24", "asked")
    assert notes[3][2].startswith("failed: ")
    assert {note["who"] for note in console.audited()} == {"alice"}
    assert all(password not in console.audit.read_text() for password in ("right", "argon2"))


async def test_nothing_is_changed_that_cannot_be_recorded(proxy, console, backend):
    console.audit.symlink_to("/dev/full")
    await started(proxy, console, backend)
    status, answer = await console.post("/block", {"network": "192.0.2.7"})
    assert status == 503
    assert "cannot be recorded" in answer["error"]
    assert await proxy.ask("block", "list") == []


async def test_a_viewer_looks_and_nobody_else_comes_in(proxy, console, backend):
    await started(proxy, console, backend)
    await console.get("/overview", who="victor")
    status, answer = await console.post("/block", {"network": "192.0.2.7"}, who="victor")
    assert status == 403, answer
    for path in ("/overview", "/openapi.json", "/nothing"):
        status, _ = await asyncio.to_thread(console.call, "GET", f"/api/v1{path}", who=None)
        assert status == 401


async def test_lists_are_searched_imported_and_exported(proxy, console, backend):
    await started(proxy, console, backend, blocked=BLOCKED)
    page = await console.get("/lists/blocked", search="198.51.100.7")
    assert [entry["network"] for entry in page["items"]] == ["198.51.100.0/24"]
    assert page["items"][0]["declared"]
    text = (
        "192.0.2.0:255.255.255.0 # the vendor's notation\n"
        "\n# nothing\n"
        "2001:db8::/32\n"
        "mail.example.test\n"
        "192.0.2.77/24\n"
    )
    status, done = await console.post("/lists/blocked/import", {"text": text, "comment": "old"})
    assert (status, done["added"]) == (200, 2)
    assert [problem.partition(":")[0] for problem in done["problems"]] == ["line 5", "line 6"]
    page = await console.get("/lists/blocked", run_time="true")
    made = {entry["network"]: entry for entry in page["items"]}
    assert made["192.0.2.0/24"]["comment"] == "the vendor's notation"
    assert made["2001:db8::/32"]["comment"] == "old"
    vendor = await console.get("/lists/blocked/export", form="vendor")
    assert "198.51.100.0:255.255.255.0  # a network\n" in vendor
    cidr = await console.get("/lists/blocked/export", run_time="true")
    assert sorted(cidr.splitlines()) == [
        "192.0.2.0/24  # the vendor's notation",
        "2001:db8::/32  # old",
    ]
    summary = {each["name"]: each for each in await console.get("/lists")}
    assert (summary["blocked"]["declared"], summary["blocked"]["run_time"]) == (2, 2)
    assert summary["known_hosts"]["declared"] > 3


async def test_what_was_made_at_run_time_is_yaml_for_the_inventory(proxy, console, backend):
    await started(proxy, console, backend)
    hostile = 'a quote " and\n  - "0.0.0.0/0"'
    await console.post("/block", {"network": "192.0.2.0/24", "comment": hostile})
    await console.post("/block", {"network": "192.0.2.200", "seconds": 60})
    text = await console.get("/lists/blocked/export", form="yaml")
    first, *items = text.splitlines()
    assert first == "sender_filter_blocked:"
    [permanent] = [item for item in items if item.startswith("  - ")]
    assert permanent.startswith('  - "192.0.2.0/24"  # alice, a quote " and   - "0.0.0.0/0"')
    [temporary] = [item for item in items if item.startswith("  # - ")]
    assert '"192.0.2.200"' in temporary
    assert "until" in temporary


async def test_a_known_host_is_added_and_taken_back(proxy, console, backend):
    await started(proxy, console, backend, more="[known_hosts]\nenabled = true\n")
    wanted = {"network": "198.51.100.0/24", "seconds": 3600, "comment": "our relays"}
    status, answer = await console.post("/know", wanted)
    assert (status, answer) == (200, {"done": "198.51.100.0/24 is a known host"})
    report = await console.get("/address", address="198.51.100.7")
    assert report["explanation"]["checks"][-1]["function"] == "known_hosts"
    assert (report["blocks"], report["approvals"]) == ([], [])
    [entry] = report["known"]
    assert (entry["network"], entry["who"], entry["declared"]) == (
        "198.51.100.0/24", "alice", False,
    )  # fmt: skip
    summary = {each["name"]: each for each in await console.get("/lists")}
    assert (summary["known_hosts"]["declared"], summary["known_hosts"]["run_time"]) == (9, 1)
    assert summary["approved"]["run_time"] == 0
    found = await console.get("/lists/known_hosts", search="198.51.100.7")
    assert [each["network"] for each in found["items"]] == ["198.51.100.0/24"]
    events = (
        await console.until("/address", lambda answer: answer["events"], address="198.51.100.7")
    )["events"]
    assert [(each["function"], each["change"]) for each in events] == [("known_hosts", "know")]
    status, _ = await console.post("/release", {"network": "198.51.100.0/24"})
    assert status == 200
    assert (await console.get("/address", address="198.51.100.7"))["known"] == [entry]
    status, answer = await console.post("/forget", {"network": "198.51.100.0/24"})
    assert (status, answer["done"]) == (200, "198.51.100.0/24 is no known host of an operator's")
    assert (await console.get("/address", address="198.51.100.7"))["known"] == []
    asked = [(each["action"], each["outcome"]) for each in console.audited()]
    assert asked == [
        ("know", "asked"), ("know", "done"), ("release", "asked"), ("release", "done"),
        ("forget", "asked"), ("forget", "done"),
    ]  # fmt: skip


async def test_known_hosts_that_are_too_wide_are_refused_and_noted(proxy, console, backend):
    await started(proxy, console, backend)
    status, answer = await console.post("/know", {"network": "0.0.0.0/0"})
    assert (status, answer["error"].partition(":")[0]) == (
        400, "0.0.0.0/0 is too wide for known hosts",
    )  # fmt: skip
    assert console.audited()[-1]["outcome"].startswith("failed: 0.0.0.0/0 is too wide")
    text = {"text": "198.51.100.0:255.255.255.0\n::/0\n", "comment": "moved"}
    status, done = await console.post("/lists/known_hosts/import", text)
    assert (status, done["added"]) == (200, 1)
    assert done["problems"][0].startswith("line 2: ::/0 is too wide")
    vendor = await console.get("/lists/known_hosts/export", form="vendor", run_time="true")
    assert vendor == "198.51.100.0:255.255.255.0  # moved\n"
    first, item = (await console.get("/lists/known_hosts/export", form="yaml")).splitlines()
    assert first == "sender_filter_known_hosts:"
    assert item.startswith('  - "198.51.100.0/24"  # alice, moved, since')


async def test_a_viewer_makes_nobody_a_known_host(proxy, console, backend):
    await started(proxy, console, backend)
    for path in ("/know", "/forget"):
        for who, expected in (("victor", 403), (None, 401)):
            status, _ = await console.post(path, {"network": "192.0.2.7"}, who=who)
            assert status == expected
    assert await proxy.ask("known", "list") == []


async def test_the_overview_tells_how_all_is(proxy, console, backend):
    await started(proxy, console, backend)
    await greeting(proxy)
    answer = await console.until("/overview", lambda answer: answer["stored"])
    [gateway] = answer["gateways"]
    assert gateway["here"]
    assert gateway["front"] == "edge"
    health = {each["name"]: each["good"] for each in gateway["health"]}
    assert health["filter"] is True
    assert health["postfix"] is True
    modes = {each["name"]: each["mode"] for each in gateway["functions"]}
    assert modes["blocked"] == "on"
    assert modes["reputation"] == "off"
    assert (answer["shared"], answer["behind"]) == (False, None)


async def test_a_filter_that_is_away_is_told_and_waited_for(proxy, console, backend):
    await started(proxy, console, backend, blocked=BLOCKED)
    await greeting(proxy)
    await console.until("/overview", lambda answer: answer["stored"] == 1)
    proxy.kill()
    answer = await console.until("/overview", lambda answer: answer["behind"])
    assert answer["gateways"][0]["health"][0]["good"] is False
    assert len((await console.get("/decisions"))["items"]) == 1
    status, _ = await console.post("/block", {"network": "192.0.2.7"})
    assert status == 503
    await proxy.start()
    await greeting(proxy)
    await console.until("/overview", lambda answer: answer["stored"] == 2)


async def test_a_console_that_was_away_takes_up_where_it_was(proxy, console, backend):
    await started(proxy, console, backend, blocked=BLOCKED)
    await greeting(proxy)
    await console.until("/overview", lambda answer: answer["stored"] == 1)
    await asyncio.to_thread(console.stop)
    await greeting(proxy)
    await proxy.written(2)
    await asyncio.to_thread(console.start)
    page = await console.until("/decisions", lambda answer: len(answer["items"]) >= 2)
    assert len(page["items"]) == 2
    assert len({row["session"] for row in page["items"]}) == 2
    counts = await console.get("/top")
    assert counts[0]["refused"] == 2
