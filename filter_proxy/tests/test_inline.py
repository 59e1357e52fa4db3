"""Topology inline as the Postfix before it and the Postfix behind it see the filter."""

import asyncio
import contextlib
import json
import signal
import socket

import pytest
import rbldnsd
from harness import Backend, Filter
from test_functions import HARVEST, KNOWN_HOSTS, REPUTATION, figures

CLIENT = "192.0.2.7"
OFFER = (
    b"250-mx.example.com\r\n250-PIPELINING\r\n"
    b"250-XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT\r\n250 8BITMIME\r\n"
)
CONNECTIONS = """
[throttling]
mode = "on"
[throttling.address]
most_connections = 2
"""


class Reentry(Backend):
    """The Postfix behind the filter: it wants XFORWARD, and knows no recipient ``no...``."""

    def __init__(self, greeting=b"220 mx.example.com ESMTP Postfix\r\n", offer=OFFER):
        super().__init__(self._talk)
        self.greeting = greeting
        self.offer = offer
        self.introductions = []
        self.envelopes = []
        self.messages = []
        self.closes_after = None

    async def _serve(self, reader, writer):
        self.introductions.append([])
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self.talk(reader, writer)
        writer.close()

    async def _talk(self, reader, writer):
        writer.write(self.greeting)
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb in (b"EHLO", b"XFOR"):
                self.introductions[-1].append(line.decode().strip())
            if verb == self.closes_after:
                return
            writer.write(await self._reply(verb, line, reader))

    async def _reply(self, verb, line, reader):
        if verb == b"EHLO":
            return self.offer
        if verb == b"DATA":
            return b"354 go on\r\n"
        if verb in (b"MAIL", b"RCPT"):
            self.envelopes.append(line.decode().strip())
            if line.upper().startswith(b"RCPT TO:<NO"):
                return b"550 5.1.1 <x>: Recipient address rejected: User unknown\r\n"
            return b"250 2.1.5 Ok\r\n"
        if verb in (b"XFOR", b"QUIT"):
            return b"250 2.0.0 Ok\r\n"
        await self._content(line, reader)
        return b"250 2.0.0 Ok: queued as Q%d\r\n" % len(self.messages)

    async def _content(self, content, reader):
        while not content.endswith(b"\r\n.\r\n"):
            content += await reader.readexactly(1)
        self.messages.append(content.decode())


