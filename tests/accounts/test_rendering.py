"""From a text to a letter, and from a letter to its HTML: same words, nothing added, nothing executed."""

import pytest

from accounts.outreach import rendering
from accounts.outreach.html import html_of
from accounts.outreach.letterbook import ALWAYS, LETTERS, MONEY, VARIABLES, Urgency, keys_of
from accounts.outreach.preview import difference
from accounts.outreach.rendering import Text
from accounts.outreach.sandbox import check, foreign_links, used_variables
from billing_project.kernel.errors import Refused

NAMES = LETTERS["past_due"].names


def render(body: str, subject: str = "S", channel: str = "email", **context: str) -> rendering.Letter:
    return rendering.render_text(
        Text(subject, body), channel=channel, template="past_due", language="en",
        context={"amount_due": "1.00"} | context,
    )  # fmt: skip


def test_a_variable_that_was_not_given_is_blank_and_one_that_is_needed_is_missed() -> None:
    assert render("a{{ next_step }}b").body == "ab\n"
    with pytest.raises(Refused, match="amount_due"):
        rendering.render_text(
            Text("", "{{ amount_due }}"), channel="sms", template="past_due", language="en", context={}
        )


def test_a_variable_that_no_letter_has_is_an_error_of_the_caller() -> None:
    with pytest.raises(Refused, match="no variable favourite_colour"):
        render("x", favourite_colour="blue")


def test_a_variable_of_another_language_is_left_out_and_of_this_one_wins() -> None:
    assert render("{{ next_step }}", next_step="plain", next_step_es="español").body == "plain\n"
    assert render("{{ next_step }}", next_step_en="own", next_step="plain").body == "own\n"


@pytest.mark.parametrize(
    "name", ["Ann\r\nBcc: all@example.com", "Ann\nBcc: x", "Ann\x0bBcc: x", "Ann\u2028Bcc: x", "A\x00nn", "A\x1b[31mnn"]
)
def test_a_subject_is_one_line_without_control_characters(name: str) -> None:
    subject = render("x", subject="Hello {{ contact_name }}", contact_name=name).subject
    assert len(subject.splitlines()) == 1
    assert all(sign.isprintable() for sign in subject)


def test_a_long_subject_is_cut_and_a_body_keeps_its_paragraphs() -> None:
    assert len(render("x", subject="{{ contact_name }}", contact_name="a" * 500).subject) == 200
    assert render("a\n\n\n\n{{ next_step }}\n\n\nb   \nc").body == "a\n\nb\nc\n"


def test_a_text_message_and_a_call_are_one_line() -> None:
    assert render("a\n\n b\tc", channel="sms").body == "a b c"
    assert render("a\n\n b", channel="voice").subject == ""


def test_what_else_a_text_may_do() -> None:
    text = (
        "{% if contact_name == 'Ann' or contact_name contains 'Bob' %}friend{% elsif next_step != blank %}"
        '{{ next_step | strip | upcase }}{% else %}{{ account_name | default: "you" }}{% endif %}'
        "{% unless pay_url == '' %}!{% endunless %}"
    )
    assert check(text, NAMES) == []
    assert render(text, contact_name="Ann").body == "friend\n"
    assert render(text, contact_name="x", next_step=" soon ").body == "SOON\n"
    assert render(text, contact_name="x", pay_url="u").body == "you!\n"


def test_a_variable_in_a_branch_that_is_never_taken_is_looked_at_too() -> None:
    [found] = check("{% if contact_name == '' %}{% if pay_url == '' %}{{ amont_due }}{% endif %}{% endif %}", NAMES)
    assert "Did you mean amount_due?" in found.words


def test_the_variables_of_a_text_are_named_in_order() -> None:
    assert used_variables("{{ b }}{% if a != '' %}{{ b }}{% endif %}{{ c | upcase }}") == ["b", "a", "c"]


