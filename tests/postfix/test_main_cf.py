from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import MAIN_NAMES, main_files

from module_utils.postfix.errors import InvalidValue
from module_utils.postfix.main_cf import MainDocument

NAMES = st.sampled_from([*MAIN_NAMES, "new_name"])


def after_set(text: str, name: str, value: str) -> str:
    doc = MainDocument.parse(text.encode())
    doc.set(name, value)
    return doc.render().decode()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x = a b", "a b"),
        ("x=a", "a"),
        ("x\t=\ta \t", "a"),
        ("x =", ""),
        ("x = ", ""),
        ("x = a = b", "a = b"),
        ("x = $y ${z?{a}:{b}}", "$y ${z?{a}:{b}}"),
        ("x = a,\n  b\n# c\n\n  # c\n\tc\n# end\ny = z", "a,  b\tc"),
        ("x =\n  # c\n  a", "a"),
        ("x = 1\nx = 2", "2"),
        ("x = 1\r\n", "1"),
        (" x = ignored\n", None),
        ("# x = 1", None),
        ("xx = 1", None),
    ],
)
def test_values_are_read(text: str, value: str | None) -> None:
    assert MainDocument.parse(text.encode()).get("x") == value


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("x = a", "b", "x = b"),
        ("x=a", "b c", "x=b c"),
        ("x  =  a  # \n", "b", "x  =  b \n"),
        ("x = a\r\ny = z\r\n", "b", "x = b\r\ny = z\r\n"),
        ("x =\n", "b", "x = b\n"),
        ("x =\r\n", "b", "x = b\r\n"),
        ("x = \n", "b", "x = b\n"),
        ("x=", "b", "x= b"),
        ("x = a\n", "", "x =\n"),
        ("x = a\nx = b\n", "c", "x = a\nx = c\n"),
        ("x = a,\n  b\ny = z\n", "c", "x = c\ny = z\n"),
        ("x = a\n", "b,\n  c", "x = b,\n  c\n"),
        ("x = a\r\n", "b,\n  c", "x = b,\n  c\r\n"),
        ("x =\n  # one\n  a\n\n# two\n  b\n# three\n", "c", "x =\n  # one\n  c\n# two\n# three\n"),
        ("x = a\n# in\n  b", "c", "x = c\n# in"),
        ("# c\n", "b", "# c\nx = b\n"),
        ("# c", "b", "# c\nx = b"),
        ("", "b", "x = b\n"),
        ("y = z\r\n", "b", "y = z\r\nx = b\r\n"),
        ("# c\n", "", "# c\nx =\n"),
        (" ignored\n", "b", " ignored\nx = b\n"),
    ],
)
def test_values_are_set(before: str, value: str, after: str) -> None:
    assert after_set(before, "x", value) == after
    assert after_set(after, "x", value) == after


@pytest.mark.parametrize("value", ["a", " a ", "a\n  b", "a\n\tb"])
def test_the_same_value_changes_nothing(value: str) -> None:
    text = f"x   ={value}  \n"
    assert after_set(text, "x", value) == text


@given(main_files(), NAMES, st.sampled_from(["v", "", "a, b", "$x ${y?{z}}", "a\n  b", "ü"]))
def test_setting_touches_nothing_else(data: bytes, name: str, value: str) -> None:
    doc = MainDocument.parse(data)
    others = [p.lines for p in doc.parameters if p.name != name]
    comments = [line for line in data.split(b"\n") if line.lstrip()[:1] == b"#"]
    doc.set(name, value)
    again = MainDocument.parse(doc.render())
    assert again.get(name) == value.replace("\n", "")
    kept = [p.lines for p in again.parameters if p.name != name]
    assert [[x.rstrip() for x in p] for p in kept] == [[x.rstrip() for x in p] for p in others]
    left = [line for line in again.render().split(b"\n") if line.lstrip()[:1] == b"#"]
    assert sorted(c.rstrip(b"\r") for c in left) == sorted(c.rstrip(b"\r") for c in comments)
    again.set(name, value)
    assert again.render() == doc.render()


