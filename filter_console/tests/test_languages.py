"""Everything that is said in English is said in each language."""

import re
from pathlib import Path
from string import Formatter

import pytest

from sender_filter_console import i18n, pages
from sender_filter_console.pages import words

CALL = re.compile(r"""(?:\b_|translator\(.*\))\((?:"([^"]*)"|'([^']*)')""")


def said() -> set[str]:
    folder = Path(pages.__file__).parent
    files = [*folder.glob("*.py"), *folder.glob("templates/*.html")]
    calls = {one or two for file in files for one, two in CALL.findall(file.read_text("utf-8"))}
    named = {
        text
        for name, texts in vars(words).items()
        if name.isupper() and isinstance(texts, dict)
        for text in texts.values()
    }
    return calls | named


@pytest.mark.parametrize("language", [each for each in i18n.LANGUAGES if each != i18n.DEFAULT])
def test_a_catalogue_has_all_and_nothing_else(language: str) -> None:
    assert set(i18n.catalogue(language)) == said()


def test_a_translation_has_the_places_of_the_original() -> None:
    for original, translation in i18n.catalogue("ja").items():
        assert names(original) == names(translation), original


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize(
    ("wished", "header", "language"),
    [
        (None, "", "en"),
        (None, "ja", "ja"),
        (None, "ja-JP,ja;q=0.9,en-US;q=0.8", "ja"),
        (None, "en-GB,en;q=0.9,ja;q=0.8", "en"),
        (None, "fr;q=0.9, ja;q=0.2, en;q=0.1", "ja"),
        (None, "fr", "en"),
        (None, "ja;q=0, en", "en"),
        (None, "ja;q=much", "en"),
        ("ja", "en", "ja"),
        ("xx", "ja", "ja"),
    ],
)
def test_the_language_is_chosen_by_the_reader_then_by_his_browser(
    wished: str | None, header: str, language: str
) -> None:
    assert i18n.choose(wished, header) == language


def test_values_are_put_in_and_never_read() -> None:
    say = i18n.translator("en")
    assert say("Approve {address}", address="{other}") == "Approve {other}"
