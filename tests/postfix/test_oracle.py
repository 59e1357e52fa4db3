"""The models see what the real postconf sees."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from strategies import MAIN_NAMES, main_files, master_files

from module_utils.postfix.checks import Severity, main_problems, master_problems
from module_utils.postfix.main_cf import MainDocument
from module_utils.postfix.master_cf import FIELDS, MasterDocument
from module_utils.postfix.move import move
from module_utils.postfix.options import split_words, unbraced

if TYPE_CHECKING:
    from subprocess import CompletedProcess

    from oracle import Oracle

    from module_utils.postfix.master_cf import Entry

with_oracle = settings(
    max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def arguments_as_postconf_prints(entry: Entry) -> str:
    """Put the arguments of an entry into the one form that postconf gives them."""
    options = {option.argument.span: option for option in entry.arguments.options}
    parts = []
    words = entry.words[len(FIELDS) :]
    rest = {word.span for word in entry.arguments.rest}
    for word in words:
        if word.span in options:
            option = options[word.span]
            text = f"{option.name}={option.value}"
            parts.append("{" + text + "}" if re.search(r"[ \t\r\n]", text) else text)
        elif word.span in rest:
            text = unbraced(word).text
            if word is entry.arguments.rest[0]:  # postconf forgets the braces of this one
                parts.append(text)
                continue
            parts.append("{" + text + "}" if re.search(r"[ \t\r\n]", text) else text)
        else:
            attached = [o for o in options.values() if o.flag.span == word.span]
            parts.append(word.text)
            if attached and attached[0].argument.span.start < word.span.end:
                option = attached[0]
                parts[-1] = f"-o {option.name}={option.value}"
    return " ".join(parts)


def assert_same_master(oracle: Oracle, data: bytes, name: str = "") -> None:
    doc = MasterDocument.parse(data)
    stops = [p for p in master_problems(doc) if p.severity is Severity.STOPS]
    shown = oracle.postconf(b"", data, "-M")
    if shown.returncode:
        assert stops, f"{name}: postconf refuses, we do not: {shown.stderr}"
        return
    lines = shown.stdout.split("\n")[:-1]
    assert len(lines) == len(doc.entries), name
    for line, entry in zip(lines, doc.entries, strict=True):
        words = line.split(None, len(FIELDS))
        assert tuple(words[: len(FIELDS)]) == entry.fields, name
        arguments = words[len(FIELDS)] if len(words) > len(FIELDS) else ""
        assert arguments.strip() == arguments_as_postconf_prints(entry).strip(), name

    fields = oracle.postconf(b"", data, "-F").stdout.split("\n")[:-1]
    our_fields = [
        f"{entry.service}/{entry.type}/{field} = {value}"
        for entry in doc.entries
        for field, value in zip(FIELDS[:-1], entry.fields[:-1], strict=True)
    ]
    assert [line for line in fields if "/command = " not in line] == our_fields, name

    options = oracle.postconf(b"", data, "-P").stdout.split("\n")[:-1]
    wanted = {
        f"{entry.service}/{entry.type}/{option}": value
        for entry in doc.entries
        for option, value in entry.options
    }
    ours = {f"{key} = {value}".rstrip() for key, value in wanted.items()}
    assert {line.rstrip() for line in options} == ours, name


def printed(value: str | None) -> str | None:
    """Return a value as postconf prints it: runs of blanks become one."""
    return None if value is None else " ".join(filter(None, re.split("[ \t\r\n]+", value)))


def assert_same_main(oracle: Oracle, data: bytes, name: str = "") -> None:
    doc = MainDocument.parse(data)
    stops = [p for p in main_problems(doc) if p.severity is Severity.STOPS]
    shown = oracle.postconf(data, b"", "-n")
    if shown.returncode:
        assert stops, f"{name}: postconf refuses, we do not: {shown.stderr}"
        return
    assert not stops, name
    hidden = ("config_directory", "shlib_directory", "meta_directory", "daemon_directory")
    theirs = dict(re.split(" = ?", line, maxsplit=1) for line in shown.stdout.split("\n")[:-1])
    for parameter, value in theirs.items():
        if parameter not in hidden:
            assert printed(doc.get(parameter)) == value, name
    unused = set(
        re.findall(r"(?:unused|read-only) parameter(?: assignment)?: ([^\s=]+)=", shown.stderr)
    )
    names = {parameter.name for parameter in doc.parameters}
    assert names <= set(theirs) | unused, name


def test_shipped_masters(oracle: Oracle, shipped_masters: dict[str, bytes]) -> None:
    for name, data in shipped_masters.items():
        assert_same_master(oracle, data, name)


def test_shipped_mains(oracle: Oracle, shipped_mains: dict[str, bytes]) -> None:
    for name, data in shipped_mains.items():
        assert_same_main(oracle, data, name)


@with_oracle
@given(data=master_files())
def test_generated_masters(oracle: Oracle, data: bytes) -> None:
    assert_same_master(oracle, data)


@with_oracle
@given(data=master_files(home=True), to=st.sampled_from(["2500", "[::1]:2500"]))
def test_moved_masters(oracle: Oracle, data: bytes, to: str) -> None:
    options = {"smtpd_client_restrictions": "permit, reject", "smtpd_proxy_filter": ""}
    doc = move(MasterDocument.parse(data), "smtp", "inet", to, options)
    assert_same_master(oracle, doc.render())
    shown = oracle.postconf(b"", doc.render(), "-P", f"{to}/inet").stdout
    assert f"{to}/inet/smtpd_client_restrictions = permit, reject\n" in shown
    assert not oracle.postconf(b"", doc.render(), "-M", "smtp/inet").stdout


@with_oracle
@given(data=main_files())
def test_generated_mains(oracle: Oracle, data: bytes) -> None:
    assert_same_main(oracle, data)


@with_oracle
@given(
    data=main_files(),
    name=st.sampled_from(MAIN_NAMES),
    value=st.sampled_from(["a b", "", "x,\n  y", "$myhostname", "ü\udcff"]),
)
def test_set_parameters(oracle: Oracle, data: bytes, name: str, value: str) -> None:
    doc = MainDocument.parse(data)
    doc.set(name, value)
    assert_same_main(oracle, doc.render())
    shown = oracle.postconf(doc.render(), b"", "-nh", name).stdout
    assert shown == f"{printed(value)}\n"


PIECES = [b"smtp inet n - n - - smtpd", b"x unix", b" - ", b"n", b"#", b" ", b"\t", b"\n", b"\r"]
MASTERS = st.lists(st.sampled_from([*PIECES, b"-o", b"a=b", b" {", b"} ", b"=", b"\v", b"y\n"]))
MAINS = st.lists(st.sampled_from([b"a", b"=", b" ", b"#", b"\n", b"b c", b"\r\n", b"\t"]))

# postconf waits a second before it says that something is wrong, so many are asked at once.
at_once = settings(
    with_oracle, max_examples=4, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)


def asked(oracle: Oracle, files: list[bytes], option: str) -> list[CompletedProcess[str]]:
    def ask(data: bytes) -> CompletedProcess[str]:
        main, master = (data, b"") if option == "-n" else (b"", data)
        return oracle.postconf(main, master, option)

    with ThreadPoolExecutor(len(files)) as pool:
        return list(pool.map(ask, files))


@at_once
@given(files=st.lists(MASTERS.map(b"".join), min_size=40, max_size=40))
def test_broken_masters(oracle: Oracle, files: list[bytes]) -> None:
    """What postconf refuses is refused, and the rest is cut into the same words."""
    for data, shown in zip(files, asked(oracle, files, "-M"), strict=True):
        doc = MasterDocument.parse(data)
        if shown.returncode:
            assert [p for p in master_problems(doc) if p.severity is Severity.STOPS]
        else:
            lines = shown.stdout.split("\n")[:-1]
            theirs = [tuple(w.text for w in split_words(line))[: len(FIELDS)] for line in lines]
            assert theirs == [entry.fields for entry in doc.entries]


@at_once
@given(files=st.lists(MAINS.map(b"".join), min_size=40, max_size=40))
def test_broken_mains(oracle: Oracle, files: list[bytes]) -> None:
    for data, shown in zip(files, asked(oracle, files, "-n"), strict=True):
        problems = main_problems(MainDocument.parse(data))
        stops = [problem for problem in problems if problem.severity is Severity.STOPS]
        assert bool(shown.returncode) == bool(stops), (data, shown.stderr)
