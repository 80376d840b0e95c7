"""Charts drawn as SVG: bars in proportion, words for everybody, nothing that could be markup."""

import re
from decimal import Decimal

import pytest

from delinquency.charts import HEIGHT, PLOT, WIDTH, Series, bars

MONTHS = ("2026-01", "2026-02")


def heights(svg: str) -> list[tuple[str, float, str]]:
    """Return look, height and words of every bar."""
    found = re.findall(r'height="([\d.]+)" class="desk-series-(\w+)"><title>([^<]*)</title>', svg)
    return [(look, float(height), words) for height, look, words in found]


def test_bars_are_in_proportion_and_say_what_they_are() -> None:
    svg = bars("c", "Cuts", "In all 50.", MONTHS, [Series("live", "live", [40, 0]), Series("v2", "draft", [10, 20])])
    assert heights(svg) == [
        ("live", PLOT, "2026-01, live: 40"),
        ("draft", PLOT / 4, "2026-01, v2: 10"),
        ("draft", PLOT / 2, "2026-02, v2: 20"),
    ]


def test_whoever_cannot_see_it_is_told_the_title_and_the_words() -> None:
    svg = bars("c", "Cuts by month", "In all 50.", MONTHS, [Series("live", "live", [1, 2])])
    assert 'role="img" aria-labelledby="c-title c-words"' in svg
    assert '<title id="c-title">Cuts by month</title><desc id="c-words">In all 50.</desc>' in svg


def test_a_name_is_text_and_never_markup() -> None:
    svg = bars("c", "<b>", "&", ["<i>"], [Series('"><script>', "live", [1])])
    assert not re.search(r"<(b|i|script)>", svg)
    assert "&lt;script&gt;" in svg


@pytest.mark.parametrize(
    ("most", "scale"),
    [
        (0, ["0", "1", "2", "3", "4"]),
        (5, ["0", "2", "4", "6", "8"]),
        (53, ["0", "20", "40", "60", "80"]),
        (Decimal("1500.50"), ["0", "500", "1k", "1.5k", "2k"]),
    ],
)
def test_the_scale_ends_at_a_round_number_above_the_highest_bar(most: int | Decimal, scale: list[str]) -> None:
    svg = bars("c", "", "", ["a"], [Series("live", "live", [most])])
    assert re.findall(r'class="desk-scale">([^<]*)<', svg) == scale


def test_little_is_still_seen_and_nothing_leaves_the_picture() -> None:
    labels = [f"{day:02d}" for day in range(30)]
    svg = bars("c", "", "", labels, [Series("a", "past", [1000, *[1] * 29]), Series("b", "live", [1] * 30)])
    assert min(height for _look, height, _words in heights(svg)) == 1.5
    for x, width in re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="[\d.]+" class', svg):
        assert 0 <= float(x) <= float(x) + float(width) <= WIDTH
    assert len(re.findall('desk-bar-text">', svg)) <= 13, "labels do not run into one another"
    assert f'viewBox="0 0 {WIDTH} {HEIGHT}"' in svg
