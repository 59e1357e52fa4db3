"""The functions of the filter, as a client on a socket sees them."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
import rbldnsd
from harness import Backend
from lying_dns import LyingDns

from sender_filter.io import control
from sender_filter.io.messages import Request

ADDRESS = "127.0.0.2"  # who connects from the very address that it connects to is not judged
KNOWN_HOSTS = "[known_hosts]\nenabled = true\n"
HARVEST = """
[profiler.harvest]
enabled = "{}"
most_recipients = 2
most_unknown = 1
total_messages = 1
"""
CONNECTIONS = """
[throttling]
mode = "on"
[throttling.address]
most_connections = 3
block_seconds = 2
"""
MESSAGES = """
[throttling]
mode = "on"
[throttling.sender]
most_messages = 2
patterns = ["*@example.test"]
"""
REPUTATION = """
[reputation]
servers = ["{}"]
[[reputation.zones]]
name = "ip4.test"
"""


# All clients of a test are on loopback, about which no list is ever asked.
ASK_ABOUT_LOOPBACK = """
from sender_filter.core.reputation import question
question.has_a_name = lambda address: True
"""


class Postfix(Backend):
    """A back end that keeps what it is sent, and knows no recipient whose name begins with `no`."""

    def __init__(self, *, rest=0):
        super().__init__(self._talk)
        self.messages = []
        self.senders = []
        self.lost = 0
        self.rest = rest  # before each reply, in seconds

    async def _talk(self, reader, writer):
        writer.write(b"220 backend\r\n")
        while line := await reader.readline():
            command = line.strip().upper()
            await asyncio.sleep(self.rest)
            if command == b"QUIT":
                writer.write(b"221 2.0.0 Bye\r\n")
                return
            if command == b"DATA":
                writer.write(b"354 go on\r\n")
                await self._content(reader)
                writer.write(b"250 2.0.0 Ok: queued as Q%d\r\n" % len(self.messages))
            elif command.startswith(b"MAIL FROM:"):
                self.senders.append(line.strip()[10:])
                writer.write(b"250 2.1.0 Ok\r\n")
            elif command.startswith(b"RCPT TO:<NO"):
                writer.write(b"550 5.1.1 <x>: Recipient address rejected: User unknown\r\n")
            else:
                writer.write(b"250 2.1.0 Ok\r\n")

    async def _content(self, reader):
        content = b""
        while not content.endswith(b"\r\n.\r\n"):
            more = await reader.readline()
            if not more:
                self.lost += 1
                raise asyncio.IncompleteReadError(content, None)
            content += more
        self.messages.append(content)


class Client:
    """Speaks SMTP line by line."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def of(cls, proxy):
        return cls(*await proxy.connect(local_addr=(ADDRESS, 0)))

    async def reply(self):
        return (await self.reader.readline()).decode().strip()

    async def say(self, line):
        self.writer.write(line.encode() + b"\r\n")
        return await self.reply()

    async def deliver(self, message, sender="a@example.test"):
        """The replies to the greeting, MAIL, RCPT, DATA and the message."""
        lines = (f"MAIL FROM:<{sender}>", "RCPT TO:<b@example.test>", "DATA", message)
        return [await self.reply(), *[await self.say(line) for line in lines]]


async def trusted(proxy):
    """The block list has passed its test."""
    while (await proxy.status())["zones"][0]["state"] != "trusted":
        await asyncio.sleep(0.05)


async def started(proxy, postfix, more):
    await postfix.start()
    proxy.configure(postfix.port, more=more)
    await proxy.start()
    return proxy


async def judged_by_headers(proxy, count):
    """The decisions about messages, once there are so many."""
    while True:
        lines = [line for file in proxy.records.glob("*.jsonl") for line in file.open()]
        found = [json.loads(line) for line in lines]
        wanted = [each for each in found if each.get("found") == "received"]
        if len(wanted) == count:
            return wanted
        await asyncio.sleep(0.02)


async def scanned(proxy, queue_id, client="192.0.2.250"):
    """The scan service has found a message to be spam."""
    request = Request("report", client, kind="spam", queue_id=queue_id)
    await asyncio.to_thread(control.ask, [proxy.directory / "control"], request)