def test_a_number_that_is_no_card_passes() -> None:
    assert check("Call +1 555 010 0199, account 4242 4242 4242 4241, 0000 0000 0000 0000", NAMES) == []


def test_links_that_lead_elsewhere_are_named_and_ours_are_not() -> None:
    text = "See https://bit.ly/x. Or https://help.valley.example/pay, www.other.example/a) or {{ pay_url }}"
    assert foreign_links(text, ["valley.example"]) == ["https://bit.ly/x", "www.other.example/a"]
    for link in ("https://notvalley.example", "https://valley.example:x@evil.example/", "https://[x"):
        assert foreign_links(link, ["valley.example"]) == [link]


def test_the_book_knows_every_variable_and_each_has_an_example() -> None:
    named = {name for kind in LETTERS.values() for name in kind.names}
    assert named == set(VARIABLES)
    assert 25 <= len(VARIABLES) <= 40
    assert all(variable.example and variable.words for variable in VARIABLES.values())
    assert set(ALWAYS) & set(MONEY) == set()
    assert all(set(kind.needs) <= kind.names for kind in LETTERS.values())


def test_courtesies_and_answers_are_told_apart_from_what_must_arrive() -> None:
    assert keys_of(Urgency.ASKED_FOR) == {"portal_link", "ticket_answer"}
    assert keys_of(Urgency.COURTESY) == {"issued", "due_soon", "paid", "restored", "promise_kept", "call_script"}
    assert "suspended" in keys_of(Urgency.NEEDED)


BODY = "Hello <Ann> & co,\n\nline one\nline two\n\nPay online: https://p.example/x?a=1&b=2\n\nValley\nAccount 1\n"


def html(body: str = BODY, **more: str) -> str:
    return html_of(body, company_name="Valley", **({"pay_url": "https://p.example/x?a=1&b=2"} | more))


def test_the_html_has_the_same_words_escaped_and_is_the_same_each_time() -> None:
    page = html()
    assert page == html()
    assert "Hello &lt;Ann&gt; &amp; co," in page
    assert "line one<br>\nline two" in page
    assert "<Ann>" not in page


def test_the_customers_own_link_becomes_a_button_that_says_what_the_paragraph_says() -> None:
    page = html()
    assert 'href="https://p.example/x?a=1&amp;b=2"' in page
    assert ">Pay online</a>" in page
    assert "See and pay online</a>" in html(
        "Here it is, and it is yours alone, so do keep it:\n" + "\n" + "https://p.example/x?a=1&b=2"
    )


def test_a_date_is_not_torn_apart_at_the_end_of_a_line() -> None:
    assert '<span style="white-space:nowrap">2026-03-16</span>' in html("Due on 2026-03-16, <b>")
    assert "<b>" not in html("Due on 2026-03-16, <b>")


def test_the_html_loads_nothing_and_runs_nothing() -> None:
    page = html('<script>alert(1)</script>\n\n<img src=x onerror=a> javascript:alert(1) https://x.example/"onclick="y')
    assert "<script" not in page
    assert "<img" not in page
    assert "src=" not in page.replace("src=x", "")
    assert 'href="javascript' not in page
    assert 'onclick="y' not in page


@pytest.mark.parametrize("url", ["javascript:alert(1)", 'https://x.example/"><b>', "x"])
def test_only_a_web_address_becomes_a_button(url: str) -> None:
    page = html_of(f"Pay: {url}", company_name="V", pay_url=url)
    assert "display:inline-block" not in page
    assert "<b>" not in page


def test_a_difference_gives_both_texts_again() -> None:
    before, after = "one two\n\nthree four", "one 2 and more\n\nthree four five"
    pieces = difference(before, after)
    assert "".join(piece.text for piece in pieces if piece.kind != "in") == before
    assert "".join(piece.text for piece in pieces if piece.kind != "out") == after
    assert [piece.kind for piece in difference("a b", "a b")] == ["kept"]
