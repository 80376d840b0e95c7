"""What comes next if nothing is paid, said in whole sentences with dates (C8)."""

import pytest
from django.template import Context, Template
from django.utils import translation

from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

FEE = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "10.00"}
PAGE = "{% load case_panel %}{% next_sentences account as lines %}{% for line in lines %}{{ line }}|{% endfor %}"


def told(story: Story, local: str) -> list[str]:
    """Return the sentences at a local time."""
    with story.now(local):
        found = Template(PAGE).render(Context({"account": story.account}, autoescape=False))
    return found.split("|")[:-1]


def late(price: str | None, until: str) -> Story:
    """Return a customer who owes 84.50, due 2026-01-16."""
    story = Story(sonar(steps=[*sonar()["steps"], FEE]), first_bill_on="2026-01-01", price=price)
    story.days("2026-01-01", until)
    return story


def test_every_step_is_a_sentence_with_its_date_and_what_stops_it() -> None:
    story = late("84.50", "2026-01-17")
    number = story.account.invoices.get().number
    unless = "unless 84.50 USD is paid before."
    assert told(story, "2026-01-18 10:00")[:4] == [
        f"On Monday 19 January a late fee of 10.00 USD is charged on invoice {number}, {unless}",
        "On Wednesday 21 January your account becomes delinquent, unless 84.50 USD is paid before.",
        "On Wednesday 21 January your line is slowed, unless 84.50 USD is paid before.",
        "On Wednesday 28 January your service and its billing stop, unless 84.50 USD is paid before.",
    ]


def test_before_the_due_date_it_says_when_it_is_due_and_when_it_is_late() -> None:
    story = late("84.50", "2026-01-10")
    number = story.account.invoices.get().number
    assert told(story, "2026-01-11 10:00")[:2] == [
        f"On Friday 16 January invoice {number} is due: 84.50 USD.",
        f"From Saturday 17 January invoice {number} is late, if it is not paid before.",
    ]


def test_paying_what_is_named_stops_all_of_it() -> None:
    story = late("84.50", "2026-01-17")
    assert "84.50 USD" in told(story, "2026-01-18 10:00")[0]
    story.pays("2026-01-18 11:00", "84.50")
    events = story.days("2026-01-18", "2026-01-29")
    assert not [kind for _, kind in events if kind in ("late_fee", "account_delinquent", "restricted", "status_switch")]


def test_the_sentences_speak_spanish() -> None:
    story = late("84.50", "2026-01-19")
    with translation.override("es"):
        assert told(story, "2026-01-20 10:00")[1] == (
            "El miércoles 21 de enero se ralentiza su línea, salvo que antes se paguen 84,50 USD."
        )