def received(*addresses):
    hops = [
        f"Received: from h{n}.example.test (h{n}.example.test [{address}])\r\n"
        f"\tby mx{n}.example.test (Postfix) with ESMTP id 4ABC{n}\r\n"
        "\tfor <b@example.test>; Tue, 24 Nov 2026 10:00:00 +0000 (UTC)"
        for n, address in enumerate(addresses)
    ]
    return "\r\n".join([*hops, "Subject: x", "", "body", "."])


async def test_who_sends_all_at_once_and_closes_is_served_though_headers_are_judged(proxy):
    postfix = Postfix(rest=0.02)
    await started(proxy, postfix, KNOWN_HOSTS)
    client = await Client.of(proxy)
    lines = (
        "MAIL FROM:<a@example.test>",
        "RCPT TO:<b@example.test>",
        "DATA",
        received("192.0.2.1"),
        "QUIT",
    )
    client.writer.write("".join(f"{line}\r\n" for line in lines).encode())
    client.writer.write_eof()
    said = (await client.reader.read()).decode().splitlines()
    assert [line[:3] for line in said] == ["220", "250", "250", "354", "250", "221"]
    assert (len(postfix.messages), postfix.lost) == (1, 0)


class OldPostfix(Postfix):
    """It ends a message at a dot between bare LFs too, as each version did before 3.9."""

    async def _content(self, reader):
        content = b""
        while not content.endswith((b"\r\n.\r\n", b"\n.\n")):
            content += await reader.readline()
        self.messages.append(content)


async def test_what_waits_behind_an_end_in_doubt_is_dropped_when_the_client_has_closed(proxy):
    postfix = OldPostfix(rest=0.05)
    await started(proxy, postfix, KNOWN_HOSTS)
    client = await Client.of(proxy)
    assert await client.reply() == "220 backend"
    for line in ("MAIL FROM:<a@example.test>", "RCPT TO:<b@example.test>", "DATA"):
        await client.say(line)
    client.writer.write(b"Subject: x\r\n\r\nbody\n.\nQUIT\r\n")
    client.writer.write_eof()
    assert await client.reader.read() == b"250 2.0.0 Ok: queued as Q1\r\n"
    await proxy.written(3)
    assert "Traceback" not in proxy.stderr.read_text()


async def test_an_operators_block_counts_at_once_and_outlives_a_kill(proxy):
    postfix = Postfix()
    await started(proxy, postfix, "")
    said = await asyncio.to_thread(
        proxy.run, "block", "add", "127.0.0.0/8", "--for", "1h", "--comment", "a test"
    )
    assert said.stdout == "127.0.0.0/8 is blocked\n"
    client = await Client.of(proxy)
    assert (await client.reply()).startswith("421 4.7.0 ")
    await asyncio.sleep(0.2)  # the store writes behind the loop's back
    proxy.kill()
    await proxy.start()
    assert (await (await Client.of(proxy)).reply()).startswith("421 4.7.0 ")
    [entry] = await proxy.ask("block", "list")
    assert (entry["network"], entry["who"], entry["comment"]) == (
        "127.0.0.0/8",
        "operator",
        "a test",
    )
    await asyncio.to_thread(proxy.run, "block", "remove", ADDRESS)
    assert (await (await Client.of(proxy)).reply()).startswith("421")  # a part is not the whole
    await asyncio.to_thread(proxy.run, "block", "remove", "127.0.0.0/8")
    assert (await (await Client.of(proxy)).reply()) == "220 backend"
    text = (await asyncio.to_thread(proxy.run, "log", "--function", "blocked")).stdout
    assert "block of 127.0.0.0/8 by blocked started until" in text
    assert "block of 127.0.0.0/8 by blocked stopped: removed" in text


SLOW_STORE = """
import asyncio
from sender_filter.state import Keeper
start = Keeper.start
async def take_its_time(self):
    await asyncio.sleep(1)
    await start(self)
Keeper.start = take_its_time
"""


async def test_nobody_is_judged_before_what_was_kept_is_there(proxy):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        backend = await Postfix().start()
        proxy.configure(backend.port)
        await proxy.start(sockets=[listener])
        await asyncio.to_thread(proxy.run, "block", "add", ADDRESS)
        await asyncio.sleep(0.2)  # the store writes behind the loop's back
        proxy.kill()
        waiting = asyncio.open_connection(*listener.getsockname(), local_addr=(ADDRESS, 0))
        reader, writer = await waiting
        await proxy.start(sockets=[listener], change=SLOW_STORE)
        assert (await reader.readline()).startswith(b"554 5.7.1 ")
        writer.close()


