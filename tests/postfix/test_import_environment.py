from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import INDENT, PASSIVE, main_files

from module_utils.postfix import import_environment
from module_utils.postfix.errors import InvalidValue
from module_utils.postfix.import_environment import NAME, problems, repair
from module_utils.postfix.main_cf import MainDocument, split_list

if TYPE_CHECKING:
    from oracle import Oracle

HOME = "/opt/trend/imss"
WANTED = import_environment.settings(HOME, 2500)
VENDOR = [f"{name}={value}" for name, value in WANTED.items()]
ALL = " ".join(VENDOR)
DEFAULT = "MAIL_CONFIG TZ LANG=C"
BARE, PORT = "LD_PRELOAD", "TM_FOX_PROXY_CONNECT_PORT"
LIBRARY = WANTED[BARE]

OWN = ["TZ", "MAIL_CONFIG", "LANG=C", "{ OWN = a b }", "PORT=25", "{}", "{TZ}", "LD_PRELOAD_X=y"]
RIGHT = [
    *VENDOR,
    *("{ %s = %s }" % (name, value) for name, value in WANTED.items()),  # noqa: UP031 - braces
    f"LD_PRELOAD=/own.so:{LIBRARY}",
    f"{{ LD_PRELOAD = {LIBRARY} /own.so }}",
    "LD_LIBRARY_PATH=/own:/opt/trend/imss/lib",
]
WRONG = [
    "LD_PRELOAD",
    "{LD_PRELOAD}",
    "LD_PRELOAD=",
    "LD_PRELOAD=/opt/imss/lib64/libTmFoxSocketLib.so",
    "LD_PRELOAD=LD_PRELOAD",
    "{ LD_PRELOAD = /a b }",
    "{TM_FOX_PROXY_CONNECT_PORT=25}",
    "TM_FOX_PROXY_CONNECT_PORT=25000",
    "TM_FOX_PROXY_LIST=/x:/opt/trend/imss/config/foxproxy.list",
    "{ LD_LIBRARY_PATH =}",
    "LD_LIBRARY_PATH=/opt/trend/imss/lib64",
]


def repaired(text: str) -> str:
    return repair(text.encode(), WANTED, lambda: DEFAULT).decode()


def name_of(token: str) -> str:
    return token.strip("{} ").partition("=")[0].strip()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"{NAME} = {DEFAULT} {ALL}\n"),
        ("x = y\n", f"x = y\n{NAME} = {DEFAULT} {ALL}\n"),
        (f"#{NAME} = TZ\n", f"#{NAME} = TZ\n{NAME} = {DEFAULT} {ALL}\n"),
        (f"{NAME} =\nx = y\n", f"{NAME} = {DEFAULT} {ALL}\nx = y\n"),
        (f"{NAME} = ,\n", f"{NAME} = {DEFAULT} {ALL}\n"),
        (f"{NAME} = TZ\n", f"{NAME} = TZ {ALL}\n"),
        (f"{NAME} = TZ, A=b\n", f"{NAME} = TZ, A=b, {', '.join(VENDOR)}\n"),
        (f"{NAME} = {ALL}\n", f"{NAME} = {ALL}\n"),
        (
            f"{NAME} =\n  A\n# own\n  {ALL.replace('2500', '25')}\n  B\n",
            f"{NAME} =\n  A\n# own\n  {ALL}\n  B\n",
        ),
        (
            f"{NAME} = A {BARE} B {' '.join(VENDOR[1:])}\n",
            f"{NAME} = A {VENDOR[0]} B {' '.join(VENDOR[1:])}\n",
        ),
        (
            f"{NAME} = {ALL} {{ {PORT} = 25 }} {{{PORT}=25}}\n",
            f"{NAME} = {ALL} {{ {PORT} = 2500 }} {{{PORT}=2500}}\n",
        ),
        (f"{NAME} = {ALL}\n{NAME} = TZ\n", f"{NAME} = {ALL}\n{NAME} = TZ {ALL}\n"),
        (f"{NAME} = {ALL} {PORT}=\r\n", f"{NAME} = {ALL} {PORT}=2500\r\n"),
    ],
)
def test_each_token_is_mended_where_it_stands(before: str, after: str) -> None:
    assert repaired(before) == after
    assert repaired(after) == after


