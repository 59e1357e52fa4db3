"""TLS that ends in the filter, on real sockets: what a client sees, and what is judged."""

import asyncio
import contextlib
import json
import signal
import socket
import ssl
import subprocess

import pytest
from harness import Backend
from test_functions import ADDRESS, KNOWN_HOSTS, figures, received

LISTED, UNLISTED = received("203.0.113.7"), received("198.51.100.7")
HASTY = "from sender_filter.io import tls; tls.HANDSHAKE_SECONDS = 0.5"


class Postfix(Backend):
    """A back end that keeps each command and each message that it gets."""

    def __init__(self):
        super().__init__(self._talk)
        self.commands = []
        self.messages = []

    async def _talk(self, reader, writer):
        writer.write(b"220 backend\r\n")
        while line := await reader.readline():
            self.commands.append(line.strip().decode())
            match line.split():
                case [b"EHLO", *_]:
                    writer.write(b"250-backend\r\n250-STARTTLS\r\n250 CHUNKING\r\n")
                case [b"DATA"]:
                    writer.write(b"354 go on\r\n")
                    self.messages.append(await reader.readuntil(b"\r\n.\r\n"))
                    writer.write(b"250 2.0.0 Ok: queued as Q1\r\n")
                case [b"BDAT", size, *_]:
                    self.messages.append(await reader.readexactly(int(size)))
                    writer.write(b"250 2.0.0 Ok: queued as Q1\r\n")
                case [b"QUIT"]:
                    writer.write(b"221 2.0.0 Bye\r\n")
                    return
                case _:
                    writer.write(b"250 2.1.0 Ok\r\n")


class Certificate:
    """A certificate and its key, in two files."""

    def __init__(self, folder, name="tls"):
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        self.make()

    def make(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-noenc", "-days", "2", "-subj", "/CN=mx.example.test", "-keyout", self.key,
             "-out", self.certificate],
            check=True, capture_output=True,
        )  # fmt: skip

    @property
    def der(self):
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text())

    @property
    def section(self):
        return f'[tls]\ncertificate = "{self.certificate}"\nkey = "{self.key}"\n'


