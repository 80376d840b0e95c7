"""Public holidays made into exclusions: what is stored once for every year, and what year by year."""

from datetime import date

import pytest

from billing_project.kernel.errors import Refused
from delinquency.holiday_dates import NAME_LENGTH, Wanted, categories, countries, place_words, regions, wanted_dates


def wanted(
    country: str = "US", region: str = "", first: int = 2026, last: int = 2027, every_year: bool = True
) -> dict[str, Wanted]:
    rows = wanted_dates(country, region, ["public"], first_year=first, last_year=last, every_year=every_year)
    assert len({row.key for row in rows}) == len(rows), "a key names one row"
    return {row.key: row for row in rows}


def test_a_holiday_on_the_same_day_each_year_is_stored_once() -> None:
    rows = wanted()
    assert rows["12-25"] == Wanted("Christmas Day", 12, 25, None, (date(2026, 12, 25), date(2027, 12, 25)))
    assert rows["2026-11-26"].name == "Thanksgiving Day"
    assert rows["2027-11-25"].year == 2027


@pytest.mark.parametrize(
    ("country", "moving"), [("US", "Thanksgiving Day"), ("DE", "Good Friday"), ("SA", "Day of Arafah")]
)
def test_a_moving_holiday_keeps_its_year_even_if_only_one_year_is_chosen(country: str, moving: str) -> None:
    rows = wanted(country, last=2026)
    assert [row.year for row in rows.values() if row.name == moving] == [2026]


def test_a_day_off_that_stands_in_for_a_holiday_is_never_stored_for_every_year() -> None:
    rows = wanted(last=2031)
    observed = [row for row in rows.values() if row.observed]
    assert rows["2026-07-03"] in observed
    assert rows["2027-12-24"].name == "Christmas Day (observed)"
    assert all(row.year is not None for row in observed)


def test_a_second_holiday_on_a_fixed_day_does_not_rename_the_fixed_one() -> None:
    # In Texas the third Monday of January 2026 is Confederate Memorial Day, 19 January, as well.
    assert wanted("US", "TX")["01-19"].name == "Confederate Memorial Day"


def test_without_the_option_every_date_carries_its_year() -> None:
    rows = wanted(every_year=False)
    assert all(row.year is not None for row in rows.values())
    assert {"2026-12-25", "2027-12-25"} <= set(rows)


def test_a_region_adds_its_own_days() -> None:
    assert set(wanted("DE", "BY", every_year=False)) - set(wanted("DE", every_year=False)) >= {"2026-01-06"}


def test_names_are_english_where_there_is_english_and_never_too_long() -> None:
    assert wanted("DE")["10-03"].name == "German Unity Day"
    kinds = [code for code, _words in categories("IN")]
    rows = wanted_dates("IN", "", kinds, first_year=2026, last_year=2028, every_year=True)
    assert max(len(row.name) for row in rows) <= NAME_LENGTH


def test_countries_and_regions_are_named_in_words() -> None:
    names = dict(countries())
    assert names["US"] == "United States"
    assert names["BA"] == "Bosnia and Herzegovina"
    assert place_words("US", "TX") == "United States, Texas (TX)"
    assert ("BY", "Bayern (BY)") in regions("DE")


@pytest.mark.parametrize(
    ("country", "region", "kinds", "words"),
    [
        ("ZZ", "", ["public"], "country 'ZZ'"),
        ("__class__", "", ["public"], "country '__class__'"),
        ("US", "Bayern", ["public"], "no region 'Bayern'"),
        ("US", "", ["bank"], "among public, government"),
        ("US", "", [], "among public, government"),
    ],
)
def test_unknown_places_and_kinds_are_refused(country: str, region: str, kinds: list[str], words: str) -> None:
    with pytest.raises(Refused, match=words):
        wanted_dates(country, region, kinds, first_year=2026, last_year=2026, every_year=True)
