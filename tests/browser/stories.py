"""Measure a story as a person would live it: clicks, fields, and seconds by the keystroke-level model.

A listener in the page counts what is pressed and typed; each page to read costs time, and so does each change of the
hand between mouse and keys, and the server's own time. The bars stand in ``bars.json``.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Page, Request, Response

BARS: dict[str, dict[str, float]] = json.loads((Path(__file__).parent / "bars.json").read_text())
# The same stories on Django's own admin over the same models (test_stock.py measures them).
STOCK_FILE = Path(__file__).parent / "stock.json"
STOCK: dict[str, dict[str, Any]] = json.loads(STOCK_FILE.read_text()) if STOCK_FILE.exists() else {}
CLICK, KEY, READ, HAND = 1.1, 0.28, 1.35, 0.4
LISTENER = """
if (!window.storyListens) for (const kind of ['pointerdown', 'keydown']) {
  window.storyListens = true;
  addEventListener(kind, (event) => {
    const field = event.target.matches?.('input, select, textarea') ? event.target : {};
    if (event.isTrusted) window.storyHeard(kind, event.key || '', field.name || field.id || '');
  }, true);
}
"""


class Told(NamedTuple):
    """What was measured of one story."""

    key: str
    clicks: int
    fields: int
    seconds: float


MEASURED: list[Told] = []
LISTENING: dict[Page, "Story"] = {}


@dataclass
class Story:
    """One story that is being measured; use it as a context."""

    key: str
    page: Page
    judged: bool = True
    clicks: int = 0
    keys: int = 0
    pages: int = 0
    hands: int = 0
    server: float = 0.0
    fields: set[str] = field(default_factory=set)
    is_on: bool = False
    _hand: str = "mouse"

    def __post_init__(self) -> None:
        """Listen on every page from now on."""
        if self.page not in LISTENING:  # a page may tell several stories, one after the other
            page = self.page

            def told(kind: str, key: str, place: str) -> None:
                LISTENING[page].hear(kind, key, place)

            page.expose_function("storyHeard", told)
            page.add_init_script(LISTENER)
        LISTENING[self.page] = self
        self.page.on("requestfinished", self._loaded)
        self.page.on("response", self._shown)

    def __enter__(self) -> "Story":
        """Begin to count, on the page that is open."""
        self.page.evaluate(LISTENER)
        self.is_on = True
        return self

    def __exit__(self, error: type[BaseException] | None, *_: Any) -> None:
        """Stop counting; a story that went through is judged by its bar."""
        self.is_on = False
        if error is None and self.judged:
            MEASURED.append(Told(self.key, self.clicks, len(self.fields), self.seconds))
            most, seconds = most_clicks(self.key), BARS[self.key]["seconds"]
            assert self.clicks <= most, f"{self.key}: {self.clicks} clicks, {most:g} may be"
            # The server's time is part of it, and a busy machine's must not fail a test: twice the bar does.
            assert self.seconds <= 2 * seconds, f"{self.key}: {self.seconds:.1f} s, {seconds:g} may be"
            assert self.clicks or not BARS[self.key]["clicks"], "the listener heard nothing"

    @property
    def seconds(self) -> float:
        """Return how long a practised person takes."""
        return CLICK * self.clicks + KEY * self.keys + READ * self.pages + HAND * self.hands + self.server

    def hear(self, kind: str, key: str, place: str) -> None:
        """Count what was pressed or typed."""
        if not self.is_on:
            return
        if kind == "pointerdown" or key == "Enter":
            self.clicks += 1
        if kind == "keydown":
            self.keys += 1
            self.fields |= {place} - {""}
        hand = "mouse" if kind == "pointerdown" else "keys"
        self.hands += hand != self._hand
        self._hand = hand

    def _loaded(self, request: Request) -> None:
        if self.is_on and request.is_navigation_request():
            timing = request.timing
            self.server += max(timing["responseEnd"] - timing["requestStart"], 0) / 1000

    def _shown(self, response: Response) -> None:
        """Count a page to read; an answer that only leads to the next page is none."""
        if self.is_on and response.request.is_navigation_request():
            self.pages += not 300 <= response.status < 400


def find(page: Page, words: str) -> None:
    """Type into the one box that finds anything, from wherever somebody is: the one exact hit opens."""
    page.keyboard.press("/")
    page.keyboard.type(words)
    page.keyboard.press("Enter")


def most_clicks(key: str) -> float:
    """Return how many clicks a story may take: its bar, and half of what the stock admin needs where it can do it."""
    stock, bar = STOCK.get(key), BARS[key]["clicks"]
    return bar if stock is None or stock["cannot"] else min(bar, stock["clicks"] / 2)


def table(told: Iterable[Told]) -> list[str]:
    """Return what was measured, beside its bars and what the stock admin takes: a "+" where that ends half-way."""
    lines = [f"{'story':16} {'clicks':>9} {'stock':>6} {'share':>6} {'fields':>7} {'seconds':>14}"]
    for row in sorted(told, key=lambda row: (row.key.rstrip("0123456789"), len(row.key), row.key)):
        bar, stock = BARS[row.key], STOCK.get(row.key)
        there = share = words = ""
        if stock is not None:
            there = f"{stock['clicks']}{'+' if stock['cannot'] else ''}"
            share = "" if stock["cannot"] else f"{row.clicks / stock['clicks']:.0%}"
            words = "  ".join(filter(None, ("", stock["cannot"] and f"cannot: {stock['cannot']}", stock["note"])))
        lines.append(
            f"{row.key:16} {row.clicks:>3} of {bar['clicks']:<2.0f} {there:>6} {share:>6} {row.fields:>7}"
            f" {row.seconds:>6.1f} of {bar['seconds']:<4.0f}{words}"
        )
    return lines