async def test_an_approval_at_run_time_goes_before_the_blocked_list(proxy):
    proxy.write_lists(blocked="127.0.0.2\n")
    await started(proxy, Postfix(), "")
    assert (await (await Client.of(proxy)).reply()).startswith("554")
    await asyncio.to_thread(proxy.run, "approve", "add", ADDRESS)
    assert (await (await Client.of(proxy)).reply()) == "220 backend"


@pytest.mark.parametrize("network", [ADDRESS, "127.0.0.0/8"])
async def test_an_approval_for_a_time_counts_at_once_outlives_a_kill_and_ends(proxy, network):
    proxy.write_lists(blocked=f"{ADDRESS}\n")
    await started(proxy, Postfix(), "")
    approve = ("approve", "add", network, "--comment", "a partner", "--for")
    await asyncio.to_thread(proxy.run, *approve, "1h")
    assert await (await Client.of(proxy)).reply() == "220 backend"
    explained = (await proxy.ask("check", ADDRESS))["checks"][0]["detail"]
    assert explained == f"{network} (operator: a partner)"
    await asyncio.sleep(0.2)  # the store writes behind the loop's back
    proxy.kill()
    await proxy.start()
    [entry] = await proxy.ask("approve", "list")
    assert (entry["network"], entry["comment"]) == (network, "a partner")
    assert await (await Client.of(proxy)).reply() == "220 backend"
    await asyncio.to_thread(proxy.run, *approve, "1s")
    await asyncio.sleep(1)
    assert (await (await Client.of(proxy)).reply()).startswith("554")


async def test_whom_an_operator_approves_is_no_longer_counted_in_a_session_that_goes_on(proxy):
    rule = '[profiler.spam]\nenabled = "on"\ntotal_messages = 2\n'
    await started(proxy, Postfix(), HARVEST.format("on") + rule + MESSAGES)
    client = await Client.of(proxy)
    assert (await client.deliver(received("192.0.2.1")))[4] == "250 2.0.0 Ok: queued as Q1"
    await asyncio.to_thread(proxy.run, "approve", "add", ADDRESS)
    for number in range(2, 5):
        assert await client.say("MAIL FROM:<a@example.test>") == "250 2.1.0 Ok"
        for unknown in range(3):
            assert (await client.say(f"RCPT TO:<no{unknown}@example.test>"))[:3] == "550"
        await client.say("RCPT TO:<b@example.test>")
        await client.say("DATA")
        assert await client.say(received("192.0.2.1")) == f"250 2.0.0 Ok: queued as Q{number}"
    for number in range(1, 5):
        await scanned(proxy, f"Q{number}", ADDRESS)
    assert (await proxy.status())["profiles"] == 0
    assert await proxy.ask("block", "list") == []


async def test_whom_an_operator_approves_is_no_longer_refused_for_its_sender(proxy):
    await started(proxy, Postfix(), MESSAGES)
    client = await Client.of(proxy)
    ends = [(await client.deliver(received("192.0.2.1")))[4]]
    envelope = ("MAIL FROM:<a@example.test>", "RCPT TO:<b@example.test>", "DATA")

    async def sent():
        for line in envelope:
            await client.say(line)
        return await client.say(received("192.0.2.1"))

    ends.append(await sent())
    await asyncio.to_thread(proxy.run, "approve", "add", ADDRESS)
    ends.append(await sent())
    assert [end[:3] for end in ends] == ["250", "250", "250"]


async def test_an_approved_origins_message_is_not_refused_for_its_sender(proxy):
    proxy.write_lists(approved="192.0.2.1\n")
    await started(proxy, Postfix(), KNOWN_HOSTS + MESSAGES)
    origins = ["192.0.2.9"] * 3 + ["192.0.2.1"]
    ends = [(await (await Client.of(proxy)).deliver(received(each)))[4] for each in origins]
    assert [end[:3] for end in ends] == ["250", "250", "450", "250"]


