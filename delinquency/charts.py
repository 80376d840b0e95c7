"""Bar charts as SVG: data in, markup out, no script and nothing fetched. The table beneath has the same numbers.

Series differ by pattern as well as by colour: outlined, filled, and thin. Colours are the desk's own classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, LEFT, RIGHT = 720, 48, 8
TOP, PLOT, FOOT = 28, 132, 24
HEIGHT = TOP + PLOT + FOOT
LABELS_MAX = 13
# How much of its place a group of bars takes.
GROUP_SHARE = 0.76


@dataclass(frozen=True, slots=True)
class Series:
    """One row of numbers: what it is called, and how its bars look ("past", "live" or "draft")."""

    words: str
    look: str
    values: Sequence[int | Decimal]


def bars(key: str, title: str, words: str, labels: Sequence[str], series: Sequence[Series]) -> SafeString:
    """Return a chart of grouped bars, one group for each label; `key` makes its ids unique on the page."""
    most = _ceiling(max((value for row in series for value in row.values), default=0))
    return format_html(
        '<svg class="desk-bars" viewBox="0 0 {} {}" role="img" aria-labelledby="{}-title {}-words">'
        '<title id="{}-title">{}</title><desc id="{}-words">{}</desc>{}{}{}{}</svg>',
        WIDTH, HEIGHT, key, key, key, title, key, words,
        _legend(series), _grid(most), _bars(labels, series, most), _labels(labels),
    )  # fmt: skip


def _ceiling(most: int | Decimal) -> Decimal:
    """Return the end of the scale: a round number that four lines divide into whole ones."""
    step = Decimal(1)
    while True:
        for factor in (4, 8, 12, 20):
            if step * factor >= most:
                return step * factor
        step *= 10


def _legend(series: Sequence[Series]) -> SafeString:
    place, parts = LEFT, []
    for row in series:
        parts.append((place, row.look, place + 17, row.words))
        place += 34 + 7 * len(row.words)
    return format_html_join(
        "",
        '<rect x="{}" y="5" width="12" height="12" class="desk-series-{}"/>'
        '<text x="{}" y="15" class="desk-legend">{}</text>',
        parts,
    )


def _grid(most: Decimal) -> SafeString:
    lines = []
    for quarter in range(5):
        y = TOP + PLOT - PLOT * quarter / 4
        lines.append(
            (LEFT, f"{y:.1f}", WIDTH - RIGHT, f"{y:.1f}", LEFT - 6, f"{y + 4:.1f}", _short(most * quarter / 4))
        )
    return format_html_join(
        "",
        '<line x1="{}" y1="{}" x2="{}" y2="{}" class="desk-grid"/><text x="{}" y="{}" class="desk-scale">{}</text>',
        lines,
    )


def _bars(labels: Sequence[str], series: Sequence[Series], most: Decimal) -> SafeString:
    group = (WIDTH - LEFT - RIGHT) / max(len(labels), 1)
    # Few groups do not make fat bars.
    width = min(group * GROUP_SHARE / max(len(series), 1), 26)
    margin = (group - width * len(series)) / 2
    found = []
    for nth, row in enumerate(series):
        for place, value in enumerate(row.values):
            if value <= 0:
                continue
            # One unit at least for what is there, so that no bar is hidden.
            height = max(float(Decimal(value) / most) * PLOT, 1.5)
            x = LEFT + place * group + margin + nth * width
            label = f"{labels[place]}, {row.words}: {_exact(value)}"
            found.append(
                (f"{x:.1f}", f"{TOP + PLOT - height:.1f}", f"{width - 1:.1f}", f"{height:.1f}", row.look, label)
            )
    return format_html_join(
        "", '<rect x="{}" y="{}" width="{}" height="{}" class="desk-series-{}"><title>{}</title></rect>', found
    )


def _labels(labels: Sequence[str]) -> SafeString:
    group = (WIDTH - LEFT - RIGHT) / max(len(labels), 1)
    every = -(-len(labels) // LABELS_MAX)
    found = [
        (f"{LEFT + (place + 0.5) * group:.1f}", HEIGHT - 6, label)
        for place, label in enumerate(labels)
        if place % every == 0
    ]
    return format_html_join("", '<text x="{}" y="{}" class="desk-bar-text">{}</text>', found)


def _short(value: Decimal) -> str:
    for size, sign in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{(value / size).normalize():f}{sign}"
    return f"{value.normalize():f}" if value else "0"


def _exact(value: int | Decimal) -> str:
    return f"{value:,.2f}" if isinstance(value, Decimal) else f"{value:,}"
