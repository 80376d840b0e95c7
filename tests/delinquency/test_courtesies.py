"""Letters that no step writes: once, true when they go, in the customer's language, and only where wanted."""

from datetime import date
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Contact, Notice, OutreachRules, Suppression
from accounts.models.outreach import Courtesy
from delinquency.models import Event
from delinquency.operations import promise_to_pay
from delinquency.sweep import sweep
from invoicing.dispatch import dispatch_charges
from invoicing.models import PaymentAttempt
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import LineState
from tests.factories import make_device, make_line, make_source, make_staff
from tests.worlds import Story, exchange, sonar

pytestmark = pytest.mark.django_db


def letters(*keys: str) -> list[tuple[str, str, str]]:
    """Return the courtesies written so far: key, state, reason."""
    rows = Notice.objects.filter(step_key__in=keys or Courtesy.values).order_by("pk")
    return [(row.step_key, row.state, row.why) for row in rows]


def slowed() -> Story:
    """Return a customer whose line was slowed on 2026-01-21, as the device has confirmed."""
    story = Story(sonar(), first_bill_on="2026-01-01", sends=True)
    make_line(story.account, device=make_device())
    with story.now("2026-01-21 09:06") as at:
        story.days("2026-01-01", "2026-01-21")
        dispatch_enforcement(at)
    return story


def back(story: Story) -> None:
    """Let the customer pay on 2026-01-22, and the device open the line."""
    story.pays("2026-01-22 14:10", "100.00")
    with story.now("2026-01-22 14:11") as at:
        sweep(at)
        dispatch_enforcement(at)


# --- The line is back ------------------------------------------------------------------------------------------


def test_when_the_device_confirms_the_release_the_customer_is_told_once() -> None:
    story = slowed()
    story.pays("2026-01-22 14:10", "100.00")
    with story.now("2026-01-22 14:11") as at:
        sweep(at)
        assert letters() == [], "not before the device has confirmed it"
        dispatch_enforcement(at)
        dispatch_enforcement(at)
    assert letters() == [
        (
            "restored", "queued",
            "The device confirmed that the line is open again: The line is released: what was owed for it is paid.",
        )
    ]  # fmt: skip
    notice = Notice.objects.get(step_key="restored")
    assert (notice.context["paid_amount"], notice.context["paid_on"]) == ("100.00", "2026-01-22")
    story.posts("2026-01-22 14:12")
    notice.refresh_from_db()
    assert notice.state == "accepted"
    assert not Event.objects.filter(step="restored").exists(), "it is no event of the account's story"


def test_a_line_that_is_cut_again_before_the_letter_goes_makes_it_untrue() -> None:
    story = slowed()
    back(story)
    LineState.objects.update(desired_level="throttle")
    story.posts("2026-01-22 14:12")
    assert [row[1:] for row in letters()] == [("cancelled", "The line is restricted again.")]


def test_a_clerks_grant_that_opens_the_line_thanks_for_nothing() -> None:
    story = slowed()
    story.gets_grace("2026-01-22 10:00", "2026-02-20", lift_now=True)
    with story.now("2026-01-22 10:01") as at:
        sweep(at)
        dispatch_enforcement(at)
    assert story.story("released") == [("2026-01-22", "released")]
    assert letters() == []


# --- Promises --------------------------------------------------------------------------------------------------


def promised(pay_by: str = "2026-01-23") -> Story:
    """Return a customer who is late and has promised to pay."""
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-19")
    with story.now("2026-01-20 12:00"):
        promise_to_pay(account=story.account, pay_by_on=date.fromisoformat(pay_by), amount=Decimal("40.00"))
    return story


def test_a_kept_promise_is_thanked_for_with_what_was_paid() -> None:
    story = promised()
    Contact.objects.update(language="es")
    story.pays("2026-01-22 10:00", "40.00")
    with story.now("2026-01-22 10:01") as at:
        sweep(at)
    assert [row[0] for row in letters()] == ["promise_kept"]
    notice = Notice.objects.get(step_key="promise_kept")
    assert (notice.language, notice.context["paid_amount"], notice.context["promised_on"]) == (
        "es", "40.00", "2026-01-23",
    )  # fmt: skip
    assert "60.00" in notice.body, "and what remains"


