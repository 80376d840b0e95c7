"""Text from outside: card numbers, control characters, line breaks (SEC-13)."""

import random

import pytest

from billing_project.kernel.texts import mask_cards, one_line, storable

KNOWN = (
    "4111111111111111", "4012888888881881", "4222222222222", "5555555555554444", "5105105105105100", "2223003122003222",
    "378282246310005", "371449635398431", "6011111111111117", "6011000990139424", "30569309025904", "38520000023237",
    "3530111333300000", "3566002020360505", "6200000000000005", "6304000000000000",
)  # fmt: skip


def luhn(body: str) -> str:
    """Return the digits with the one that makes them pass."""
    doubled = [int(sign) * (1 if place % 2 else 2) for place, sign in enumerate(reversed(body))]
    return body + str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)


def some_numbers(count: int) -> list[str]:
    rng = random.Random(13)
    heads = ("4", "51", "55", "2221", "34", "37", "6011", "65", "36", "3530", "62")
    made = []
    for _ in range(count):
        head = rng.choice(heads)
        size = {"34": 15, "37": 15, "36": 14}.get(head, 16)
        made.append(luhn(head + "".join(rng.choice("0123456789") for _ in range(size - 1 - len(head)))))
    return made


@pytest.mark.parametrize("shape", [
    "{0}", "my card is {0}.", "{0} 12/27 123", "{0}1227", "x{0}x", "1. {0}", "tel +1 555 010 0123, card {0}",
    "{0}\n{0}",
])  # fmt: skip
def test_no_card_number_is_left_in_any_shape(shape: str) -> None:
    for number in (*KNOWN, *some_numbers(200)):
        for written in (
            number, " ".join(number[i : i + 4] for i in range(0, len(number), 4)),
            "-".join(number[i : i + 4] for i in range(0, len(number), 4)),
        ):  # fmt: skip
            shown = mask_cards(shape.format(written))
            assert number not in "".join(sign for sign in shown if sign.isdigit()), (shape, written, shown)
            assert "[card number ending in " in shown


def test_the_last_four_digits_stay_so_that_people_know_which_card_was_meant() -> None:
    assert mask_cards("card 4111 1111 1111 1111.") == "card [card number ending in 1111]."


@pytest.mark.parametrize("text", [
    "Call +1 555 010 0123 or 555-010-9999", "Invoice VF-001014 over 19.60 due 2026-11-16", "4111111111111112",
    "192.168.100.200", "due 2026-11-16, paid 2026-11-15", "0000000000000000",
])  # fmt: skip
def test_other_numbers_stay_as_they_are(text: str) -> None:
    assert mask_cards(text) == text


def test_a_hostile_text_is_read_in_no_time() -> None:
    assert len(mask_cards("1 " * 50_000)) <= 100_000
    assert mask_cards("12 " * 2_000)


def test_what_a_database_or_a_header_refuses_is_left_out() -> None:
    assert storable("a\x00b\r\nc\ud800\u2028d\t") == "ab\nc\nd\t"
    assert one_line("To: x\r\nBcc: all@x\u2028 ") == "To: x Bcc: all@x"
    assert one_line("abcdef", 3) == "abc"
