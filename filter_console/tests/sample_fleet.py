"""A fleet as the pages see it, made up, and with all that a stranger may put into a text."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sender_filter_console import interface as i

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "\u202etxt.exe\u2066",
    "a\x00b\x1b[31mc\u200bd",
    "{{ 7 * 7 }}{% raw %}",
    "</textarea><svg/onload=alert(1)>",
)
"""What HELO names, PTR records, comments and list entries may be."""


def decision(
    number: int, text: str = "198.51.100.0/24 (blocked.txt:3)", **fields: object
) -> i.Decision:
    values: dict[str, object] = {
        "id": number,
        "time": NOW - timedelta(minutes=number),
        "gateway": "gw1",
        "session": f"s{number}",
        "address": "198.51.100.7",
        "function": "blocked",
        "action": "permanent",
        "shadow": False,
        "reason": text,
        "reply": f"554 5.7.1 {text}",
        "peer": None,
    }
    return i.Decision(**(values | fields))  # type: ignore[arg-type]


@dataclass
class SampleFleet:
    """Answers with the same texts everywhere, and keeps what it was told to do."""

    text: str = "198.51.100.0/24 (blocked.txt:3)"
    declared: str = "edge"
    orders: list[tuple[str, object]] = field(default_factory=list)

    async def overview(self) -> i.Overview:
        functions = [
            i.FunctionState("profiler", "shadow"),
            i.FunctionState("reputation", "on"),
            i.FunctionState("throttling", "off"),
            i.FunctionState("known_hosts", "on"),
        ]
        zones = [
            i.Zone("bl.example.org", 4, "trusted", None, 1200, 3),
            i.Zone("dyn.example.org", 4, "distrusted", self.text, 80, 80),
        ]
        health = [
            i.Health("filter", good=True, detail="running since 12:00"),
            i.Health("postfix", good=False, detail=self.text),
            i.Health("state", good=None, detail=""),
        ]
        one = i.Gateway(
            "gw1", True, NOW, "0.1.0", "edge", NOW, 12, 48_211, 9_120, functions, zones, health
        )
        two = i.Gateway(self.text, False, NOW)
        return i.Overview([one, two], True, 57_331, NOW - timedelta(days=29), None)

    async def chart(
        self,
        since: datetime,
        buckets: int,
        gateway: str | None,  # noqa: ARG002
    ) -> list[i.ChartBucket]:
        until = datetime.now(UTC)
        step = (until - since) / buckets
        return [
            i.ChartBucket(
                since + step * n,
                int(step.total_seconds()),
                [
                    i.ChartPart("none", "pass", False, 40 + n * 7 % 23),
                    i.ChartPart("none", "pass", True, n % 5),
                    i.ChartPart("profiler", "temporary", False, n * 3 % 11),
                    i.ChartPart("blocked", "permanent", False, n * 5 % 17),
                ],
            )
            for n in range(buckets)
            if n % 13
        ]

    async def top(self, limit: int) -> list[i.TopAddress]:
        return [i.TopAddress(f"198.51.100.{n}", 900 // n, n) for n in range(1, limit + 1)]

    async def decisions(self, query: i.DecisionQuery) -> i.Page[i.Decision]:
        self.orders.append(("decisions", query))
        rows = [
            decision(9, self.text),
            decision(
                8,
                self.text,
                function="reputation",
                action="temporary",
                address="2001:db8:aaaa:bbbb:cccc:dddd:eeee:1",
            ),
            decision(
                7, self.text, function="profiler", action="pass", shadow=True, peer="192.0.2.10"
            ),
            decision(
                6, function="none", action="pass", reason=None, reply=None, address="203.0.113.9"
            ),
        ]
        return i.Page(rows, "older" if not query.after else None)

    async def decision(self, number: int) -> i.FullDecision:
        if number == 404:
            raise i.NotFoundError(f"decision {self.text} is not kept any more")
        checks = [
            i.Check("approved", "198.51.100.7", "no_match", 4),
            i.Check("blocked", self.text, "match", 5, self.text),
            i.Check("reputation", "198.51.100.7", "listed", 1830, self.text, "hit", True),
        ]
        walk = [
            i.Hop(1, "192.0.2.10", True, f"from relay ({self.text} [192.0.2.10]) by mx"),
            i.Hop(2, "198.51.100.7", False, self.text),
            i.Hop(3, None, False, self.text),
        ]
        end = i.SessionEnd(NOW, 1.5, 2048, 512, "refused", self.text, "tls", None, self.text)
        row = decision(number, self.text, peer="192.0.2.10")
        return i.FullDecision(
            row,
            40312,
            "received",
            2,
            self.text,
            "ended",
            checks,
            walk,
            end,
            [decision(3, self.text)],
        )

    async def address(self, text: str) -> i.AddressReport:
        if text == "nonsense":
            raise i.RefusedError(f"{text!r} is no address")
        full = await self.decision(9)
        return i.AddressReport(
            text,
            i.Explanation("blocked", "permanent", full.checks, f"554 5.7.1 {self.text}"),
            [i.ProfileRow("spam", 31, 80, 38.8, False), i.ProfileRow(self.text, 9, 9, 100.0, True)],
            [i.Entry("198.51.100.7", False, None, "profiler", None, NOW, NOW, self.text, True)],
            [i.Entry("198.51.100.0/24", False, None, "operator", self.text, NOW, None, self.text)],
            [i.Entry("198.51.0.0/16", False, None, "operator", self.text, NOW, None, self.text)],
            i.Page([decision(9, self.text)], None),
            [i.BlockEvent(NOW, "gw1", self.text, "profiler", "started", NOW, self.text, True)],
            12,
        )

    async def lists(self) -> list[i.ListSummary]:
        return [
            i.ListSummary("blocked", 500_000, 12),
            i.ListSummary("approved", 31, 2),
            i.ListSummary("known_hosts", 6, 1),
        ]

    async def entries(self, query: i.ListQuery) -> i.Page[i.Entry]:
        self.orders.append(("entries", query))
        rows = [
            i.Entry(
                "192.0.2.0/24", True, "/etc/sender-filter/lists/blocked.txt:12", comment=self.text
            ),
            i.Entry("198.51.100.7", False, None, "operator", self.text, NOW, NOW, self.text),
            i.Entry(self.text, False, None, "throttling", None, NOW, None, self.text),
        ]
        return i.Page(rows, "further")

    async def block(self, order: i.Order) -> str:
        self.orders.append(("block", order))
        return f"{order.network} is blocked"

    async def approve(self, order: i.Order) -> str:
        self.orders.append(("approve", order))
        return f"{order.network} is approved"

    async def release(self, network: str, who: str) -> str:
        self.orders.append(("release", (network, who)))
        return f"{network} is released"

    async def know(self, order: i.Order) -> str:
        self.orders.append(("know", order))
        return f"{order.network} is a known host"

    async def forget(self, network: str, who: str) -> str:
        self.orders.append(("forget", (network, who)))
        return f"{network} is no known host of an operator's"

    async def import_list(self, name: i.ListName, text: str, comment: str, who: str) -> i.Imported:
        self.orders.append(("import", (name, text, comment, who)))
        problems = [
            f"line {n}: {line!r} is no network"
            for n, line in enumerate(text.splitlines(), 1)
            if "bad" in line
        ]
        return i.Imported(len(text.splitlines()) - len(problems), problems)

    async def export_list(self, name: i.ListName, form: i.ExportFormat, *, run_time: bool) -> str:
        return f"# {name} {form} {run_time}\n192.0.2.0/24\n"

    async def topology(self) -> i.Topology:
        ports = [
            i.Port(
                25,
                "ipv4",
                "0.0.0.0",
                "sender filter",
                "senderfilter (880)",
                "sender-filter.service",
            ),
            i.Port(
                25, "ipv6", "::", "sender filter", "senderfilter (880)", "sender-filter.service"
            ),
            i.Port(2500, "ipv4", "127.0.0.1", "postfix", "master (377)", "postfix@-.service"),
            i.Port(10025, "ipv4", "127.0.0.1", "nginx", "nginx (66)", self.text),
        ]
        return i.Topology(
            "gw1",
            self.declared,
            "edge",
            NOW,
            ports,
            [f"port 10026: {self.text}"],
            [self.text],
            "ansible-playbook playbooks/repair_port_conflict.yml --limit gw1",
        )