def test_a_broken_promise_is_asked_about_unless_it_is_paid_or_a_step_writes_that_day() -> None:
    for paid, said in ((False, "accepted"), (True, "cancelled")):
        Notice.objects.all().delete()
        story = promised_of(f"20{int(paid)}")
        with story.now("2026-01-24 00:10") as at:
            sweep(at)
        notice = Notice.objects.get(step_key="promise_broken")
        assert str(notice.due_at) == "2026-01-24 14:30:00+00:00", "after the day's check"
        if paid:
            story.pays("2026-01-24 09:10", "100.00")
        Notice.objects.filter(step_key="notice").delete()
        story.posts("2026-01-24 09:31")
        notice.refresh_from_db()
        assert notice.state == said, notice.why


def promised_of(number: str) -> Story:
    story = Story(sonar(), first_bill_on="2026-01-01", number=number)
    story.days("2026-01-01", "2026-01-19")
    with story.now("2026-01-20 12:00"):
        promise_to_pay(account=story.account, pay_by_on=date(2026, 1, 23))
    return story


def test_the_policys_own_letter_of_the_day_makes_the_courtesy_needless() -> None:
    story = promised_of("301")
    with story.now("2026-01-24 00:10") as at:
        sweep(at)
    with story.now("2026-01-24 09:01") as at:
        sweep(at)
    assert Notice.objects.filter(step_key="notice", state="queued").exists(), "delinquent that morning"
    story.posts("2026-01-24 09:31")
    assert letters("promise_broken")[0][1:] == ("cancelled", "Another letter of the same day says it.")


# --- Declined charges ------------------------------------------------------------------------------------------


def declined(*tokens: str) -> Story:
    """Return a customer whose cards decline on 2026-05-01 at 06:00."""
    story = Story(exchange(), first_bill_on="2026-05-01", sends=True)
    for rank, token in enumerate(tokens, 1):
        make_source(story.account, rank, token)
    with story.now("2026-05-01 00:05"):
        story.days("2026-05-01")
    PaymentAttempt.objects.all().delete()
    return story


def charge(story: Story, local: str) -> None:
    with story.now(local) as at:
        sweep(at)
        for _ in range(3):
            dispatch_charges(at)


def test_a_day_on_which_all_sources_decline_is_told_once_after_the_check() -> None:
    story = declined("tok_insufficient", "tok_expired")
    charge(story, "2026-05-02 06:01")
    assert PaymentAttempt.objects.filter(state="declined").count() == 2
    rows = Notice.objects.filter(step_key="payment_failed")
    assert [str(row.due_at) for row in rows] == ["2026-05-02 13:30:00+00:00"]
    charge(story, "2026-05-03 06:01")
    assert rows.all().count() == 2, "another day, another letter"


def test_as_long_as_a_source_is_still_asked_nobody_is_told() -> None:
    story = declined("tok_insufficient", "tok_ok")
    charge(story, "2026-05-02 06:01")
    assert PaymentAttempt.objects.filter(state="done").exists()
    assert letters() == []


# --- Where they are not written --------------------------------------------------------------------------------


def test_a_company_leaves_out_what_it_does_not_tick() -> None:
    story = slowed()
    OutreachRules.objects.create(company=story.account.company, courtesies=["promise_kept"])
    back(story)
    assert letters() == []


def test_the_page_of_contact_rules_ticks_them_and_refuses_others() -> None:
    story = Story(sonar())
    rules = OutreachRules.objects.create(company=story.account.company)
    client = Client()
    client.force_login(make_staff("boss", is_superuser=True))
    page = reverse("admin:accounts_outreachrules_change", args=[rules.pk])
    body = client.get(page).content.decode()
    assert body.count('name="courtesies"') == len(Courtesy.values)
    assert "the line is back, as its device confirmed" in body
    values = {field.name: getattr(rules, field.name) for field in OutreachRules._meta.fields}
    sent = {name: value for name, value in values.items() if value is not None and name != "countries"}
    sent |= {"company": story.account.company_id, "countries": "[]", "courtesies": ["restored"]}
    assert client.post(page, sent).status_code == 302
    rules.refresh_from_db()
    assert rules.courtesies == ["restored"]
    assert (
        "is not in the list; choose one of it." in client.post(page, sent | {"courtesies": ["spam"]}).content.decode()
    )


def test_somebody_without_a_way_is_passed_over_and_nobody_is_bothered() -> None:
    story = slowed()
    Contact.objects.update(phone="")
    Suppression.objects.create(channel="email", address="ann@customer.example", reason="hard_bounce")
    back(story)
    assert letters() == []


def test_history_that_is_made_writes_no_courtesies() -> None:
    story = promised()
    story.days("2026-01-20", "2026-01-25")
    assert letters() == []