OLD = "/opt/imss"
OLDS = " ".join(f"{name}={value}" for name, value in import_environment.settings(OLD, 25).items())
LIBRARIES, FOLDER = "LD_LIBRARY_PATH", WANTED["LD_LIBRARY_PATH"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{BARE}=/own.so", f"{BARE}=/own.so:{LIBRARY}"),
        (f"{BARE}=/a.so:/b.so", f"{BARE}=/a.so:/b.so:{LIBRARY}"),
        (f"{{ {BARE} = /a.so /b.so }}", f"{{ {BARE} = /a.so /b.so:{LIBRARY} }}"),
        (f"{{{BARE}=/own.so}}", f"{{{BARE}=/own.so:{LIBRARY}}}"),
        (f"{BARE}=/own.so:{OLD}/lib64/libTmFoxSocketLib.so", f"{BARE}=/own.so:{LIBRARY}"),
        (f"{BARE}=/lib/libTmFoxSocketLib.so:/own.so", f"{BARE}={LIBRARY}:/own.so"),
        (f"{{ {BARE} = /x/libTmFoxSocketLib.so /a }}", f"{{ {BARE} = {LIBRARY} /a }}"),
        (
            f"{BARE}=/own/notlibTmFoxSocketLib.so.1",
            f"{BARE}=/own/notlibTmFoxSocketLib.so.1:{LIBRARY}",
        ),
        (f"{LIBRARIES}=/own:/usr/local/lib", f"{LIBRARIES}=/own:/usr/local/lib:{FOLDER}"),
        (f"{{ {LIBRARIES} = /own;/b }}", f"{{ {LIBRARIES} = /own;/b:{FOLDER} }}"),
        (f"{LIBRARIES}={OLD}/lib", f"{LIBRARIES}={OLD}/lib:{FOLDER}"),
        (OLDS, ALL),
        (
            OLDS.replace(f"{OLD}/lib ", f"/own:{OLD}/lib/;/b "),
            ALL.replace(f"={FOLDER} ", f"=/own:{FOLDER};/b "),
        ),
    ],
)
def test_members_of_the_operators_own_stay(before: str, after: str) -> None:
    there = [name_of(one) for one in split_list(before)]
    rest = [one for one in VENDOR if name_of(one) not in there]
    done = repaired(f"{NAME} = {before}\n")
    assert done == f"{NAME} = {' '.join([after, *rest])}\n"
    assert repaired(done) == done


def test_the_default_is_asked_for_only_where_it_is_needed() -> None:
    def never() -> str:
        raise AssertionError

    assert repair(f"{NAME} = TZ\n".encode(), WANTED, never)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (ALL, []),
        (ALL.replace(BARE, "X"), [f"lacks {VENDOR[0]}"]),
        (f"{ALL} {BARE}", [f"has {BARE} instead of {VENDOR[0]}"]),
        (f"{ALL} {PORT}=", [f"has {PORT}= instead of {PORT}=2500"]),
        (ALL.replace("2500", "25"), [f"has {PORT}=25 instead of {PORT}=2500"]),
        ("", [f"lacks {one}" for one in VENDOR]),
    ],
)
def test_what_is_wrong_is_named(value: str, found: list[str]) -> None:
    assert problems(value, WANTED) == found


@pytest.mark.parametrize("home", ["opt", "/a b", "/a,b", "/$a", "/{a}", "/a:b", "", "/a\n"])
def test_a_home_that_is_no_single_word_is_refused(home: str) -> None:
    with pytest.raises(InvalidValue, match="no absolute path"):
        import_environment.settings(home, 2500)


def test_a_slash_at_the_end_of_the_home_does_not_matter() -> None:
    assert import_environment.settings(HOME + "/", 2500) == WANTED


@st.composite
def damaged_files(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """A main.cf with the parameter in some state, and its tokens."""
    tokens = draw(st.lists(st.sampled_from([*OWN, *RIGHT, *WRONG]), min_size=1, max_size=8))
    separator = draw(st.sampled_from([" ", ", ", ",", "\t", "  "]))
    lines, line = [], f"{NAME} ="
    for index, token in enumerate(tokens):
        if draw(st.integers(0, 3)) == 0:
            lines += [line, *draw(st.lists(PASSIVE, max_size=2))]
            line = draw(INDENT) + token
        else:
            line += (separator if index else " ") + token
    text = "\n".join([*lines, line]).encode("utf-8", "surrogateescape") + b"\n"
    return draw(main_files()).replace(b"\0", b"") + b"\n" + text + b"x = y\n", tokens


@given(damaged_files())
def test_own_tokens_stay_in_their_order_and_the_vendors_are_right(
    case: tuple[bytes, list[str]],
) -> None:
    data, tokens = case
    after = repair(data, WANTED, lambda: DEFAULT)
    value = MainDocument.parse(after).get(NAME) or ""
    found = split_list(value)
    assert problems(value, WANTED) == []
    assert [name_of(one) for one in found[: len(tokens)]] == [name_of(one) for one in tokens]
    kept = [(now, then) for now, then in zip(found, tokens, strict=False) if then not in WRONG]
    assert all(now == then for now, then in kept)
    missing = [one for one in VENDOR if name_of(one) not in map(name_of, tokens)]
    assert found[len(tokens) :] == missing
    assert repair(after, WANTED, lambda: DEFAULT) == after


@given(damaged_files())
def test_every_other_line_stays(case: tuple[bytes, list[str]]) -> None:
    data, _ = case
    before = MainDocument.parse(data)
    after = MainDocument.parse(repair(data, WANTED, lambda: DEFAULT))
    others = [
        [block.lines for block in doc.blocks if block not in doc.find(NAME)]
        for doc in (before, after)
    ]
    assert others[0] == others[1]


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.lists(st.sampled_from([*OWN, *RIGHT, *WRONG]), max_size=6))
def test_postfix_reads_the_same(oracle: Oracle, tokens: list[str]) -> None:
    after = repair(f"{NAME} = {' '.join(tokens)}\n".encode(), WANTED, lambda: DEFAULT)
    shown = oracle.postconf(after, b"", "-hx", NAME)
    assert problems(shown.stdout.strip(), WANTED) == []
