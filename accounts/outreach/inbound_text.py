"""Pure: what somebody wrote in a mail, without what they quoted, and without markup."""

import re
from html.parser import HTMLParser

# Longer than anybody writes; what comes after it is not kept.
TEXT_MAX = 100_000
_DROPPED = frozenset({"script", "style", "head", "title", "template", "svg", "noscript", "object", "iframe"})
_BLOCKS = frozenset({
    "p", "div", "tr", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "pre",
})  # fmt: skip
_WROTE = re.compile(
    r"(?:on|el|le|am)\b.{0,300}\b(?:wrote|escribi[oó]|a écrit|schrieb)\s*:\s*$", re.IGNORECASE | re.DOTALL
)
_FORWARDED = re.compile(
    r"\s*(?:-{2,}\s*)(?:original message|mensaje original|forwarded message|mensaje reenviado)\s*-{2,}\s*$",
    re.IGNORECASE,
)
_FROM = re.compile(r"\s*\*?(?:from|de)\s?:\*?\s+\S", re.IGNORECASE)
_SENT = re.compile(r"\s*\*?(?:sent|date|enviado(?: el)?|fecha|to|para)\s?:\*?\s+\S", re.IGNORECASE)
_RULE = re.compile(r"\s*_{20,}\s*$")
_FROM_A_PHONE = re.compile(
    r"\s*(?:sent from my \w[\w ]{0,30}|sent from (?:mail|yahoo mail|outlook) .{0,40}|get outlook for \w+.{0,60}"
    r"|enviado desde mi \w[\w ]{0,30})\.?\s*$",
    re.IGNORECASE,
)
_BLANK_LINES = re.compile(r"\n{3,}")


class _Plain(HTMLParser):
    """Collect the text of a page, line by line; a quotation gets the usual sign before each line."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = [""]
        self.dropping = 0
        self.quoting = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED:
            self.dropping += 1
        elif tag == "blockquote":
            self._break()
            self.quoting += 1
        elif tag == "br":
            self.lines.append("")
        elif tag == "li":
            self._break()
            self._write("- ")
        elif tag in _BLOCKS:
            self._break()

    def handle_endtag(self, tag: str) -> None:
        if tag in _DROPPED:
            self.dropping = max(self.dropping - 1, 0)
        elif tag == "blockquote":
            self._break()
            self.quoting = max(self.quoting - 1, 0)
        elif tag in _BLOCKS:
            self._break()

    def handle_data(self, data: str) -> None:
        if not self.dropping:
            self._write(re.sub(r"[ \t\r\n\f]+", " ", data))

    def _break(self) -> None:
        if self.lines[-1].strip():
            self.lines.append("")

    def _write(self, words: str) -> None:
        if self.quoting and not self.lines[-1]:
            self.lines[-1] = "> "
        self.lines[-1] += words if self.lines[-1].strip() else words.lstrip()


def plain(html: str) -> str:
    """Return the words of a page as plain text; scripts, styles and what else is not read are left out."""
    reader = _Plain()
    reader.feed(html[: TEXT_MAX * 5])
    reader.close()
    return _tidy("\n".join(line.rstrip() for line in reader.lines))


def trimmed(text: str) -> str:
    """Return what somebody wrote themselves: without the quoted history, without a signature.

    Answers between quoted lines stay. A text of which nothing would be left is returned as it is.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    kept: list[str] = []
    place = 0
    while place < len(lines):
        size = _attribution(lines, place)
        if size:
            if not _quoted_next(lines, place + size):
                break
            place += size
            continue
        if _history_begins(lines, place) or lines[place].rstrip("\r") in ("-- ", "--"):
            break
        line = lines[place]
        if not line.lstrip().startswith(">") and not _FROM_A_PHONE.match(line[:200]):
            kept.append(line.rstrip())
        place += 1
    return _tidy("\n".join(kept)) or _tidy(text)


def _attribution(lines: list[str], place: int) -> int:
    """Return how many lines from a place on say “On … wrote:”, or 0."""
    for size in (1, 2, 3):
        joined = " ".join(line.strip()[:300] for line in lines[place : place + size])
        if lines[place].strip() and _WROTE.match(joined):
            return size
    return 0


def _quoted_next(lines: list[str], place: int) -> bool:
    following = next((line for line in lines[place:] if line.strip()), "")
    return following.lstrip().startswith(">")


def _history_begins(lines: list[str], place: int) -> bool:
    line = lines[place][:300]
    if _FORWARDED.match(line):
        return True
    if _RULE.match(line):
        return any(_FROM.match(below[:300]) for below in lines[place + 1 : place + 3])
    return bool(_FROM.match(line)) and sum(bool(_SENT.match(below[:300])) for below in lines[place + 1 : place + 5]) > 1


def _tidy(text: str) -> str:
    return _BLANK_LINES.sub("\n\n", text).strip()