@given(main_files(), st.sampled_from(["v", "", "a\n  b"]))
def test_appending_and_removing_gives_the_bytes(data: bytes, value: str) -> None:
    doc = MainDocument.parse(data)
    doc.set("new_name", value)
    assert doc.render() != data
    again = MainDocument.parse(doc.render())
    again.remove("new_name")
    assert again.render() == data


@given(main_files(), NAMES)
def test_removing_takes_every_line_and_keeps_comments_above(data: bytes, name: str) -> None:
    doc = MainDocument.parse(data)
    others = [(p.name, p.value) for p in doc.parameters if p.name != name]
    doc.remove(name)
    again = MainDocument.parse(doc.render())
    assert again.get(name) is None
    assert [(p.name, p.value) for p in again.parameters] == others


def test_removing_keeps_what_stands_around() -> None:
    doc = MainDocument.parse(b"# a\nx = 1\n  # in\n  2\n# b\nx = 3\ny = z")
    doc.remove("x")
    assert doc.render() == b"# a\n# b\ny = z"


@pytest.mark.parametrize(
    ("before", "present", "absent", "after"),
    [
        ("x = a b\n", ["c"], [], "x = a b c\n"),
        ("x = a, b\n", ["c"], [], "x = a, b, c\n"),
        ("x = a b\n", ["b", "a"], [], "x = a b\n"),
        ("x = a b c\n", [], ["b"], "x = a c\n"),
        ("x = a, b, c\n", [], ["c"], "x = a, b\n"),
        ("x = a, b, c\n", [], ["a"], "x = b, c\n"),
        ("x = a\n", [], ["a"], "x =\n"),
        ("x = a\n", ["b"], ["a"], "x = b\n"),
        ("x = { A=b c } d\n", [], ["d"], "x = { A=b c }\n"),
        ("x =\n  # one\n  a,\n  # two\n  b\ny = z\n", ["c"], [],
         "x =\n  # one\n  a,\n  # two\n  b,\n  c\ny = z\n"),
        ("x =\n  # one\n  a,\n  # two\n  b,\n  c\n", [], ["b"],
         "x =\n  # one\n  a,\n  # two\n  c\n"),
        ("x = a\n  b\n", [], ["b"], "x = a\n"),
        ("y = z\n", ["c"], [], "y = z\nx = D e c\n"),
        ("y = z\n", [], ["D"], "y = z\nx = e\n"),
        ("y = z\n", ["D"], ["q"], "y = z\n"),
    ],
)  # fmt: skip
def test_members(before: str, present: list[str], absent: list[str], after: str) -> None:
    doc = MainDocument.parse(before.encode())
    doc.remove_tokens("x", absent, "D e")
    doc.add_tokens("x", present, "D e")
    assert doc.render().decode() == after
    doc.remove_tokens("x", absent, "D e")
    doc.add_tokens("x", present, "D e")
    assert doc.render().decode() == after


@given(main_files(), NAMES, st.lists(st.sampled_from(["a", "b,"[:1], "10.0.0.0/8", "new"])))
def test_members_are_exactly_those(data: bytes, name: str, tokens: list[str]) -> None:
    doc = MainDocument.parse(data)
    before = [t.text for p in doc.find(name)[-1:] for t in p.tokens]
    doc.add_tokens(name, tokens)
    added = [t.text for p in MainDocument.parse(doc.render()).find(name)[-1:] for t in p.tokens]
    assert added == before + [t for t in dict.fromkeys(tokens) if t not in before]
    doc.remove_tokens(name, tokens)
    left = [t.text for p in MainDocument.parse(doc.render()).find(name)[-1:] for t in p.tokens]
    assert left == [t for t in before if t not in tokens]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "a"),
        ("a b", "c"),
        ("a=b", "c"),
        ("#a", "b"),
        ("x", "a\nb = c"),
        ("x", "a\n# c"),
        ("x", "a\n  # c"),
        ("x", "a\n\n  b"),
        ("x", "a\0"),
    ],
)
def test_what_cannot_be_written(name: str, value: str) -> None:
    doc = MainDocument.parse(b"x = 1\n")
    with pytest.raises(InvalidValue):
        doc.set(name, value)
    assert doc.render() == b"x = 1\n"