async def test_a_senders_block_outlives_a_kill_until_an_operator_takes_it_back(proxy):
    await started(proxy, Postfix(), MESSAGES)

    async def sent():
        return (await (await Client.of(proxy)).deliver(received("192.0.2.1")))[4][:3]

    assert [await sent() for _ in range(3)] == ["250", "250", "450"]
    await asyncio.sleep(0.2)  # the store writes behind the loop's back
    proxy.kill()
    await proxy.start()
    assert await sent() == "450"
    [entry] = await proxy.ask("block", "list")
    assert (entry["network"], entry["who"]) == ("<a@example.test>", "throttling")
    said = await asyncio.to_thread(proxy.run, "block", "remove", "a@example.test")
    assert said.stdout == "<a@example.test> is released\n"
    assert await sent() == "250"
    text = (await asyncio.to_thread(proxy.run, "log", "--function", "throttling")).stdout
    assert "block of <a@example.test> by throttling started until" in text
    assert "block of <a@example.test> by throttling stopped: removed" in text


@pytest.mark.parametrize("mode", ["on", "shadow"])
async def test_who_harvests_addresses_is_blocked_across_connections(proxy, mode):
    await started(proxy, Postfix(), HARVEST.format(mode))
    for number in range(6):
        client = await Client.of(proxy)
        assert await client.reply() == "220 backend"
        await client.say("MAIL FROM:<a@example.test>")
        assert (await client.say(f"RCPT TO:<no{number}@example.test>")).startswith("550 5.1.1")
        assert (await client.say("QUIT")).startswith("221")
        assert await client.reply() == ""
        await asyncio.sleep(0.05)
        text = (await asyncio.to_thread(proxy.run, "log", "--function", "profiler")).stdout
        if text:
            break
    assert "block of 127.0.0.2 by profiler started until" in text
    assert "harvest: " in text
    assert ("nobody is blocked" in text) == (mode == "shadow")
    greeting = await (await Client.of(proxy)).reply()
    assert greeting.startswith("421 4.7.0 " if mode == "on" else "220")
    assert (await proxy.ask("check", ADDRESS))["action"] == (
        "temporary" if mode == "on" else "pass"
    )


async def test_behind_a_known_host_the_origin_is_judged_and_nothing_half_delivered(proxy):
    postfix = Postfix()
    proxy.write_lists(blocked="203.0.113.7\n")
    await started(proxy, postfix, KNOWN_HOSTS)
    replies = await (await Client.of(proxy)).deliver(
        received("10.0.0.8", "203.0.113.7", "192.0.2.1")
    )
    assert replies[:3] == ["220 backend", "250 2.1.0 Ok", "250 2.1.0 Ok"]
    assert replies[3] == "354 go on"
    assert replies[4].startswith("554 5.7.1 ")
    assert postfix.messages == []
    clean = received("10.0.0.8", "198.51.100.7")
    replies = await (await Client.of(proxy)).deliver(clean)
    assert replies[4] == "250 2.0.0 Ok: queued as Q1"
    assert postfix.messages == [clean.encode() + b"\r\n"]
    assert postfix.lost == 1
    refused, passed = await judged_by_headers(proxy, 2)
    assert (refused["address"], refused["peer"], refused["hop"]) == ("203.0.113.7", ADDRESS, 2)
    assert (refused["function"], refused["action"]) == ("blocked", "permanent")
    walk = [(hop["number"], hop["address"], hop.get("known", False)) for hop in refused["walk"]]
    assert walk == [(1, "10.0.0.8", True), (2, "203.0.113.7", False)]
    assert refused["walk"][1]["header"].startswith("from h1.example.test (h1.example.test [203.")
    assert (passed["address"], passed["action"]) == ("198.51.100.7", "pass")


async def test_a_judgement_that_fails_lets_the_message_pass(proxy):
    postfix = Postfix()
    await postfix.start()
    proxy.configure(postfix.port, more=KNOWN_HOSTS)
    broken = (
        "from sender_filter.core.received import source\n"
        "def walk(*_): raise RuntimeError('broken on purpose')\n"
        "source.walk = walk\n"
    )
    await proxy.start(change=broken)
    replies = await (await Client.of(proxy)).deliver(received("203.0.113.7"))
    assert replies[4] == "250 2.0.0 Ok: queued as Q1"
    await proxy.says("a message could not be judged, and passes")


