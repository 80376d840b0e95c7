"""Public holidays as the `holidays` library knows them, made into the exclusions they would become.

Nothing here reads a row or the clock. The library is only asked while holidays are copied: what counts for accounts are
the rows that staff see and edit (S6, X5).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import holidays
from holidays.registry import COUNTRIES

from billing_project.kernel.errors import Refused

PUBLIC = "public"
NAME_LENGTH = 80
# A date that falls on the same day in this many years running is fixed: no weekday rule and no moon does that.
YEARS_TO_BE_FIXED = 6
SMALL_WORDS = {"And", "Of", "The"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """An exclusion that a holiday would become: one date, or the same date every year."""

    name: str
    month: int
    day: int
    year: int | None
    dates: tuple[date, ...]  # those of the chosen years that it stands for
    observed: bool = False
    estimated: bool = False

    @property
    def key(self) -> str:
        """Return what a form calls it: 2026-11-26, or 12-25 for every year."""
        return f"{self.month:02d}-{self.day:02d}" if self.year is None else str(self.dates[0])


@lru_cache(maxsize=1)
def countries() -> tuple[tuple[str, str], ...]:
    """Return (code, name) of every country, by name."""
    found = {row[1]: _words(row[0]) for row in COUNTRIES.values()}
    return tuple(sorted(found.items(), key=lambda item: item[1]))


def country_name(country: str) -> str:
    """Return the name of a country; raises Refused for a code that the library does not know."""
    names = dict(countries())
    if country not in names:
        raise Refused(
            "unknown_country",
            f"There are no holidays for the country {country[:20]!r}; choose one from the list, such as US.",
        )
    return names[country]


def regions(country: str) -> tuple[tuple[str, str], ...]:
    """Return (code, name) of a country's regions that have holidays of their own; raises Refused."""
    kind = _country(country)
    names: dict[str, str] = {}
    for name, code in getattr(kind, "subdivisions_aliases", {}).items():
        names.setdefault(code, name)
    found = [(code, f"{names[code]} ({code})" if code in names else code) for code in kind.subdivisions]
    return tuple(sorted(found, key=lambda item: item[1]))


def categories(country: str) -> tuple[tuple[str, str], ...]:
    """Return (code, words) of the kinds of holidays a country has, public ones first; raises Refused."""
    found = sorted(_country(country).supported_categories, key=lambda code: (code != PUBLIC, code))
    return tuple((code, code.replace("_", " ")) for code in found)


def place_words(country: str, region: str) -> str:
    """Return country and region in words; raises Refused if there is no such place."""
    name = country_name(country)
    if not region:
        return name
    names = dict(regions(country))
    if region not in names:
        raise Refused("unknown_region", f"{name} has no region {region[:40]!r}; choose one from the list.")
    return f"{name}, {names[region]}"


def wanted_dates(
    country: str, region: str, kinds: Sequence[str], *, first_year: int, last_year: int, every_year: bool
) -> tuple[Wanted, ...]:
    """Return the exclusions that a place's holidays would become, in order of their first date.

    With `every_year` a holiday on the same day each year becomes one row without a year; days off that merely stand in
    for it ("observed") always carry theirs. Raises Refused for an unknown place or kind.
    """
    place_words(country, region)
    known = dict(categories(country))
    unknown = sorted(set(kinds) - set(known))
    if unknown or not kinds:
        raise Refused("unknown_category", f"Choose kinds of holidays among {', '.join(known)}.")
    years = range(first_year, max(last_year, first_year + YEARS_TO_BE_FIXED - 1) + 1)
    shown = _names(country, region, kinds, years, observed=True)
    own = _names(country, region, kinds, years, observed=False)
    fixed = _fixed(own, shown, years) if every_year else {}
    rows: dict[tuple[int, int, int | None], list[date]] = defaultdict(list)
    for on in sorted(on for on in shown if on.year <= last_year):
        rows[on.month, on.day, None if (on.month, on.day) in fixed else on.year].append(on)
    made = []
    for (month, day, year), dates in rows.items():
        names = fixed[month, day] if year is None else shown[dates[0]]
        made.append(
            Wanted(
                name=_short("; ".join(names)), month=month, day=day, year=year, dates=tuple(dates),
                observed=year is not None and dates[0] not in own,
                estimated=any("estimated" in name for name in names),
            )
        )  # fmt: skip
    return tuple(sorted(made, key=lambda row: (row.dates[0], row.year or 0)))


def _names(
    country: str, region: str, kinds: Iterable[str], years: range, *, observed: bool
) -> dict[date, tuple[str, ...]]:
    kind = _country(country)
    languages = [code for code in ("en_US", "en_GB", "en") if code in kind.supported_languages]
    found = holidays.country_holidays(
        country, subdiv=region or None, years=years, observed=observed, categories=tuple(kinds), expand=False,
        language=languages[0] if languages else None,
    )  # fmt: skip
    return {on: tuple(found.get_list(on)) for on in found}


def _fixed(
    own: dict[date, tuple[str, ...]], shown: dict[date, tuple[str, ...]], years: range
) -> dict[tuple[int, int], tuple[str, ...]]:
    """Return the days, with the names, that are days off of the same name in every one of the years."""
    counts: dict[tuple[int, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for on, names in own.items():
        for name in names if on in shown else ():
            counts[on.month, on.day][name] += 1
    found = {}
    for place, names_there in counts.items():
        always = tuple(name for name, times in names_there.items() if times == len(years))
        if always:
            found[place] = always
    return found


def _country(country: str) -> Any:
    country_name(country)
    return getattr(holidays, country)


def _words(class_name: str) -> str:
    """Turn the library's class name into words: UnitedStates is United States."""
    parts = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z][a-z]+|[A-Z]+", class_name)
    return " ".join(part.lower() if part in SMALL_WORDS and index else part for index, part in enumerate(parts))


def _short(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
