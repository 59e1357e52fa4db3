"""A DNS server that tells the truth until it is told to lie. UDP and TCP, on 127.0.0.1."""

import contextlib
import ipaddress
import socket
import struct
import threading
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


def name_of(address, zone):
    """The name a block list has for an address, by the standard library's own reversal."""
    pointer = ipaddress.ip_address(address).reverse_pointer
    return f"{pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


class LyingDns:
    """Answers for every name; ``mode`` says how, ``delay`` how late.

    The modes: true, dead, nxdomain, everything (is listed), refusing_code (127.255.255.254),
    outside (of 127.0.0.0/8), many (records), empty, servfail, refused, garbage, truncated (over
    UDP; over TCP it is true).

    Late as a resolver is that has to ask others: a question that is repeated while it is being
    looked into gets its answer with the first.

    ``asked`` has the (name, type) of each question that came, ``over_tcp`` those that came so.
    """

    def __init__(self, host="127.0.0.1"):
        self.mode = "true"
        self.text_mode = None  # what TXT questions get, if it is not the mode
        self.delay = 0.0
        self.ttl = 300
        self.minimum = 120
        self.codes = {}
        self.texts = {}
        self.exchanges = {}
        self.asked = []
        self.over_tcp = []
        self._first_asked = {}
        self._tcp = socket.create_server((host, 0))
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(self._tcp.getsockname())
        self.address = "{}:{}".format(*self._tcp.getsockname())
        for loop in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=loop, daemon=True).start()

    def lists(self, zone, address, *codes, text=None):
        """Put an address on a list."""
        name = name_of(address, zone)
        self.codes[name] = codes or ("127.0.0.2",)
        if text is not None:
            self.texts[name] = text

    def is_a_list(self, zone):
        """Give a zone its test points (RFC 5782 section 5)."""
        self.lists(zone, "127.0.0.2")
        self.lists(zone, "::ffff:7f00:2")

    def questions(self, kind="A"):
        """The names of one type that were asked for."""
        return [name for name, asked in self.asked if asked == kind]

    def close(self):
        for each in (self._tcp, self._udp):
            with contextlib.suppress(OSError):  # what wakes the thread that reads it
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve_udp(self):
        while True:
            try:
                wire, peer = self._udp.recvfrom(4096)
            except OSError:
                return
            if not wire:  # what a closed socket reads
                return
            threading.Thread(target=self._answer_udp, args=(wire, peer), daemon=True).start()

    def _answer_udp(self, wire, peer):
        answer = self._answer(wire, tcp=False)
        if answer is not None:
            try:
                self._udp.sendto(answer, peer)
            except OSError:
                return

    def _serve_tcp(self):
        while True:
            try:
                link, _ = self._tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._answer_tcp, args=(link,), daemon=True).start()

    def _answer_tcp(self, link):
        with link, link.makefile("rb") as stream:
            while len(length := stream.read(2)) == 2:
                answer = self._answer(stream.read(struct.unpack("!H", length)[0]), tcp=True)
                if answer is None:
                    return
                link.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, wire, *, tcp):
        query = dns.message.from_wire(wire)
        [question] = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if tcp:
            self.over_tcp.append((name, kind))
        mode = self.text_mode if kind == "TXT" and self.text_mode else self.mode
        start = self._first_asked.setdefault((name, kind), time.monotonic())
        time.sleep(max(0.0, start + self.delay - time.monotonic()))
        if mode == "dead":
            return None
        if mode == "garbage":
            return wire[:2] + b"\xff" * 30
        reply = dns.message.make_response(query)
        if mode == "truncated" and not tcp:
            reply.flags |= dns.flags.TC
        elif mode in ("servfail", "refused"):
            reply.set_rcode(dns.rcode.from_text(mode.upper()))
        elif mode != "empty":
            self._fill(reply, question.name, name, kind, mode)
        return reply.to_wire(max_size=65535 if tcp else 1232, prefer_truncation=True)

    def _fill(self, reply, owner, name, kind, mode):
        soa = f"ns.example.test. host.example.test. 1 3600 600 86400 {self.minimum}"
        values = {
            "A": {
                "nxdomain": (),
                "everything": ("127.0.0.2",),
                "refusing_code": ("127.255.255.254",),
                "outside": ("192.0.2.80",),
                "many": tuple(f"127.0.0.{n}" for n in range(2, 200)),
            }.get(mode, self.codes.get(name, ())),
            "TXT": (f'"{self.texts[name]}"',) if name in self.texts and mode != "nxdomain" else (),
            "MX": tuple(f"10 {host}." for host in self.exchanges.get(name, ())),
            "SOA": (soa,) if mode != "nxdomain" else (),
        }.get(kind, ())
        if values:
            reply.answer.append(dns.rrset.from_text(owner, self.ttl, "IN", kind, *values))
        elif not (name in self.codes or name in self.exchanges) or mode == "nxdomain":
            reply.set_rcode(dns.rcode.NXDOMAIN)
            reply.authority.append(dns.rrset.from_text("test.", 3600, "IN", "SOA", soa))
