"""Generated main.cf and master.cf files: every form that Postfix accepts."""

from __future__ import annotations

from hypothesis import strategies as st

BLANK = st.sampled_from([" ", "  ", "\t", "       ", " \t"])
COMMENT = st.sampled_from(
    ["#", "# text", "#smtp", "##", "#  -o a=b", "# ünï", "# -- \udcff --", "  # indented", "\t#x"]
)
EMPTY = st.sampled_from(["", " ", "\t", "  \t "])
PASSIVE = st.one_of(COMMENT, EMPTY)
INDENT = st.sampled_from([" ", "  ", "\t", "        "])

OPTION_NAMES = (
    "smtpd_tls_wrappermode",
    "syslog_name",
    "mynetworks",
    "content_filter",
    "smtpd_client_restrictions",
)
_PLAIN_VALUES = [
    "yes",
    "",
    "a,b",
    "a=b",
    "$myhostname",
    "${x?{y}:{z}}",
    "[::1]:25",
    "ü",
    "\udcff",
    "#n",
]
_WIDE_VALUES = ["a b", "permit, reject", "check_x hash:/a b", "${x?{a b}:{c}}"]


@st.composite
def option_words(draw: st.DrawFn, names: tuple[str, ...] = OPTION_NAMES) -> list[str]:
    name = draw(st.sampled_from(names))
    form = draw(st.sampled_from(["apart", "attached", "braced", "tight"]))
    if form in ("braced", "tight"):
        value = draw(st.sampled_from(_PLAIN_VALUES + _WIDE_VALUES))
        return ["-o", f"{{ {name} = {value} }}" if form == "braced" else f"{{{name}={value}}}"]
    value = draw(st.sampled_from(_PLAIN_VALUES))
    if form == "attached" and "o" not in name:
        return [f"-o{name}={value}"]
    return ["-o", f"{name}={value}"]


SERVICES = {
    "inet": [
        "smtp",
        "25",
        "587",
        "submission",
        "127.0.0.1:10026",
        "[::1]:25",
        "localhost:smtp",
        ":26",
    ],
    "unix": ["relay", "cleanup", "smtp", "private/x", "a-b"],
    "unix-dgram": ["postlog"],
    "fifo": ["pickup", "qmgr"],
    "pass": ["smtpd", "tlsproxy"],
}
ALL_SERVICES = [(name, kind) for kind, names in SERVICES.items() for name in names]


@st.composite
def entry_lines(draw: st.DrawFn, service: str, kind: str) -> list[str]:
    """The lines of an entry, without their ends."""
    private = "n" if kind == "inet" else draw(st.sampled_from("yn-"))
    words = [service, kind, private, draw(st.sampled_from("yn-")), draw(st.sampled_from("yn-"))]
    words.append(draw(st.sampled_from(["-", "60", "300?", "0"])))
    words.append(draw(st.sampled_from(["-", "1", "0", "100"])))
    words.append("smtpd")
    options = draw(st.lists(option_words(), max_size=4))
    words += draw(st.sampled_from([[], ["-v"]]))
    words += [word for pair in options for word in pair]
    words += draw(st.sampled_from([[], [], ["flags=R", "argv=/bin/x", "${sender}"], ["{a b}"]]))
    lines, line = [], words[0]
    for word in words[1:]:
        if draw(st.integers(0, 4)) == 0:
            lines.append(line + draw(st.sampled_from(["", " "])))
            lines += draw(st.lists(PASSIVE, max_size=2))
            line = draw(INDENT) + word
        else:
            line += draw(BLANK) + word
    return [*lines, line + draw(st.sampled_from(["", "", "  "]))]


@st.composite
def master_files(draw: st.DrawFn, *, home: bool = False) -> bytes:
    """A master.cf. With ``home``, exactly one entry of it is the service 25/inet."""
    services = draw(st.lists(st.sampled_from(ALL_SERVICES), max_size=5, unique=True))
    if home:
        services = [s for s in services if s not in (("smtp", "inet"), ("25", "inet"))]
        spelled = draw(st.sampled_from(["smtp", "25", ":smtp"]))
        services.insert(draw(st.integers(0, len(services))), (spelled, "inet"))
    lines: list[str] = []
    if draw(st.integers(0, 5)) == 0:
        lines.append("  ignored text")
    for service, kind in services:
        lines += draw(st.lists(PASSIVE, max_size=3))
        entry = draw(entry_lines(service, kind))
        if draw(st.integers(0, 4)) == 0:
            lines += ["#" + line for line in draw(entry_lines(service, kind))]
        lines += entry
    lines += draw(st.lists(PASSIVE, max_size=3))
    return _joined(draw, lines)


def _joined(draw: st.DrawFn, lines: list[str]) -> bytes:
    ends = {"lf": ["\n"], "crlf": ["\r\n"], "mixed": ["\n", "\r\n"]}[
        draw(st.sampled_from(["lf", "lf", "crlf", "mixed"]))
    ]
    text = "".join(line + draw(st.sampled_from(ends)) for line in lines)
    if text and draw(st.booleans()):
        text = text.removesuffix("\n")
        text = text.removesuffix("\r") if draw(st.booleans()) else text
    return text.encode("utf-8", "surrogateescape")


MAIN_NAMES = (
    "mynetworks",
    "relayhost",
    "import_environment",
    "content_filter",
    "smtpd_banner",
    "myhostname",
    "smtpd_client_restrictions",
    "relay_domains",
)
_MAIN_WORDS = [
    "a",
    "10.0.0.0/8",
    "[::1]/128",
    "$mail_owner",
    "${default_privs?yes}",
    "${x?{y}:{z}}",
    "hash:/etc/postfix/x",
    "a=b",
    "{ A=b c }",
    "ü",
    "\udcfe",
    "b,",
]


@st.composite
def parameter_lines(draw: st.DrawFn, name: str) -> list[str]:
    equals = draw(st.sampled_from([" = ", "=", " =", "= ", "\t=\t", "  =  "]))
    lines, line = [], name + equals
    for word in draw(st.lists(st.sampled_from(_MAIN_WORDS), max_size=4)):
        if draw(st.integers(0, 2)) == 0:
            lines.append(line)
            lines += draw(st.lists(PASSIVE, max_size=2))
            line = draw(INDENT) + word
        else:
            line += draw(st.sampled_from([" ", ", ", ","])) + word
    return [*lines, line + draw(st.sampled_from(["", "", " "]))]


@st.composite
def main_files(draw: st.DrawFn, *, duplicates: bool = True) -> bytes:
    names = draw(st.lists(st.sampled_from(MAIN_NAMES), max_size=5, unique=not duplicates))
    lines: list[str] = []
    if draw(st.integers(0, 5)) == 0:
        lines.append("\tignored = text")
    for name in names:
        lines += draw(st.lists(PASSIVE, max_size=3))
        lines += draw(parameter_lines(name))
    lines += draw(st.lists(PASSIVE, max_size=3))
    return _joined(draw, lines)
