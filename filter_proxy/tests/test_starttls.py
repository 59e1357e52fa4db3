"""STARTTLS that the filter answers itself: what Postfix gets, and what the client hears."""

import pytest

from sender_filter.core.smtp.events import BeginTls, Lost, SessionEnded, ToClient, ToServer
from sender_filter.core.smtp.session import Session

GREETING = b"220 mx.example.com ESMTP Postfix\r\n"
OFFER = b"250-mx.example.com\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 CHUNKING\r\n"
OURS = b"250-mx.example.com\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 STARTTLS\r\n"
WITHIN = b"250-mx.example.com\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
READY = b"220 2.0.0 Ready to start TLS\r\n"
HELLO_FIRST = b"503 5.5.1 Error: send HELO/EHLO first\r\n"
OK = b"250 2.0.0 Ok\r\n"


class Talk:
    """A session with its two wires."""

    def __init__(self, *, judge_headers=False):
        self.session = Session(judge_headers=judge_headers, ends_tls=True)
        self.told = []
        assert self.server(GREETING) == (b"", GREETING)

    def client(self, data):
        """What goes to Postfix and what goes to the client, of these bytes of the client."""
        return self._take(self.session.from_client(data))

    def server(self, data):
        return self._take(self.session.from_server(data))

    def greeted(self, offer=OFFER):
        assert self.client(b"EHLO x\r\n") == (b"EHLO x\r\n", b"")
        self.server(offer)
        return self

    def encrypted(self):
        assert self.client(b"STARTTLS\r\n") == (b"", READY)
        assert self.told.pop() == BeginTls()
        self.session.tls_begun()
        return self

    def _take(self, events):
        wires = {ToServer: b"", ToClient: b""}
        for event in events:
            if type(event) in wires:
                wires[type(event)] += event.data
            else:
                self.told.append(event)
        return wires[ToServer], wires[ToClient]


@pytest.fixture(params=[False, True], ids=["reading along", "judging"])
def talk(request):
    return Talk(judge_headers=request.param)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (OFFER, OURS),
        (OFFER.replace(b"250-STARTTLS\r\n", b""), OURS),
        (b"250-mx\r\n250 starttls\r\n", b"250-mx\r\n250 STARTTLS\r\n"),
        (b"250 mx\r\n", b"250-mx\r\n250 STARTTLS\r\n"),
        (b"250 STARTTLS\r\n", b"250-STARTTLS\r\n250 STARTTLS\r\n"),  # a host of that name
        (b"502 5.5.1 no\r\n", b"502 5.5.1 no\r\n"),
        (b"421 4.3.2 STARTTLS\r\n", b"421 4.3.2 STARTTLS\r\n"),
    ],
)
def test_the_offer_of_postfix_is_replaced_by_ours(talk, said, heard):
    talk.client(b"EHLO x\r\n")
    assert talk.server(said) == (b"", heard)


def test_only_ehlo_gets_an_offer(talk):
    talk.client(b"HELO x\r\n")
    assert talk.server(b"250 mx\r\n") == (b"", b"250 mx\r\n")
    talk.client(b"NOOP\r\nEHLO x\r\nRSET\r\n")
    assert talk.server(OK + OFFER + OK) == (b"", OK + OURS + OK)


def test_postfix_never_hears_of_starttls_and_the_client_begins_anew(talk):
    talk.greeted().encrypted()
    for command in (b"MAIL FROM:<a@b.test>\r\n", b"AUTH PLAIN x\r\n", b"DATA\r\n", b"x\r\n"):
        assert talk.client(command) == (b"", HELLO_FIRST)
    assert talk.client(b"NOOP\r\n") == (b"NOOP\r\n", b"")
    talk.server(OK)
    assert talk.client(b"EHLO y\r\nMAIL FROM:<a@b.test>\r\n") == (
        b"EHLO y\r\nMAIL FROM:<a@b.test>\r\n",
        b"",
    )
    assert talk.server(OFFER + OK) == (b"", WITHIN + OK)
    assert talk.client(b"starttls\r\n") == (b"", b"554 5.5.1 Error: TLS already active\r\n")
    assert talk.client(b"RSET\r\n") == (b"RSET\r\n", b"")


@pytest.mark.parametrize("first", [b"", b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n"])
def test_what_comes_with_starttls_or_before_the_handshake_is_void(talk, first):
    talk.greeted()
    talk.client(first)
    talk.server(OK * first.count(b"\n"))
    assert talk.client(b"STARTTLS\r\nMAIL FROM:<injected@b.test>\r\nRCPT T") == (b"", READY)
    assert talk.client(b"O:<c@d.test>\r\n") == (b"", b"")
    talk.session.tls_begun()
    assert talk.client(b"EHLO y\r\n") == (b"EHLO y\r\n", b"")


def test_the_answer_waits_for_those_before_it(talk):
    talk.greeted()
    assert talk.client(b"NOOP\r\nRSET\r\nSTART") == (b"NOOP\r\nRSET\r\n", b"")
    assert talk.client(b"TLS\r\nMAIL FROM:<injected@b.test>\r\n") == (b"", b"")
    assert talk.server(OK) == (b"", OK)
    assert talk.server(OK) == (b"", OK + READY)
    assert talk.told[-1] == BeginTls()
    talk.session.tls_begun()
    assert talk.client(b"NOOP\r\n") == (b"NOOP\r\n", b"")


def test_no_handshake_with_a_postfix_that_closes(talk):
    talk.greeted()
    assert talk.client(b"NOOP\r\nSTARTTLS\r\n") == (b"NOOP\r\n", b"")
    closing = b"421 4.4.2 timeout\r\n"
    assert talk.server(OK + closing) == (b"", OK + closing)
    assert talk.told == [SessionEnded(421)]


def test_a_login_would_outlive_the_handshake_so_there_is_none(talk):
    talk.greeted()
    talk.client(b"AUTH PLAIN eA==\r\n")
    talk.server(b"535 5.7.8 no\r\n")
    talk.client(b"AUTH LOGIN\r\n")
    talk.server(b"334 eA==\r\n")
    talk.client(b"eA==\r\n")
    talk.server(b"235 2.7.0 yes\r\n")
    assert talk.client(b"STARTTLS\r\n") == (b"", b"503 5.5.1 Error: STARTTLS after AUTH\r\n")
    assert BeginTls() not in talk.told


def test_what_is_no_starttls_is_for_postfix(talk):
    talk.greeted()
    assert talk.client(b"STARTTLS x\r\n") == (b"STARTTLS x\r\n", b"")
    error = b"501 5.5.4 Syntax: STARTTLS\r\n"
    assert talk.server(error) == (b"", error)


def test_content_may_say_starttls(talk):
    talk.greeted()
    talk.client(b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n")
    talk.server(OK * 2 + b"354 go on\r\n")
    content = b"A: b\r\n\r\nSTARTTLS\r\nEHLO x\r\n.\r\n"
    passed, _ = talk.client(content)
    passed += b"".join(e.data for e in talk.session.judge_pass())
    assert passed == content
    assert talk.server(OK)[1] == OK
    assert talk.client(b"STARTTLS\r\n") == (b"", READY)


def test_a_reply_that_is_not_understood_is_not_kept_back(talk):
    talk.client(b"EHLO x\r\n")
    assert talk.server(b"250-mx.exa") == (b"", b"")
    assert talk.server(b"mple.com\r\n999 ?\r\nmore") == (
        b"",
        b"250-mx.example.com\r\n999 ?\r\nmore",
    )
    assert isinstance(talk.told[0], Lost)