@pytest.mark.skipif(rbldnsd.PROGRAM is None, reason="rbldnsd is not installed")
async def test_a_listed_origin_is_refused_with_the_lists_own_words(proxy, zones):
    postfix = Postfix()
    await started(proxy, postfix, KNOWN_HOSTS + REPUTATION.format(zones.address))
    replies = await (await Client.of(proxy)).deliver(received("198.51.100.7"))
    assert replies[4] == (
        "550 5.7.1 Service unavailable; client [198.51.100.7] blocked using ip4.test; An open relay"
    )
    assert postfix.messages == []
    explained = await proxy.ask("check", "198.51.100.7")
    assert (explained["function"], explained["action"]) == ("reputation", "permanent")
    assert explained["checks"][-1]["cache"] == "hit"
    proposed = await proxy.ask("check", "192.0.2.9", "--config", str(proxy.config))
    assert (proposed["function"], proposed["action"]) == ("reputation", "permanent")


@pytest.mark.skipif(rbldnsd.PROGRAM is None, reason="rbldnsd is not installed")
async def test_a_listed_client_is_refused_alike_whether_the_list_is_asked_or_not(proxy, zones):
    postfix = await Postfix().start()
    proxy.configure(postfix.port, more=REPUTATION.format(zones.address))
    await proxy.start(change=ASK_ABOUT_LOOPBACK)
    [port] = await proxy.ports()
    heard = []
    for _ in range(2):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=("127.0.0.2", 0)
        )
        greeting = await reader.readline()
        writer.write(b"QUIT\r\n")
        heard.append(greeting + await reader.read())
        writer.close()
    assert heard[0].startswith(b"550 5.7.1 ")
    assert heard[0].endswith(b"\r\n221 2.0.0 Bye\r\n")
    assert heard[1] == heard[0]
    asked, kept = await proxy.written(2)
    assert [each["checks"][-1]["cache"] for each in (asked, kept)] == ["miss", "hit"]
    assert asked["reply"] == kept["reply"]
    assert (await proxy.status())["sessions"] == 0


@pytest.mark.skipif(rbldnsd.PROGRAM is None, reason="rbldnsd is not installed")
async def test_a_domain_on_a_list_stands_for_its_hosts_and_those_that_take_its_mail(proxy, zones):
    postfix = Postfix()
    proxy.write_lists(blocked="# who\nList.Names.test temporary\n")
    servers = f'[reputation]\nservers = ["{zones.address}"]\n'
    await started(proxy, postfix, KNOWN_HOSTS + servers)
    for address in ("203.0.113.20", "203.0.113.21"):
        while (found := await proxy.ask("check", address))["function"] != "blocked":
            await asyncio.sleep(0.05)
        assert found["checks"][-1]["detail"] == f"{address} ({proxy.lists['blocked']}:2)"
        replies = await (await Client.of(proxy)).deliver(received(address))
        assert replies[4].startswith("421 4.7.0 ")
    assert (await proxy.ask("check", "203.0.113.22"))["function"] == "none"
    zones.stop()
    proxy.signal(signal.SIGHUP)
    await proxy.hears("RELOADING=1")
    await proxy.hears("READY=1")
    assert (await proxy.ask("check", "203.0.113.20"))["function"] == "blocked"
    assert postfix.messages == []


async def test_a_reload_asks_other_servers_for_the_domains_on_the_lists(proxy):
    old, new = LyingDns(), LyingDns()
    new.codes["spam.test"] = (ADDRESS,)
    proxy.write_lists(blocked="spam.test\n")
    await started(proxy, Postfix(), f'[reputation]\nservers = ["{old.address}"]\n')
    while not old.asked:
        await asyncio.sleep(0.05)
    proxy.config.write_text(proxy.config.read_text().replace(old.address, new.address))
    proxy.signal(signal.SIGHUP)
    while (await proxy.ask("check", ADDRESS))["function"] != "blocked":
        await asyncio.sleep(0.05)
    assert "cannot be looked up" not in proxy.stderr.read_text()
    old.close()
    new.close()


async def test_who_connects_too_often_is_blocked_for_a_while(proxy):
    await started(proxy, Postfix(), CONNECTIONS)
    greetings = [await (await Client.of(proxy)).reply() for _ in range(4)]
    assert greetings[:3] == ["220 backend"] * 3
    assert greetings[3].startswith("421")
    await asyncio.sleep(3.2)
    assert await (await Client.of(proxy)).reply() == "220 backend"
    text = (await asyncio.to_thread(proxy.run, "log", "--function", "throttling")).stdout
    assert "by throttling started until" in text
    assert "by throttling stopped: over" in text


