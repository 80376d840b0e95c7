"""How long a text message is: both sides of each boundary of both alphabets."""

import pytest

from accounts.outreach.segments import billed_minutes, measure, spoken_seconds


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("", "GSM-7", 0, 0),
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        ("é à ñ ü ¿ ¡ Ñ", "GSM-7", 13, 1),
        ("á" * 70, "UCS-2", 70, 1),
        ("á" * 71, "UCS-2", 71, 2),
        ("á" * 134, "UCS-2", 134, 2),
        ("á" * 135, "UCS-2", 135, 3),
        ("😀" * 35, "UCS-2", 70, 1),
        ("😀" * 36, "UCS-2", 72, 2),
    ],
)
def test_a_text_has_so_many_segments(text: str, encoding: str, units: int, segments: int) -> None:
    found = measure(text)
    assert (found.encoding, found.units, found.segments) == (encoding, units, segments)


def test_a_sign_of_two_units_is_not_torn_apart_between_two_segments() -> None:
    # 152 letters leave one unit free in the first part, and the euro sign needs two.
    assert measure("a" * 152 + "€" + "a" * 152).units == 306
    assert measure("a" * 152 + "€" + "a" * 152).segments == 3
    # A pair of UCS-2 units likewise.
    assert measure("á" + "a" * 65 + "😀" + "a" * 66).segments == 3


def test_the_advice_names_the_signs_that_cost_a_segment_and_what_to_write_instead() -> None:
    found = measure("á" + "a" * 139)
    assert found.segments == 3
    assert found.advice == "“á” makes this 3 segments instead of 1. Write a for á to save 2."


def test_there_is_no_advice_where_nothing_would_be_saved() -> None:
    assert measure("á").advice == ""
    assert measure("a" * 400).advice == ""


def test_a_sign_without_a_stand_in_is_named_all_the_same() -> None:
    advice = measure("Я" + "a" * 100).advice
    assert advice == "“Я” makes this 2 segments instead of 1."


@pytest.mark.parametrize(("seconds", "minutes"), [(0, 1), (1, 1), (60, 1), (61, 2), (121, 3)])
def test_a_call_is_billed_by_the_minute_begun(seconds: int, minutes: int) -> None:
    assert billed_minutes(seconds) == minutes


def test_speaking_takes_a_second_for_fifteen_characters() -> None:
    assert spoken_seconds("a" * 15) == 1
    assert spoken_seconds("a" * 16) == 2
    assert spoken_seconds("a  \n a") == 1
