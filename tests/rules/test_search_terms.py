"""What a typed text may be (U04)."""

from ipaddress import ip_network

import pytest

from delinquency.rules.search_terms import LONGEST, Term, read_term


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        ("+1 (555) 010-9999", "15550109999"),
        ("5550109999", "5550109999"),
        ("555.010.9999", "5550109999"),
        ("001 555 010 9999", "15550109999"),
        ("020 7946 0018", "2079460018"),
        ("109999", "109999"),
        ("09999", ""),  # nine digits of ten thousand customers
        ("٥٥٥٠١٠٩٩٩٩", "5550109999"),
        ("555 010 9999 maria", ""),
        ("100.64.3.7", ""),
        ("INV-109999", ""),
    ],
)
def test_a_phone_is_read_in_any_spelling(typed: str, digits: str) -> None:
    assert read_term(typed).phone == digits


@pytest.mark.parametrize(
    ("typed", "network"),
    [
        ("100.64.3.7", "100.64.3.7/32"),
        ("100.64.3.7/29", "100.64.3.0/29"),
        ("100.64.3.", "100.64.3.0/24"),
        ("100.64.", "100.64.0.0/16"),
        ("[2001:db8:17::5]", "2001:db8:17::5/128"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("100.64.3.777", None),
        ("fe80::1%eth0", None),
        ("1.5", None),
        ("10023", None),
    ],
)
def test_an_address_is_read_whole_as_a_prefix_or_begun(typed: str, network: str | None) -> None:
    assert read_term(typed).network == (ip_network(network) if network else None)


@pytest.mark.parametrize("typed", ["AA:BB:CC:00:11:22", "aa-bb-cc-00-11-22", "aabb.cc00.1122", "aabbcc001122"])
def test_a_hardware_address_is_read_in_any_spelling(typed: str) -> None:
    assert read_term(typed).mac == "aabbcc001122"


@pytest.mark.parametrize(("typed", "number"), [("#12", 12), ("12", 12), ("T-000012", 12), ("# 12", 12), ("12a", None)])
def test_a_ticket_is_its_number_with_or_without_the_sign(typed: str, number: int | None) -> None:
    assert read_term(typed).ticket == number


@pytest.mark.parametrize(
    ("typed", "last4"), [("4242", "4242"), ("•••• 4242", "4242"), ("x4242", "4242"), ("42424", "")]
)
def test_a_card_is_its_last_four(typed: str, last4: str) -> None:
    assert read_term(typed).last4 == last4


@pytest.mark.parametrize(
    ("typed", "words", "begins"),
    [
        ("maria  lopez", ("maria", "lopez"), ""),
        ("li", (), "li"),
        ("O'Neil", ("O'Neil",), ""),
        ("ann@customer.example", (), ""),
        ("100.64.3.7", (), ""),
        ("%", (), ""),
    ],
)
def test_names_are_asked_for_by_words_long_enough_to_be_looked_up(
    typed: str, words: tuple[str, ...], begins: str
) -> None:
    term = read_term(typed)
    assert (term.words, term.name_begins) == (words, begins)


def test_a_text_without_end_is_cut_and_says_so() -> None:
    term = read_term("x" * 10_000)
    assert (len(term.text), term.cut) == (LONGEST, True)
    assert not read_term("maria").cut


@pytest.mark.parametrize("typed", ["", "   ", "\x00", "\u2028"])
def test_nothing_typed_is_nothing_asked(typed: str) -> None:
    assert read_term(typed) == Term("")
