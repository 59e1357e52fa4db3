"""The languages of the console.

What stands in templates and code is English; a catalogue has the same in another language, and the
tests see to it that it has all of it. The Japanese words are those of the vendor's own console.
"""

import tomllib
from functools import cache
from pathlib import Path

LANGUAGES = {"en": "English", "ja": "日本語"}
"""Each language by its own name."""

DEFAULT = "en"


class Translator:
    """Says in one language what is written in English."""

    def __init__(self, language: str) -> None:
        """Speak one of :data:`LANGUAGES`."""
        self.language = language
        self._texts = catalogue(language)

    def __call__(self, text: str, /, **values: object) -> str:
        """A text in this language, its ``{names}`` replaced by values.

        The result is plain text: what comes of a stranger's words is escaped where it is shown.
        """
        return (
            self._texts.get(text, text).format_map(values)
            if values
            else self._texts.get(text, text)
        )


@cache
def catalogue(language: str) -> dict[str, str]:
    """The texts of a language, by the English ones."""
    file = Path(__file__).with_name(f"{language}.toml")
    return tomllib.loads(file.read_text("utf-8")) if language != DEFAULT else {}


@cache
def translator(language: str) -> Translator:
    """The translator of a language."""
    return Translator(language)


def choose(wished: str | None, accept_language: str) -> str:
    """The language of a page.

    Args:
        wished: What the reader has chosen.
        accept_language: What his browser says (RFC 9110 section 12.5.4).
    """
    if wished in LANGUAGES:
        return wished
    ranges = sorted(map(_range, accept_language.split(",")), key=lambda each: -each[1])
    known = (tag for tag, quality in ranges if quality > 0 and tag in LANGUAGES)
    return next(known, DEFAULT)


def _range(text: str) -> tuple[str, float]:
    """The primary subtag of a language range, and how much it is wanted."""
    tag, _, parameter = text.strip().partition(";")
    name, _, value = parameter.strip().partition("=")
    try:
        quality = float(value) if name == "q" else 1.0
    except ValueError:
        quality = 0.0
    return tag.partition("-")[0].lower(), quality