class Client:
    """Speaks SMTP line by line, and TLS when it is told to."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def of(cls, proxy, address=ADDRESS):
        client = cls(*await proxy.connect(local_addr=(address, 0)))
        assert await client.reply() == "220 backend"
        return client

    async def reply(self):
        lines = [(await self.reader.readline()).decode().rstrip()]
        while lines[-1][3:4] == "-":
            lines.append((await self.reader.readline()).decode().rstrip())
        return "|".join(lines)

    async def say(self, line):
        self.writer.write(line.encode() + b"\r\n")
        return await self.reply()

    async def secure(self, pipelined=""):
        """STARTTLS, with more behind it in the same packet; returns the certificate (DER)."""
        assert await self.say("EHLO x") == "250-backend|250-CHUNKING|250 STARTTLS"
        assert await self.say("STARTTLS" + pipelined) == "220 2.0.0 Ready to start TLS"
        return await self.handshake()

    async def handshake(self):
        await self.writer.start_tls(insecure())
        return self.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)

    async def deliver(self, message):
        """The replies to MAIL, RCPT, DATA and the message."""
        lines = ("MAIL FROM:<a@example.test>", "RCPT TO:<b@example.test>", "DATA", message)
        return [await self.say(line) for line in lines]


def insecure():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture
def certificate(tmp_path):
    return Certificate(tmp_path)


async def started(proxy, certificate, more=KNOWN_HOSTS, **options):
    postfix = await Postfix().start()
    proxy.write_lists(blocked="203.0.113.0/24\n")
    proxy.configure(postfix.port, more=certificate.section + more)
    await proxy.start(**options)
    return postfix


async def records(proxy, count=1, **wanted):
    """The records that have these values, once there are so many."""
    while True:
        lines = [line for file in proxy.records.glob("*.jsonl") for line in file.open()]
        found = [json.loads(line) for line in lines]
        found = [one for one in found if wanted.items() <= one.items()]
        if len(found) >= count:
            assert len(found) == count
            return found
        await asyncio.sleep(0.02)


async def test_encrypted_mail_is_judged_as_in_clear(proxy, certificate):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    metrics = f'[metrics]\naddress = "127.0.0.1:{port}"\n'
    postfix = await started(proxy, certificate, KNOWN_HOSTS + metrics)
    ends = {}
    for encrypted in (False, True):
        for message in (LISTED, UNLISTED):
            client = await Client.of(proxy)
            if encrypted:
                assert await client.secure() == certificate.der
            await client.say("EHLO x")
            ends[encrypted, message] = await client.deliver(message)
            assert (await client.say("QUIT")).startswith("221 2.0.0 ")
            assert await client.reply() == ""
    assert ends[True, LISTED] == ends[False, LISTED]
    assert ends[True, LISTED][3].startswith("554 5.7.1 ")
    assert ends[True, UNLISTED] == ends[False, UNLISTED]
    assert ends[True, UNLISTED][3] == "250 2.0.0 Ok: queued as Q1"
    assert postfix.messages == [UNLISTED.encode() + b"\r\n"] * 2
    assert "STARTTLS" not in postfix.commands
    judged = await records(proxy, 2, found="received", tls="ended")
    assert [one["address"] for one in judged] == ["203.0.113.7", "198.51.100.7"]
    sessions = await records(proxy, 2, event="session", tls="ended")
    assert [one["ended"] for one in sessions] == ["refused", "upstream_closed"]
    assert "Traceback" not in proxy.stderr.read_text()
    status = await proxy.status()
    assert (status["tls"], status["unseen"]) == ({"ended": 2}, {})
    assert 'sender_filter_tls_sessions{result="ended"} 2.0' in await figures(port)
    assert "2 sessions: ended" in (await asyncio.to_thread(proxy.run, "status")).stdout


async def test_what_follows_starttls_in_clear_is_not_executed(proxy, certificate):
    postfix = await started(proxy, certificate)
    client = await Client.of(proxy)
    await client.secure("\r\nMAIL FROM:<injected@example.test>\r\nRCPT TO:<injected@example.test>")
    assert await client.say("MAIL FROM:<a@b.test>") == "503 5.5.1 Error: send HELO/EHLO first"
    assert await client.say("EHLO x") == "250-backend|250 CHUNKING"
    assert (await client.deliver(UNLISTED))[3].startswith("250")
    assert not any("injected" in command for command in postfix.commands)


async def test_what_comes_before_the_handshake_ends_the_session(proxy, certificate):
    postfix = await started(proxy, certificate)
    client = await Client.of(proxy)
    assert await client.say("STARTTLS") == "220 2.0.0 Ready to start TLS"
    client.writer.write(b"MAIL FROM:<injected@example.test>\r\n")
    with contextlib.suppress(ConnectionResetError):
        await client.reader.read()  # an alert of TLS, if anything
    [record] = await records(proxy, event="session")
    assert (record["ended"], record["tls_problem"]) == ("tls_failed", "wrong version number")
    assert (await proxy.status())["tls"] == {"failed": 1}
    assert postfix.commands == []
    text = (await asyncio.to_thread(proxy.run, "log")).stdout
    assert "ended tls_failed" in text
    assert "(TLS handshake: wrong version number)" in text


async def test_a_handshake_that_stalls_is_cut_and_one_that_breaks_off_is_over(proxy, certificate):
    await started(proxy, certificate, change=HASTY)
    client = await Client.of(proxy)
    await client.say("STARTTLS")
    with contextlib.suppress(ConnectionResetError):
        assert await client.reader.read() == b""
    assert (await records(proxy, event="session"))[0]["tls_problem"] == "too slow"
    for reset in (False, True):
        client = await Client.of(proxy)
        await client.say("STARTTLS")
        if reset:
            raw = client.writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.writer.close()
    found = await records(proxy, 2, tls_problem="connection lost")
    assert {one["ended"] for one in found} == {"tls_failed"}
    assert (await proxy.status())["sessions"] == 0


async def test_a_handshake_holds_up_no_stop(proxy, certificate):
    await started(proxy, certificate)
    client = await Client.of(proxy)
    await client.say("STARTTLS")
    proxy.signal(signal.SIGTERM)
    await proxy.says("stopping: 1 sessions")
    proxy.signal(signal.SIGTERM)
    assert await proxy.stopped() == 0
    assert (await records(proxy, event="session"))[0]["ended"] == "cut"


async def test_pipelining_chunks_and_bulk_go_through_after_tls(proxy, certificate):
    postfix = await started(proxy, certificate)
    client = await Client.of(proxy)
    await client.secure()
    await client.say("EHLO x")
    bulk = b"Subject: x\r\n\r\n" + b"0123456789abcdef\r\n" * 300_000
    commands = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT %d LAST\r\n" % len(bulk)
    client.writer.write(commands + bulk + b"NOOP\r\n")
    assert [await client.reply() for _ in range(4)] == [
        "250 2.1.0 Ok", "250 2.1.0 Ok", "250 2.0.0 Ok: queued as Q1", "250 2.1.0 Ok",
    ]  # fmt: skip
    assert postfix.messages == [bulk]


def flight(connection, tls, incoming, outgoing, more):
    """A handshake whose last bytes travel in one packet with what the client says first."""
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(65536))
        else:
            break
    tls.write(more)
    connection.sendall(outgoing.read())
    heard = b""
    while not heard.endswith(b"\r\n250 2.1.0 Ok\r\n"):
        with contextlib.suppress(ssl.SSLWantReadError):
            heard += tls.read(4096)
            continue
        data = connection.recv(65536)
        assert data, heard
        incoming.write(data)
    return heard


async def test_a_client_in_a_hurry_loses_nothing(proxy, certificate):
    await started(proxy, certificate)
    [port] = await proxy.ports()

    def talk():
        with socket.create_connection(("127.0.0.1", port), source_address=(ADDRESS, 0)) as raw:
            lines = raw.makefile("rb")
            assert lines.readline() == b"220 backend\r\n"
            raw.sendall(b"STARTTLS\r\n")
            assert lines.readline() == b"220 2.0.0 Ready to start TLS\r\n"
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = insecure().wrap_bio(incoming, outgoing)
            return flight(raw, tls, incoming, outgoing, b"EHLO x\r\nNOOP\r\n")

    heard = await asyncio.gather(*(asyncio.to_thread(talk) for _ in range(50)))
    assert heard == [b"250-backend\r\n250 CHUNKING\r\n250 2.1.0 Ok\r\n"] * 50


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.3", ADDRESS])
async def test_tls_is_for_everybody_also_where_nothing_is_judged(proxy, certificate, address):
    postfix = await started(proxy, certificate, more="")
    proxy.write_lists(approved="127.0.0.3\n")
    proxy.signal(signal.SIGHUP)
    await proxy.hears("RELOADING=1")
    await proxy.hears("READY=1")
    client = await Client.of(proxy, address)
    assert await client.secure() == certificate.der
    assert await client.say("EHLO x") == "250-backend|250 CHUNKING"
    assert (await client.deliver(LISTED))[3].startswith("250")
    client.writer.close()
    assert (await records(proxy, event="session"))[0]["tls"] == "ended"
    assert len(postfix.messages) == 1
    assert "eof_received" not in proxy.stderr.read_text()  # what it returns matters under TLS


async def test_a_renewed_certificate_is_taken_up_and_a_bad_one_is_not(proxy, certificate):
    await started(proxy, certificate)
    running = await Client.of(proxy)
    before = await running.secure()
    certificate.make()
    proxy.signal(signal.SIGHUP)
    await proxy.hears("RELOADING=1")
    await proxy.hears("READY=1")
    renewed = await (await Client.of(proxy)).secure()
    assert renewed == certificate.der != before
    certificate.key.write_text(Certificate(proxy.directory, "other").key.read_text())
    proxy.signal(signal.SIGHUP)
    problem = (
        f"{proxy.config}: tls: {certificate.certificate} and {certificate.key} cannot be used: key "
        "values mismatch; name a certificate with its chain, and the key that belongs to it"
    )
    await proxy.says(problem)
    assert problem in (await proxy.status())["reload_error"]
    assert problem in proxy.run("check-config", check=False).stderr
    assert await (await Client.of(proxy)).secure() == renewed
    proxy.write_lists(blocked="# nobody\n")  # so that the next worker looks at the files as well
    for each in (await proxy.status())["workers"]:
        subprocess.run(["kill", "-KILL", str(each["pid"])], check=True)
    await proxy.says("the last good ones are")
    while True:
        with contextlib.suppress(AssertionError):
            assert await (await Client.of(proxy)).secure() == renewed
            break
    assert await running.say("EHLO x") == ""  # its worker is gone


async def test_the_units_copies_are_read_in_place_of_the_files(proxy, certificate):
    copies = proxy.directory / "copies"
    copies.mkdir()
    certificate.certificate.rename(copies / "tls-certificate")
    certificate.key.rename(copies / "tls-key")
    assert "No such file or directory" in (await refused(proxy, certificate)).stderr
    await started(proxy, certificate, environ={"SENDER_FILTER_CREDENTIALS": str(copies)})
    await (await Client.of(proxy)).secure()


async def refused(proxy, certificate):
    proxy.configure(1, more=certificate.section)
    return await asyncio.to_thread(proxy.run, "check-config", check=False)


async def test_without_a_certificate_tls_is_postfix_matter(proxy):
    postfix = await Postfix().start()
    proxy.configure(postfix.port, more=KNOWN_HOSTS)
    await proxy.start()
    client = await Client.of(proxy)
    assert await client.say("EHLO x") == "250-backend|250-STARTTLS|250 CHUNKING"
    await client.say("STARTTLS")
    assert postfix.commands == ["EHLO x", "STARTTLS"]


async def test_whose_time_is_up_hears_it_within_the_encryption(proxy, certificate):
    await started(proxy, certificate, "[limits]\nidle_seconds = 1\n")
    client = await Client.of(proxy)
    await client.secure()
    assert (await client.reply()).startswith("421 4.4.2 ")
    assert await client.reply() == ""
    assert (await records(proxy, event="session"))[0]["ended"] == "timed_out"


async def test_a_handshake_has_a_deadline_of_its_own(proxy, certificate):
    await started(proxy, certificate, "[limits]\nidle_seconds = 1\n")
    client = await Client.of(proxy)
    await client.say("EHLO x")
    await client.say("STARTTLS")
    await asyncio.sleep(3.5)
    await client.handshake()
    assert await client.say("EHLO x") == "250-backend|250 CHUNKING"
