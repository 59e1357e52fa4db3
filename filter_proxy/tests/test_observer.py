"""The observer of a session: for whom a message is judged, and to whom a transaction is counted."""

import asyncio

import pytest

from sender_filter.core import addresses
from sender_filter.core.smtp.events import ToClient, ToServer
from sender_filter.io.observer import Interests, Observer, Verdict

CLIENT, ORIGIN, OTHER = map(addresses.parse, ("198.51.100.7", "192.0.2.1", "203.0.113.7"))
HELLO = b"250-mx.example.com\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
ENVELOPE = b"MAIL FROM:<%b@example.net>\r\nRCPT TO:<b@example.com>\r\n"
ENVELOPE_TAKEN = b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n"
CONTENT = b"A: b\r\n\r\nText\r\n"
CHUNK = b"BDAT %d LAST\r\n%b" % (len(CONTENT), CONTENT)


class Watched:
    """An observer behind EHLO; ``verdicts`` are given one after the other."""

    def __init__(self, subject, *verdicts):
        self.verdicts = list(verdicts)
        self.judged = []
        self.counted = []
        self.carried = []
        interests = Interests(self.count, self.judge, lambda _: None)
        self.observer = Observer(
            subject, interests, self.carried.extend, greeted=False, ends_tls=False
        )
        self.observer.from_server(b"220 mx.example.com\r\n")
        self.observer.from_client(b"EHLO client.example.net\r\n")
        self.observer.from_server(HELLO)

    def count(self, subject, transaction):
        self.counted.append((subject, transaction.sender, transaction.outcome))

    async def judge(self, section, sender):
        self.judged.append((section, sender))
        return Verdict(self.verdicts.pop(0), None)

    async def client(self, data):
        """The client sends something, and what is to be judged then is judged."""
        self.observer.from_client(data)
        await self.settle()

    async def server(self, data):
        self.observer.from_server(data)
        await self.settle()

    async def settle(self):
        while self.observer.judging:
            await asyncio.sleep(0)

    async def message(self, sender):
        await self.client(ENVELOPE % sender + b"DATA\r\n")
        await self.server(ENVELOPE_TAKEN + b"354 Go\r\n")
        await self.client(CONTENT + b".\r\n")
        await self.server(b"250 2.0.0 Ok: queued as 4F\r\n")

    async def unknown_recipient(self, sender):
        await self.client(ENVELOPE % sender + b"RSET\r\n")
        await self.server(b"250 2.1.0 Ok\r\n550 5.1.1 unknown\r\n250 2.0.0 Ok\r\n")


class WatchedAtOnce(Watched):
    """The same where nobody has to be waited for."""

    def judge(self, section, sender):
        self.judged.append((section, sender))
        return Verdict(self.verdicts.pop(0), None)


class Uncountable(Watched):
    def count(self, *_):
        raise ZeroDivisionError


@pytest.fixture(params=[Watched, WatchedAtOnce])
def watch(request):
    return request.param


async def test_a_pipelined_message_is_judged_with_its_own_sender():
    watched = Watched(None, ORIGIN, OTHER)
    await watched.client((ENVELOPE % b"one" + CHUNK) + (ENVELOPE % b"two" + CHUNK))
    assert watched.judged == []
    await watched.server(ENVELOPE_TAKEN)
    assert watched.judged == [(b"A: b\r\n", "one@example.net")]
    assert watched.carried == [ToServer(CONTENT + ENVELOPE % b"two" + CHUNK[: -len(CONTENT)])]
    await watched.server(b"250 2.0.0 Ok: queued as 4F\r\n" + ENVELOPE_TAKEN)
    assert watched.judged[1:] == [(b"A: b\r\n", "two@example.net")]
    await watched.server(b"250 2.0.0 Ok: queued as 50\r\n")
    assert watched.counted == [
        (ORIGIN, "one@example.net", "taken"), (OTHER, "two@example.net", "taken"),
    ]  # fmt: skip


@pytest.mark.parametrize("subject", [None, CLIENT])
async def test_a_judgement_counts_for_its_own_message_alone(watch, subject):
    watched = watch(subject, ORIGIN, OTHER)
    await watched.unknown_recipient(b"zero")
    await watched.message(b"one")
    await watched.unknown_recipient(b"two")
    await watched.message(b"three")
    await watched.client(ENVELOPE % b"four")
    await watched.server(ENVELOPE_TAKEN)
    watched.observer.close()
    assert watched.counted == [
        (subject, "zero@example.net", "refused"),
        (ORIGIN, "one@example.net", "taken"),
        (subject, "two@example.net", "refused"),
        (OTHER, "three@example.net", "taken"),
        (subject, "four@example.net", "neither"),
    ]


async def test_a_message_that_was_judged_and_given_up_is_its_origins(watch):
    watched = watch(None, ORIGIN)
    await watched.client(ENVELOPE % b"one" + CHUNK.replace(b" LAST", b""))
    await watched.server(ENVELOPE_TAKEN)
    await watched.server(b"250 2.0.0 Ok\r\n")
    await watched.client(b"RSET\r\n")
    await watched.server(b"250 2.0.0 Ok\r\n")
    await watched.unknown_recipient(b"two")
    watched.observer.close()
    assert watched.counted == [
        (ORIGIN, "one@example.net", "neither"), (None, "two@example.net", "refused"),
    ]  # fmt: skip


async def test_a_message_that_cannot_be_counted_is_answered_all_the_same(caplog):
    watched = Uncountable(None, ORIGIN)
    await watched.client(ENVELOPE % b"one" + b"DATA\r\n")
    await watched.server(ENVELOPE_TAKEN + b"354 Go\r\n")
    await watched.client(CONTENT + b".\r\n")
    queued = b"250 2.0.0 Ok: queued as 4F\r\n"
    assert watched.observer.from_server(queued) == [ToClient(queued)]
    assert "a transaction could not be counted" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    await watched.client(ENVELOPE % b"two")
    await watched.server(ENVELOPE_TAKEN)
    watched.observer.close()


async def test_a_verdict_that_takes_no_time_keeps_nobody_waiting():
    watched = WatchedAtOnce(None, ORIGIN)
    await watched.client(ENVELOPE % b"one" + b"DATA\r\n")
    await watched.server(ENVELOPE_TAKEN + b"354 Go\r\n")
    assert watched.observer.from_client(CONTENT) == [ToServer(CONTENT)]
    assert not watched.observer.judging
    assert watched.carried == []


async def test_a_message_that_cannot_be_judged_passes(watch, caplog):
    watched = watch(None)  # there is no verdict to be had
    await watched.client(ENVELOPE % b"one" + b"DATA\r\n")
    await watched.server(ENVELOPE_TAKEN + b"354 Go\r\n")
    orders = watched.observer.from_client(CONTENT)
    await watched.settle()
    assert orders + watched.carried == [ToServer(CONTENT)]
    assert "a message could not be judged, and passes" in caplog.text


async def test_what_is_withheld_is_told():
    watched = Watched(None, ORIGIN)
    assert not watched.observer.withholds
    await watched.client(ENVELOPE % b"one" + CHUNK)
    assert watched.observer.withholds
    await watched.server(ENVELOPE_TAKEN)
    assert not watched.observer.withholds
