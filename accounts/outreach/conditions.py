"""Pure: the little that may stand between the braces of a template, read word by word.

An output is ``name | filter | default: "text"``; a condition compares a variable with a text by ==, != or contains,
and joins such comparisons by either ``and`` or ``or``.
"""

import re
from dataclasses import dataclass, field

FILTERS = ("upcase", "downcase", "capitalize", "strip", "default")
FILTER_WORDS = {
    "upcase": "in capital letters",
    "downcase": "in small letters",
    "capitalize": "with a capital first letter",
    "strip": "without spaces around it",
    "default": 'another text where it is blank: {{ contact_name | default: "customer" }}',
}
FILTERS_MAX = 5
COMPARISONS_MAX = 10
INNER_MAX = 500
COMPARE = ("==", "!=", "contains")

_WORD = re.compile(
    r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<text>\"[^\"]*\"|'[^']*')|(?P<number>\d+)"
    r"|(?P<sign>==|!=|<>|<=|>=|\.\.|[<>=|:,.\[\]()])|(?P<other>\S)",
)
_CURLY = "“”„‘’«»"
_NOT_NAMES = frozenset({"true", "false", "nil", "null", "empty", "and", "or", "not", "in", "contains", "blank"})


@dataclass(slots=True)
class Word:
    """One word between the braces: what kind it is, its text, and where it stands in the template."""

    kind: str
    text: str
    at: int


@dataclass(slots=True)
class Scanner:
    """Reads what stands between two braces; says what is wrong into ``found``, and which names it met."""

    inner: str
    offset: int
    found: list[tuple[int, str]]
    names: list[tuple[int, str]] = field(default_factory=list)
    wrong: bool = False

    def output(self, at: int) -> str | None:
        """Read a variable with its filters; return its name, or None if there is none."""
        words = self._words(at)
        if not words:
            return None
        name = self._operand(words.pop(0), may_be_text=False)
        filters = 0
        while words and not self.wrong:
            bar = words.pop(0)
            if bar.text != "|" or not words:
                self._say(bar.at, self._unexpected(bar, "a filter begins with |, as in {{ account_name | upcase }}"))
                break
            filters += 1
            self._filter(words)
        if filters > FILTERS_MAX:
            self._say(at, f"At most {FILTERS_MAX} filters may follow one another. Use fewer.")
        return name

    def condition(self, at: int) -> None:
        """Read comparisons joined by and, or by or."""
        words = self._words(at)
        joined: set[str] = set()
        count = 0
        while not self.wrong:
            count += 1
            self._comparison(words, at)
            if self.wrong or not words:
                break
            link = words.pop(0)
            if link.text not in ("and", "or"):
                self._say(link.at, self._unexpected(link, "join comparisons by and, or by or"))
            joined.add(link.text)
        if len(joined) > 1:
            self._say(
                at, "This condition mixes and with or, which reads differently than it works. Nest two ifs instead."
            )
        if count > COMPARISONS_MAX:
            self._say(at, f"At most {COMPARISONS_MAX} comparisons may be joined. Use fewer.")

    def _words(self, at: int) -> list[Word]:
        if len(self.inner) > INNER_MAX:
            self._say(at, f"More than {INNER_MAX} characters stand between the braces. Shorten it.")
            return []
        return [
            Word(str(match.lastgroup), match.group(), self.offset + match.start())
            for match in _WORD.finditer(self.inner)
        ]

    def _filter(self, words: list[Word]) -> None:
        name = words.pop(0)
        if name.kind != "name" or name.text not in FILTERS:
            self._say(
                name.at, f"There is no filter “{name.text[:30]}”. Use one of {', '.join(FILTERS)}, or take it out."
            )
            return
        if name.text != "default":
            return
        if len(words) < 2 or words[0].text != ":" or words[1].kind != "text":
            self._say(name.at, 'After default comes a text: {{ contact_name | default: "customer" }}.')
            return
        del words[:2]

    def _comparison(self, words: list[Word], at: int) -> None:
        if not words:
            self._say(at, 'A comparison is missing here. Write one, such as {% if pay_url != "" %}.')
            return
        left = words.pop(0)
        self._operand(left, may_be_text=True)
        if self.wrong:
            return
        if not words or words[0].text in ("and", "or"):
            words_too = (
                f'Say what {left.text[:30]} is compared with: {left.text[:30]} != "". A blank text counts as true.'
            )
            self._say(left.at, words_too)
            return
        compare = words.pop(0)
        if compare.text not in COMPARE:
            self._say(compare.at, self._unexpected(compare, "compare texts by ==, != or contains"))
            return
        if not words:
            self._say(compare.at, f'What comes after {compare.text} is missing. Write a text in quotes, such as "".')
            return
        self._operand(words.pop(0), may_be_text=True, may_be_blank=True)

    def _operand(self, word: Word, *, may_be_text: bool, may_be_blank: bool = False) -> str | None:
        if may_be_blank and word.text == "blank":
            return None
        if word.kind == "text" and may_be_text:
            return None
        if word.kind == "name" and word.text not in _NOT_NAMES:
            self.names.append((word.at, word.text))
            return word.text
        need = "a variable or a text in quotes is expected" if may_be_text else "a variable is expected"
        self._say(word.at, self._unexpected(word, need))
        return None

    def _unexpected(self, word: Word, instead: str) -> str:
        if word.text in (".", "[", "..", "("):
            return (
                "Variables are plain texts, without parts, calls or ranges. Choose one from the list beside the text."
            )
        if word.text in _CURLY:
            return 'These quotes are typographic; between braces use straight ones: "…".'
        return f"“{word.text[:30]}” cannot stand here: {instead}."

    def _say(self, at: int, words: str) -> None:
        self.wrong = True
        self.found.append((at, words))