class Smtpd:
    """The Postfix before the filter (``smtpd_proxy.c``): one connection for each message."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def of(cls, proxy, address=CLIENT, port=51326, more=""):
        self = cls(*await asyncio.open_connection("127.0.0.1", proxy.port))
        assert (await self.reply()).startswith("220 ")
        offer = await self.say("EHLO mx.example.com")
        assert "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE" in offer
        self.xforward = f"XFORWARD NAME=client.example.net ADDR={address} PORT={port}{more}"
        assert await self.say(self.xforward) == "250 2.0.0 Ok"
        return self

    async def reply(self):
        lines = []
        while not lines or lines[-1][3:4] == "-":
            lines.append((await self.reader.readline()).decode().strip())
        return "\n".join(lines)

    async def say(self, line):
        self.writer.write(line.encode() + b"\r\n")
        return await self.reply()

    async def envelope(self, *recipients):
        """The replies to MAIL and each RCPT."""
        lines = ("MAIL FROM:<a@example.net>", *(f"RCPT TO:<{each}>" for each in recipients))
        return [await self.say(line) for line in lines]

    async def deliver(self, content, *recipients):
        """The last reply: to the end of data, or the one that there was instead."""
        reply = (replies := await self.envelope(*(recipients or ("b@example.com",))))[-1]
        if any(reply.startswith("250") for reply in replies[1:]):
            assert await self.say("DATA") == "354 go on"
            reply = await self.say(content)
        self.leave()
        return reply

    def leave(self):
        """QUIT, without waiting for the answer."""
        self.writer.write(b"QUIT\r\n")
        self.writer.close()


def message(*addresses, own=CLIENT):
    """A message with the field of the Postfix before the filter, and one a host it came through."""
    hops = [
        f"Received: from helo{n}.example.net (h{n}.example.net [{address}])\r\n"
        f"\tby mx{n}.example.com (Postfix) with ESMTP id 4ABC{n}\r\n"
        "\tfor <b@example.com>; Tue, 24 Nov 2026 10:00:00 +0000 (UTC)"
        for n, address in enumerate((own, *addresses))
    ]
    return "\r\n".join([*hops, "Subject: x", "", "..body", "."])


async def configured(proxy, backend, more=""):
    await backend.start()
    proxy.configure(
        1,  # the edge's Postfix is not there
        listen='"192.0.2.1:1"',
        more=f'[inline]\naddress = "127.0.0.1:0"\nupstream = "127.0.0.1:{backend.port}"\n'
        f'control = "{proxy.directory}/inline"\n{more}',
    )
    return proxy


async def started(proxy, backend, more="", change=""):
    await configured(proxy, backend, more)
    await proxy.start("--inline", change=change)
    [proxy.port] = await proxy.ports()


async def decisions(proxy, count):
    """The decisions, once there are so many."""
    while True:
        lines = [line for file in proxy.records.glob("*.jsonl") for line in file.open()]
        found = [each for each in map(json.loads, lines) if each["event"] == "decision"]
        if len(found) >= count:
            assert len(found) == count
            return found
        await asyncio.sleep(0.02)


async def test_a_message_passes_and_the_next_postfix_knows_the_client(proxy):
    backend = Reentry()
    await started(proxy, backend)
    more = " HELO=a_b.example IDENT=4ABC+2B PROTO=ESMTP SOURCE=REMOTE"
    smtpd = await Smtpd.of(proxy, "IPV6:2001:db8::1", more=more)
    content = message(own="IPv6:2001:db8::1")
    assert await smtpd.deliver(content, "b@example.com", "c@example.com") == (
        "250 2.0.0 Ok: queued as Q1"
    )
    assert backend.introductions == [["EHLO mx.example.com", smtpd.xforward]]
    assert backend.envelopes == [
        "MAIL FROM:<a@example.net>", "RCPT TO:<b@example.com>", "RCPT TO:<c@example.com>",
    ]  # fmt: skip
    assert backend.messages == [content + "\r\n"]
    decision, session = await proxy.written(2)
    assert (decision["address"], decision["port"]) == ("2001:db8::1", 51326)
    assert (decision["found"], decision["function"], decision["action"]) == (
        "xforward", "none", "pass",
    )  # fmt: skip
    assert [check["function"] for check in decision["checks"]] == [
        "approved",
        "blocked",
        "upstream",
    ]
    assert (session["session"], session["address"]) == (decision["session"], "2001:db8::1")
    status = await proxy.status()
    assert (status["front"], status["relayed"], status["upstream"]["healthy"]) == (
        "inline", 1, True,
    )  # fmt: skip
    assert "(inline)" in (await asyncio.to_thread(proxy.run, "status")).stdout


@pytest.mark.parametrize(
    ("entry", "code"), [("192.0.2.7\n", "550 5.7.1 "), ("192.0.2.7 temporary\n", "450 4.7.0 ")]
)
async def test_a_blocked_client_is_refused_at_each_recipient(proxy, entry, code):
    backend = Reentry()
    proxy.write_lists(blocked=entry)
    await started(proxy, backend)
    smtpd = await Smtpd.of(proxy)
    replies = await smtpd.envelope("b@example.com", "c@example.com", "no@example.com")
    assert replies[0] == "250 2.1.0 Ok"
    assert len(replies) == 4
    assert all(reply.startswith(code) and "[192.0.2.7]" in reply for reply in replies[1:])
    assert (await smtpd.say("DATA")).startswith("503 ")
    assert await smtpd.say("QUIT") == "221 2.0.0 Bye"
    assert await smtpd.reader.read() == b""
    assert backend.introductions == []
    [record] = await proxy.written(1)
    assert (record["address"], record["found"], record["function"]) == (
        CLIENT, "xforward", "blocked",
    )  # fmt: skip
    assert record["reply"].startswith(code)
    assert (await proxy.ask("check", CLIENT))["reply"].startswith(code)
    assert (await (await Smtpd.of(proxy, "192.0.2.8")).deliver(message())).startswith("250 ")


@pytest.mark.skipif(rbldnsd.PROGRAM is None, reason="rbldnsd is not installed")
async def test_a_client_on_a_block_list_is_refused_in_the_lists_words(proxy, tmp_path):
    folder = tmp_path / "zones"
    folder.mkdir()
    for each in (tmp_path, folder):
        each.chmod(0o755)
    zones = rbldnsd.Rbldnsd(folder)
    try:
        backend = Reentry()
        await started(proxy, backend, REPUTATION.format(zones.address))
        replies = await (await Smtpd.of(proxy, "198.51.100.7")).envelope("b@example.com")
        assert replies[1].startswith("550 5.7.1 ")
        assert replies[1].endswith("blocked using ip4.test; An open relay")
        assert backend.introductions == []
    finally:
        zones.stop()


async def test_behind_a_known_host_the_refusal_is_the_answer_to_the_message(proxy):
    backend = Reentry()
    proxy.write_lists(blocked="203.0.113.7\n203.0.113.8 temporary\n")
    await started(proxy, backend, KNOWN_HOSTS + 'networks = ["192.0.2.7"]\n')
    smtpd = await Smtpd.of(proxy)
    assert (await smtpd.deliver(message("10.0.0.8", "203.0.113.7"))).startswith("550 5.7.1 ")
    later = await (await Smtpd.of(proxy)).deliver(message("203.0.113.8"))
    assert later.startswith("450 4.7.0 ")  # with 421 Postfix would hang up on its client
    assert backend.messages == []
    assert (await (await Smtpd.of(proxy)).deliver(message("198.51.100.7"))).startswith("250 ")
    assert (await (await Smtpd.of(proxy)).deliver(message())).startswith("250 ")
    assert len(backend.messages) == 2
    found = [each for each in await decisions(proxy, 8) if each["found"] != "xforward"]
    assert [(each["address"], each.get("hop", 0), each["found"]) for each in found] == [
        ("203.0.113.7", 2, "received"),
        ("203.0.113.8", 1, "received"),
        ("198.51.100.7", 1, "received"),
        (CLIENT, 0, "none"),
    ]
    assert {each.get("peer") for each in found} == {CLIENT, None}


async def test_recipients_that_the_next_postfix_does_not_know_are_counted(proxy):
    await started(proxy, Reentry(), HARVEST.format("on"))
    for name in ("b", "no1", "no2"):
        await (await Smtpd.of(proxy)).deliver(message(), f"{name}@example.com")
    while not (blocked := await proxy.ask("block", "list")):
        await asyncio.sleep(0.02)  # what a session has left counts when it is over
    assert [(each["network"], each["who"]) for each in blocked] == [(CLIENT, "profiler")]
    replies = await (await Smtpd.of(proxy)).envelope("b@example.com")
    assert replies[1].startswith("450 4.7.0 ")


async def test_messages_of_one_connection_of_the_client_are_counted_as_one(proxy):
    await started(proxy, Reentry(), CONNECTIONS)
    for _ in range(4):
        assert (await (await Smtpd.of(proxy, port=1)).deliver(message())).startswith("250 ")
    assert (await (await Smtpd.of(proxy, port=2)).deliver(message())).startswith("250 ")
    replies = await (await Smtpd.of(proxy, port=3)).envelope("b@example.com")
    assert replies[1].startswith("450 4.7.0 ")


@pytest.mark.parametrize("address", ["127.0.0.1", "IPV6:::1", "[UNAVAILABLE]", "own"])
async def test_what_this_host_itself_sends_is_neither_judged_nor_counted(proxy, address):
    if address == "own":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))
            except OSError:
                pytest.skip("this host has no address but loopback")
            address = probe.getsockname()[0]
    backend = Reentry()
    await started(proxy, backend, CONNECTIONS + KNOWN_HOSTS)
    for port in range(5):
        smtpd = await Smtpd.of(proxy, address, port)
        assert (await smtpd.deliver(message("203.0.113.7"))).startswith("250 ")
    assert len(backend.messages) == 5
    assert backend.introductions[-1][1] == smtpd.xforward
    found = {each["found"] for each in await decisions(proxy, 5)}
    assert found == {"peer" if address == "[UNAVAILABLE]" else "xforward"}


NO_XFORWARD = "it offers no XFORWARD: see smtpd_authorized_xforward_hosts"


async def refused_for_now(proxy, detail):
    replies = await (await Smtpd.of(proxy)).envelope("b@example.com", "c@example.com")
    assert [reply[:10] for reply in replies] == ["250 2.1.0 ", "451 4.3.2 ", "451 4.3.2 "]
    [record] = await proxy.written(1)
    assert (record["function"], record["action"]) == ("upstream", "temporary")
    assert record["checks"][-1]["detail"] == detail
    assert (await proxy.status())["upstream"]["healthy"] is False


@pytest.mark.parametrize(
    ("spoken", "detail"),
    [
        ({"greeting": b"421 4.3.2 Busy\r\n"}, "greeting was answered with 421 Busy"),
        ({"greeting": b""}, "no answer in 2.0 s"),
        ({"offer": b"250 mx.example.com\r\n"}, NO_XFORWARD),
    ],
)
async def test_a_postfix_that_cannot_be_told_the_client_gets_no_mail(proxy, spoken, detail):
    backend = Reentry(**spoken)
    await started(proxy, backend)
    await refused_for_now(proxy, detail)
    assert backend.envelopes == []


async def test_while_the_next_postfix_is_away_each_recipient_has_to_wait(proxy):
    backend = Reentry()
    await started(proxy, backend)
    backend.stop()
    await refused_for_now(proxy, "Connection refused")
    await backend.start()
    assert (await (await Smtpd.of(proxy)).deliver(message())).startswith("250 ")
    assert (await proxy.status())["upstream"]["healthy"] is True


async def test_a_postfix_that_leaves_after_mail_is_a_temporary_failure(proxy):
    backend = Reentry()
    backend.closes_after = b"MAIL"
    await started(proxy, backend)
    caller = await Smtpd.of(proxy)
    [reply] = await caller.envelope()
    assert reply.startswith("451 4.3.2 ")
    caller.leave()
    _, session = await proxy.written(2)
    assert (session["ended"], session["reply"][:4]) == ("upstream_closed", "451 ")


async def test_more_transactions_than_the_limit_have_to_wait(proxy):
    await started(proxy, Reentry(), "[limits]\nsessions = 1\n")
    held = await Smtpd.of(proxy)
    assert (await held.envelope("b@example.com"))[1].startswith("250")
    replies = await (await Smtpd.of(proxy, port=2)).envelope("b@example.com")
    assert replies[1].startswith("451 4.3.2 ")
    held.writer.close()


async def test_more_callers_than_the_limit_are_not_greeted(proxy):
    await started(proxy, Reentry(), "[limits]\nsessions = 1\n")
    waiting = await Smtpd.of(proxy)
    reader, _ = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await reader.read() == b""
    assert (await waiting.deliver(message())).startswith("250 ")
    assert len(await (await Smtpd.of(proxy)).envelope("b@example.com")) == 2


@pytest.mark.parametrize("address", [CLIENT, "[UNAVAILABLE]"])
async def test_how_many_and_how_slow_a_client_is_was_for_the_postfix_in_front_to_say(
    proxy, address
):
    backend = Reentry()
    change = "from sender_filter.io import limits\nlimits.ROUND_SECONDS = 0.1\n"
    limits = "[limits]\nsessions = 3\nsessions_per_address = 1\nidle_seconds = 0.2\n"
    await started(proxy, backend, limits, change)
    held = [await Smtpd.of(proxy, address, port) for port in range(1, 4)]
    for smtpd in held:
        assert (await smtpd.envelope("b@example.com"))[1].startswith("250 ")
    await asyncio.sleep(1)
    for smtpd in held:
        assert await smtpd.say("DATA") == "354 go on"
        assert (await smtpd.say(message())).startswith("250 ")
    assert len(backend.messages) == 3


async def test_a_stop_lets_a_transaction_end(proxy):
    backend = Reentry()
    await started(proxy, backend)
    begun, met = await Smtpd.of(proxy), await Smtpd.of(proxy)
    assert len(await begun.envelope("b@example.com")) == 2
    proxy.signal(signal.SIGTERM)
    await proxy.hears("STOPPING=1")
    assert await begun.say("DATA") == "354 go on"
    assert (await begun.say(message())).startswith("250 ")
    begun.writer.close()
    await asyncio.sleep(0.3)
    assert (await met.deliver(message())).startswith("250 ")
    assert await proxy.stopped() == 0
    assert len(backend.messages) == 2
    assert not (proxy.directory / "inline").exists()


async def test_a_second_stop_cuts_who_has_said_nothing(proxy):
    await started(proxy, Reentry())
    smtpd = await Smtpd.of(proxy)
    proxy.signal(signal.SIGTERM)
    await proxy.hears("STOPPING=1")
    proxy.signal(signal.SIGTERM)
    assert await asyncio.wait_for(proxy.stopped(), 3) == 0
    assert await smtpd.reader.read() == b""


async def test_who_does_not_come_to_mail_is_told_and_left(proxy):
    change = "from sender_filter.io import inline\ninline.PROLOGUE_SECONDS = 0.2\n"
    await started(proxy, Reentry(), change=change)
    smtpd = await Smtpd.of(proxy)
    assert (await smtpd.reader.read()).startswith(b"421 4.4.2 ")
    smtpd = await Smtpd.of(proxy)
    assert len(await smtpd.envelope("b@example.com")) == 2
    await asyncio.sleep(0.5)
    assert await smtpd.say("DATA") == "354 go on"


async def test_both_fronts_run_beside_each_other_and_share_what_they_know(proxy, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        metrics = probe.getsockname()[1]
    postfix = await Backend().start()
    await configured(proxy, Reentry(), f'[metrics]\naddress = "127.0.0.1:{metrics}"\n')
    config = proxy.config.read_text()
    config = config.replace('"127.0.0.1:1"', f'"127.0.0.1:{postfix.port}"')
    proxy.config.write_text(config.replace('"192.0.2.1:1"', '"127.0.0.1:0"'))
    await proxy.start()
    (tmp_path / "inline-notify").mkdir()
    inline = Filter(tmp_path / "inline-notify")
    inline.config = proxy.config
    try:
        await inline.start("--inline")
        assert (await proxy.status())["front"] == "edge"
        assert "sender_filter_sessions" in await figures(metrics)
        await asyncio.to_thread(proxy.run, "block", "add", CLIENT)
        await asyncio.sleep(2.5)  # each sees within a second what the other has written
        proxy.kill()
        assert (await proxy.status())["front"] == "inline"
        [proxy.port] = await proxy.ports()
        [entry] = await proxy.ask("block", "list")
        assert (entry["network"], entry["who"]) == (CLIENT, "operator")
        smtpd = await Smtpd.of(proxy)
        assert (await smtpd.envelope("b@example.com"))[1].startswith("550 5.7.1 ")
        await asyncio.sleep(1.5)
        assert "sender_filter_sessions" in await figures(metrics)
    finally:
        inline.kill()


async def test_a_socket_that_strangers_can_reach_is_not_served(proxy):
    await configured(proxy, Reentry())
    proxy.stderr.touch()
    with socket.create_server(("0.0.0.0", 0)) as open_to_all:
        starting = asyncio.create_task(proxy.start("--inline", sockets=[open_to_all]))
        await proxy.says("is not on loopback: a stranger could claim any client address")
        starting.cancel()
    assert await proxy.stopped() == 1
    with socket.create_server(("127.0.0.1", 0)) as ours:
        await proxy.start("--inline", sockets=[ours])
        assert await proxy.ports() == [ours.getsockname()[1]]