async def test_who_comes_many_times_at_once_while_a_list_is_asked_is_blocked_as_soon(proxy, dns):
    postfix = await Postfix().start()
    proxy.configure(postfix.port, more=CONNECTIONS + REPUTATION.format(dns.address))
    await proxy.start(change=ASK_ABOUT_LOOPBACK)
    await trusted(proxy)
    [port] = await proxy.ports()
    dns.delay = 0.2

    async def greeting():
        source = ("127.0.0.3", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=source)
        return await Client(reader, writer).reply()

    greetings = await asyncio.gather(*(greeting() for _ in range(10)))
    assert sorted(each[:3] for each in greetings) == ["220"] * 3 + ["421"] * 7


async def test_this_hosts_own_probes_are_neither_counted_nor_throttled(proxy):
    await started(proxy, Postfix(), CONNECTIONS)
    for _ in range(6):
        reader, writer = await proxy.connect(local_addr=("127.0.0.1", 0))
        assert await reader.readline() == b"220 backend\r\n"
        writer.close()


async def test_a_sender_that_sends_too_much_is_refused_by_the_message(proxy):
    postfix = Postfix()
    await started(proxy, postfix, MESSAGES)
    ends = [(await (await Client.of(proxy)).deliver(received("192.0.2.1")))[4] for _ in range(3)]
    assert [end[:3] for end in ends] == ["250", "250", "450"]
    assert len(postfix.messages) == 2


async def test_a_sender_gets_no_more_by_other_spellings_and_postfix_gets_them_unchanged(proxy):
    postfix = Postfix()
    await started(proxy, postfix, MESSAGES)
    ends = []
    for sender in ("u@example.test", r'"\u"@Example.test', r"\u@example.test."):
        client = await Client.of(proxy)
        ends.append((await client.deliver(received("192.0.2.1"), sender))[4][:3])
    assert ends == ["250", "250", "450"]
    assert postfix.senders == [
        b"<u@example.test>", rb'<"\u"@Example.test>', rb"<\u@example.test.>",
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["on", "shadow"])
async def test_what_the_scan_service_finds_counts_once_against_the_client(proxy, mode):
    rule = f'[profiler.spam]\nenabled = "{mode}"\ntotal_messages = 2\nrate_percent = 50\n'
    await started(proxy, Postfix(), rule)
    for _ in range(3):
        await (await Client.of(proxy)).deliver(received("192.0.2.1"))

    for queue_id in ("Q1", "Q1", "Q1"):
        await scanned(proxy, queue_id)
    assert (await proxy.ask("profile", ADDRESS))["rows"] == []
    await scanned(proxy, "Q2")
    [row] = (await proxy.ask("profile", ADDRESS))["rows"]
    assert (row["rule"], row["bad"], row["total"], row["violated"]) == ("spam", 2, 3, True)
    greeting = await (await Client.of(proxy)).reply()
    assert greeting.startswith("421" if mode == "on" else "220")
    await scanned(proxy, "Q77", "192.0.2.9")  # another process has taken this one
    assert (await proxy.status())["profiles"] == 2


async def figures(port):
    """What Prometheus gets, as soon as it gets anything."""
    url = f"http://127.0.0.1:{port}/metrics"
    while True:
        with contextlib.suppress(OSError):
            reply = await asyncio.to_thread(urllib.request.urlopen, url, timeout=5)
            return reply.read().decode()
        await asyncio.sleep(0.05)


def test_who_has_no_figures_fetched_has_not_loaded_the_library():
    program = "import sys, sender_filter.io.worker; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_prometheus_gets_the_figures_and_a_restart_gets_the_port(proxy):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    proxy.write_lists(blocked="192.0.2.0/24\n")
    await started(proxy, Postfix(), f'[metrics]\naddress = "127.0.0.1:{port}"\n')
    assert await (await Client.of(proxy)).reply() == "220 backend"
    text = await figures(port)
    assert 'sender_filter_decisions_total{action="pass",function="none"} 1.0' in text
    assert 'sender_filter_list_entries{list="blocked"} 1.0' in text
    assert "sender_filter_state_kept 1.0" in text
    proxy.kill()
    await proxy.start()
    assert "sender_filter_sessions 0.0" in await figures(port)
