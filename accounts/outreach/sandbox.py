"""Pure: what a template may contain, said at its line and column; and Liquid cut down to just that.

Staff write templates, so they are not trusted (SEC-08). A text is read by our own small grammar first, in one pass:
variables are plain names from a list, tags are ``if`` and ``unless``, conditions compare a variable with a text,
filters come from a short list and cannot make a text longer than a little. Only what passes reaches Liquid, whose
environment knows nothing else either: no loops, no includes, no assignments, no objects.
"""

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

from liquid import BoundTemplate, Environment, StrictUndefined
from liquid.builtin import content, illegal, output
from liquid.builtin.filters.misc import default
from liquid.builtin.filters.string import capitalize, downcase, strip, upcase
from liquid.builtin.tags import if_tag, unless_tag

from billing_project.kernel.errors import Refused

from .conditions import FILTER_WORDS, FILTERS, Scanner
from .letterbook import LETTERS, VARIABLES

SIZE_MAX = 20_000
DEPTH_MAX = 10
MARKS_MAX = 1_000
FINDINGS_MAX = 20

_OPENING = re.compile(r"\{\{|\{%|\}\}|%\}|\{#")
_CARD = re.compile(r"(?<!\d)\d(?:[ \u00a0.\-–]?\d){12,18}(?!\d)")
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"'{}]{1,300}", re.IGNORECASE)
# Signs that nobody sees, or that turn the order of those that are seen.
_HIDDEN = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ue000-\uf8ff]"
)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something in a template that is not allowed: where, what, and how to mend it."""

    line: int
    column: int
    words: str

    def __str__(self) -> str:
        """Return place and words, as a person reads them."""
        return f"Line {self.line}, column {self.column}: {self.words}"


class _Sandbox(Environment):
    """Liquid with two tags, five filters and limits."""

    block_nesting_limit = DEPTH_MAX + 1
    context_depth_limit = DEPTH_MAX
    loop_iteration_limit = 1
    output_stream_limit = SIZE_MAX
    local_namespace_limit = SIZE_MAX

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Register what a template may use, and nothing that could loop, load or assign."""
        for tag in (content.Literal, output.Output, illegal.Illegal, if_tag.IfTag, unless_tag.UnlessTag):
            self.add_tag(tag)
        for name, make in zip(FILTERS, (upcase, downcase, capitalize, strip, default), strict=True):
            self.add_filter(name, make)


_environment = _Sandbox(undefined=StrictUndefined, strict_filters=True)


@lru_cache(maxsize=512)
def compiled(source: str) -> BoundTemplate:
    """Return a text ready to be rendered; raises Refused("template_error") if its form is not allowed."""
    found = _Reader(source, None).findings()
    if found:
        raise Refused("template_error", str(found[0]))
    return _environment.from_string(source)


def check(source: str, names: Collection[str]) -> list[Finding]:
    """Return everything in a text that must be mended before it can be saved, first to last; at most twenty.

    ``names`` are the variables it may use. Branches that are rarely taken are looked at like all others.
    """
    return _Reader(source, frozenset(names)).findings()


def foreign_links(source: str, own_hosts: Collection[str] = ()) -> list[str]:
    """Return the links in a text that lead elsewhere than to the company's own hosts."""
    links = dict.fromkeys(match.group().rstrip(".,;:!?)") for match in _LINK.finditer(source))
    return [link for link in links if not any(_is_host(link, own) for own in own_hosts)]


def used_variables(source: str) -> list[str]:
    """Return the names of the variables that a text uses, in order, each once."""
    reader = _Reader(source, None)
    reader.findings()
    return list(dict.fromkeys(reader.used))


def _is_host(link: str, own: str) -> bool:
    """Tell whether a link leads to a host or one below it; what stands before an @ in it is no host."""
    try:
        host = urlsplit(link if "//" in link else f"//{link}").hostname or ""
    except ValueError:
        return False
    return host == own or host.endswith(f".{own}")


@dataclass(slots=True)
class _Open:
    """A tag that waits for its end."""

    tag: str
    at: int
    has_else: bool = False


