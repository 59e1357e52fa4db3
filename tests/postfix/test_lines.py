from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import main_files, master_files

from module_utils.postfix.lines import (
    Gap,
    Logical,
    Orphan,
    Span,
    is_passive,
    parse_blocks,
    split_lines,
)
from module_utils.postfix.main_cf import MainDocument
from module_utils.postfix.master_cf import MasterDocument

CHARACTERS = st.sampled_from(
    [b"a", b"=", b"#", b" ", b"\t", b"\n", b"\r", b"\v", b"\0", b"{", b"}", b"\xff", b"-o"]
)


@given(st.one_of(st.binary(), st.lists(CHARACTERS).map(b"".join), master_files(), main_files()))
def test_any_bytes_come_back(data: bytes) -> None:
    assert MasterDocument.parse(data).render() == data
    assert MainDocument.parse(data).render() == data


@given(st.lists(CHARACTERS).map(b"".join))
def test_any_bytes_can_be_looked_at(data: bytes) -> None:
    for entry in MasterDocument.parse(data).entries:
        assert isinstance((entry.fields, entry.command, entry.options, entry.identity), tuple)
    for parameter in MainDocument.parse(data).parameters:
        assert isinstance((parameter.name, parameter.value, parameter.tokens), tuple)


def test_shipped_files_come_back(
    shipped_texts: dict[str, bytes],
    shipped_masters: dict[str, bytes],
    shipped_mains: dict[str, bytes],
) -> None:
    files = shipped_texts | shipped_masters | shipped_mains
    assert len(files) > 40
    for name, data in files.items():
        assert MasterDocument.parse(data).render() == data, name
        assert MainDocument.parse(data).render() == data, name


def test_comments_and_blank_lines_do_not_end_a_logical_line() -> None:
    blocks = parse_blocks("# c\na b\n# c\n\n  # c\n  d\n# after\nnext\n", Logical)
    assert [(type(block), len(block.lines), block.line) for block in blocks] == [
        (Gap, 1, 1),
        (Logical, 5, 2),
        (Gap, 1, 7),
        (Logical, 1, 8),
    ]
    first = blocks[1]
    assert isinstance(first, Logical)
    assert first.text == "a b  d"


def test_indented_text_before_the_first_logical_line_is_set_apart() -> None:
    blocks = parse_blocks("# c\n ignored\n more\nreal\n", Logical)
    assert [type(block) for block in blocks] == [Gap, Orphan, Logical]


def test_text_behind_a_nul_is_not_seen() -> None:
    (block,) = parse_blocks("a b\0c\n", Logical)
    assert isinstance(block, Logical)
    assert block.text == "a b"


def test_only_line_feeds_end_lines() -> None:
    text = "a\r\nb\x0bc\x85d\u2028e\rf"
    assert split_lines(text) == ["a\r\n", "b\x0bc\x85d\u2028e\rf"]


def test_a_splice_over_lines_replaces_what_is_between() -> None:
    block = Logical(["a { b\n", "# c\n", "  d } e\n"])
    start = block.text.index("{")
    block.splice(Span(start, block.text.index("}") + 1), "X")
    assert block.lines == ["a X e\n"]


@pytest.mark.parametrize("line", ["\n", "\r\n", "\r", "\v\n", "\f# c\n", " \t# c", "#", "#c\n"])
def test_what_postfix_skips(line: str) -> None:
    assert is_passive(line)


@pytest.mark.parametrize("line", ["a\n", " a\n", "\va # b\n", "\0\n", " \xa0\n"])
def test_what_postfix_reads(line: str) -> None:
    assert not is_passive(line)