@dataclass(slots=True)
class _Reader:
    """Reads one template from its beginning to its end, once."""

    source: str
    names: frozenset[str] | None
    found: list[tuple[int, str]] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)

    def findings(self) -> list[Finding]:
        """Return what was found, each with its place."""
        size = len(self.source.encode("utf-8", "surrogatepass"))
        if size > SIZE_MAX:
            words = f"The text has {size:,} bytes; at most {SIZE_MAX:,} are allowed. Shorten it."
            return [Finding(1, 1, words)]
        self._signs()
        for marks, (opening, at, inner, inner_at) in enumerate(self._marks(), 1):
            if marks > MARKS_MAX:
                self.found.append((at, f"There are more than {MARKS_MAX:,} variables and tags. Shorten the text."))
                break
            if opening == "{{":
                self._output(at, inner, inner_at)
            else:
                self._tag(at, inner, inner_at)
        for waiting in self.stack:
            end = f"{{% end{waiting.tag} %}}"
            self.found.append((waiting.at, f"This {waiting.tag} is never closed. Add {end} where it ends."))
        return [self._placed(at, words) for at, words in sorted(dict.fromkeys(self.found))[:FINDINGS_MAX]]

    def _placed(self, at: int, words: str) -> Finding:
        before = self.source[:at]
        return Finding(before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1, words)

    # --- the signs themselves ---

    def _signs(self) -> None:
        for match in _HIDDEN.finditer(self.source):
            if match.group() == "\r" and self.source[match.end() : match.end() + 1] == "\n":
                continue
            name = unicodedata.name(match.group(), f"control character U+{ord(match.group()):04X}").lower()
            self.found.append((match.start(), f"An invisible sign ({name}) is here. Delete it and type the text anew."))
            if len(self.found) >= FINDINGS_MAX:
                break
        digits = "".join(str(unicodedata.digit(sign, "")) or sign for sign in self.source)
        if len(digits) == len(self.source):
            for match in _CARD.finditer(digits):
                if _is_card(re.sub(r"\D", "", match.group())):
                    words = "This looks like a card number, and those must never be stored or sent. Take it out."
                    self.found.append((match.start(), words))
        for match in re.finditer("[\ud800-\udfff]", self.source):
            self.found.append((match.start(), "Half of a sign is here. Delete it and type the text anew."))
            break

    # --- marks: {{ }} and {% %} ---

    def _marks(self) -> Iterator[tuple[str, int, str, int]]:
        at = 0
        while match := _OPENING.search(self.source, at):
            start, sign = match.span()[0], match.group()
            at = match.end()
            if sign in ("}}", "%}"):
                self.found.append((start, f"This {sign} closes nothing. Delete it, or write the opening before it."))
                continue
            if sign == "{#":
                self.found.append((start, "Comments do not belong in a text. Write them into the note of the version."))
                continue
            closing = "}}" if sign == "{{" else "%}"
            after = _OPENING.search(self.source, at)
            if after is None or after.group() != closing:
                self.found.append((start, f"This {sign} is never closed. Write {closing} right after it."))
                continue
            end = after.start()
            inner = self.source[at:end]
            left = 1 if inner.startswith("-") else 0
            inner = inner[left:-1] if inner.endswith("-") and len(inner) > left else inner[left:]
            yield sign, start, inner, at + left
            at = end + 2

    def _output(self, at: int, inner: str, inner_at: int) -> None:
        scanner = Scanner(inner, inner_at, self.found)
        name = scanner.output(at)
        self._known(scanner.names)
        if name is None and not scanner.wrong:
            self.found.append((at, "Nothing is named here. Write a variable, such as {{ contact_name }}."))

    def _tag(self, at: int, inner: str, inner_at: int) -> None:
        tag, _, rest = inner.strip().partition(" ")
        match tag:
            case "if" | "unless":
                if len(self.stack) >= DEPTH_MAX:
                    self.found.append((at, f"More than {DEPTH_MAX} conditions are nested. Use fewer."))
                self.stack.append(_Open(tag, at))
                self._condition(at, inner, inner_at, tag)
            case "elsif":
                self._branch(at, tag)
                self._condition(at, inner, inner_at, tag)
            case "else":
                self._branch(at, tag)
                self._bare(at, tag, rest)
            case "endif" | "endunless":
                if not self.stack or self.stack[-1].tag != tag.removeprefix("end"):
                    self.found.append((at, f"This {tag} closes no {tag.removeprefix('end')}. Delete it, or open one."))
                else:
                    self.stack.pop()
                self._bare(at, tag, rest)
            case _:
                self.found.append((at, _no_tag(tag)))

    def _condition(self, at: int, inner: str, inner_at: int, tag: str) -> None:
        begins = inner.index(tag) + len(tag)
        scanner = Scanner(inner[begins:], inner_at + begins, self.found)
        scanner.condition(at)
        self._known(scanner.names)

    def _branch(self, at: int, tag: str) -> None:
        if not self.stack or (tag == "elsif" and self.stack[-1].tag != "if"):
            self.found.append((at, f"This {tag} stands outside of an if. Put it between if and endif."))
        elif self.stack[-1].has_else:
            self.found.append((at, f"This {tag} comes after an else. Put it before the else."))
        elif tag == "else":
            self.stack[-1].has_else = True

    def _bare(self, at: int, tag: str, rest: str) -> None:
        if rest.strip():
            self.found.append((at, f"After {tag} nothing may follow. Write {{% {tag} %}}."))

    def _known(self, names: list[tuple[int, str]]) -> None:
        self.used += [name for _at, name in names]
        if self.names is not None:
            self.found += [(at, _no_variable(name, self.names)) for at, name in names if name not in self.names]


def _no_variable(name: str, names: frozenset[str]) -> str:
    near = difflib.get_close_matches(name[:60], names, n=1, cutoff=0.6)
    if name in VARIABLES:
        where = ", ".join(f"“{kind.title}”" for kind in LETTERS.values() if name in kind.names)
        return f"{name} is not known when this letter is written; it can be used in {where}."
    mend = f"Did you mean {near[0]}?" if near else "Choose one from the list beside the text."
    return f"There is no variable {_short(name)}. {mend}"


def _no_tag(tag: str) -> str:
    if not tag:
        return 'This tag is empty. Delete it, or write a condition, such as {% if pay_url != "" %}.'
    return f"The tag {_short(tag)} is not allowed; a text may use if, elsif, else, unless. Take it out."


def _short(text: str) -> str:
    return f"“{text[:30]}…”" if len(text) > 30 else f"“{text}”"


def _is_card(digits: str) -> bool:
    """Tell whether digits pass Luhn's check, as every card number does (SEC-13)."""
    doubled = (int(digit) * 2 if place % 2 else int(digit) for place, digit in enumerate(reversed(digits)))
    return len(set(digits)) > 1 and sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def filter_words() -> list[tuple[str, str]]:
    """Return the filters a text may use, each with what it does."""
    return list(FILTER_WORDS.items())
