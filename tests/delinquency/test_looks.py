"""Looking at accounts: once is enough, missed days keep their dates, nothing leaves that must not."""

from datetime import date, datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, Attention, Notice
from accounts.operations import unpark_account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.history import run_days
from delinquency.models import Case, Event, InvoiceStanding, PolicyVersion, Standing, StepRun, Ticket
from delinquency.operations import grant_grace, import_version, new_draft, publish, reassess, reassess_many, unflag
from delinquency.policy_file import export_version
from delinquency.queries import upcoming, why_not_cut
from delinquency.sweep import sweep
from invoicing.models import Charge, Invoice
from netenforce.models import Hold
from tests.factories import bill_by, make_account, make_status
from tests.worlds import Story, exchange, sonar

pytestmark = pytest.mark.django_db


def everything() -> dict[str, list[Any]]:
    """Return all rows that a look writes."""
    models = (Event, InvoiceStanding, Standing, StepRun, Case, Ticket, Notice, Hold, Charge, Invoice, Attention)
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


def test_a_second_sweep_of_the_same_instant_finds_nothing_more() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01", sends=True)
    story.days("2026-01-01", "2026-01-21")
    before = everything()
    with story.now("2026-01-21 10:05") as at:
        assert sweep(at).events == []
        reassess(story.account.pk)
    after = everything()
    for name in before.keys() - {"Standing"}:
        assert after[name] == before[name], name


def test_two_days_of_missed_sweeps_give_the_same_dates() -> None:
    punctual = Story(sonar(), first_bill_on="2026-01-01", number="1")
    late = Story(sonar(), first_bill_on="2026-01-01", number="2")
    Standing.objects.filter(account=late.account).update(next_look_at=None)
    run_days(date(2026, 1, 1), date(2026, 1, 20), outside=False)
    Account.objects.filter(pk=late.account.pk).update(parked_at=clock.now())
    run_days(date(2026, 1, 21), date(2026, 1, 22), outside=False)
    unpark_account(late.account.pk)
    run_days(date(2026, 1, 23), date(2026, 2, 2), outside=False)
    assert late.story() == punctual.story()
    assert ("2026-01-28", "status_switch") in late.story()


def test_a_notice_whose_day_was_missed_keeps_its_date_and_is_not_sent() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01", sends=True)
    story.days("2026-01-01", "2026-01-20")
    story.days("2026-01-23")
    notice = Notice.objects.get()
    assert (notice.state, StepRun.objects.get(step_key="notice").outcome) == ("not_sent", "not_sent")
    event = Event.objects.get(kind="notice")
    assert (str(event.on), "not sent" in event.why) == ("2026-01-21", True)


def test_what_was_paid_before_the_missed_check_was_made_up_for_sends_nothing() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01", sends=True)
    story.days("2026-01-01", "2026-01-20")
    story.pays("2026-01-21 11:00", "100.00")
    with story.now("2026-01-21 11:05") as at:
        sweep(at)
    assert ("2026-01-21", "account_delinquent") in story.story()
    assert Notice.objects.get().state == "not_sent"
    assert not Hold.objects.exists()


def test_a_dry_run_lists_what_would_happen_and_writes_nothing() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-20")
    before = everything()
    with story.now("2026-01-21 09:05") as at:
        result = sweep(at, dry_run=True)
    assert [str(event.kind) for _, event in result.events][:2] == ["delinquent", "account_delinquent"]
    assert everything() == before


def test_an_account_that_cannot_be_decided_is_parked_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stories = [Story(sonar(), first_bill_on="2026-01-01", number=number) for number in ("1", "2", "3")]
    stories[0].days("2026-01-01", "2026-01-20")
    StepRun.objects.create(
        account=stories[1].account, anchor_key="case:1", step_key="ticket", action="ticket", on=date(2026, 1, 1)
    )
    Event.objects.create(
        account=stories[1].account, sequence=stories[1].account.standing.events_count + 4, on=date(2026, 1, 1),
        local_at="2026-01-01T00:00:00", kind="issued", why="a row in the way",
    )  # fmt: skip
    with stories[0].now("2026-01-21 09:05") as at:
        result = sweep(at)
    assert result.parked == ["2"]
    for story, entered in zip(stories, (True, False, True), strict=True):
        assert (("2026-01-21", "account_delinquent") in story.story()) is entered
    assert Attention.objects.filter(code="account-parked").count() == 1


def test_the_number_of_queries_does_not_grow_with_the_accounts() -> None:
    stories = [Story(sonar(), first_bill_on="2026-01-01", number=f"{number:03d}") for number in range(12)]
    run_days(date(2026, 1, 1), date(2026, 1, 20), outside=False)
    at = clock.instant(datetime(2026, 1, 21, 9, 5), "America/New_York")
    counts = []
    for chunk in (stories[:2], stories[2:]):
        with (
            clock.at(at),
            CaptureQueriesContext(
                connection,
            ) as queries,
        ):
            reassess_many([story.account.pk for story in chunk])
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 75


def test_upcoming_tells_the_dates_ahead_without_writing() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-17")
    before = everything()
    with story.now("2026-01-17 12:00"):
        coming = upcoming(story.account, date(2026, 2, 1))
    assert [(str(c.on), c.kind) for c in coming if c.kind in ("account_delinquent", "restricted", "status_switch")] == [
        ("2026-01-21", "account_delinquent"),
        ("2026-01-21", "restricted"),
        ("2026-01-28", "status_switch"),
    ]
    assert everything() == before


def test_a_cut_may_leave_only_while_it_is_owed_and_its_notice_was_accepted() -> None:
    story = Story(exchange(), first_bill_on="2026-05-01", sends=True)
    story.days("2026-05-01", "2026-05-02")
    story.posts("2026-05-02 09:10")
    story.days("2026-05-03", "2026-05-16")
    with story.now("2026-05-16 09:10"):
        assert why_not_cut(story.account.pk) == ""
        Notice.objects.update(state="parked")
        assert "notice" in why_not_cut(story.account.pk)
        Notice.objects.update(state="accepted", accepted_at=clock.now())
    story.pays("2026-05-16 09:20", "100.00")
    with story.now("2026-05-16 09:21"):
        assert why_not_cut(story.account.pk) == "Nothing is owed for it any more."


@pytest.mark.parametrize("until", ["2026-01-18", "2026-01-17", "2028-01-01"])
def test_grace_that_is_not_ahead_or_too_far_is_refused(until: str) -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    with story.now("2026-01-18 12:00"), pytest.raises(Refused):
        grant_grace(account=story.account, until_on=date.fromisoformat(until), reason="asked")
    with story.now("2026-01-18 12:00"), pytest.raises(Refused):
        grant_grace(account=story.account, until_on=date(2026, 1, 26), reason=" ")


def test_a_clerk_may_take_the_flag_off_with_a_reason() -> None:
    story = Story(exchange(due_days=None), first_bill_on=None)
    for month in ("01", "02", "03"):
        story.owes(f"M-{month}", f"2026-{month}-01")
    story.days("2026-01-01", "2026-03-10")
    assert ("2026-03-06", "flagged") in story.story()
    with story.now("2026-03-10 12:00"):
        with pytest.raises(Refused):
            unflag(story.account, "")
        unflag(story.account, "our bank was down")
    assert story.story()[-1] == ("2026-03-10", "unflagged")
    assert Standing.objects.get(account=story.account).flagged_on is None


def test_published_versions_and_the_journal_cannot_be_changed() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-17")
    for change in (
        lambda: PolicyVersion.objects.update(grace_days=1),
        lambda: Event.objects.update(why="nothing happened"),
        Event.objects.all()[0].delete,
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


def test_publishing_a_new_version_moves_nobody_and_new_accounts_take_it() -> None:
    old = Story(sonar(), first_bill_on="2026-01-01", number="1")
    version = Standing.objects.get(account=old.account).policy_version
    draft = new_draft(version)
    draft.grace_days = 10
    draft.save()
    published = publish(draft)
    with pytest.raises(Refused):
        publish(published)
    new = Story(sonar(), first_bill_on="2026-01-01", number="2")
    assert Standing.objects.get(account=old.account).policy_version == version
    assert Standing.objects.get(account=new.account).policy_version == published
    assert export_version(published) == export_version(version) | {"grace_days": 10}


def test_a_policy_that_names_an_unknown_status_is_refused() -> None:
    with pytest.raises(Refused, match="delinquency_status"):
        import_version(sonar(delinquency_status="Gone fishing"))


def test_an_account_without_a_billing_contact_is_put_before_the_clerks() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01", sends=True)
    story.account.contacts.all().delete()
    story.days("2026-01-01", "2026-01-21")
    assert Ticket.objects.get().customer_contact is None
    assert Attention.objects.filter(code="no-billing-contact", account=story.account).exists()


def test_an_account_without_a_policy_is_put_before_the_clerks_once() -> None:
    account = make_account(status=make_status())
    bill_by(account, "2026-01-01")
    assert not Standing.objects.filter(account=account).exists()
    assert Attention.objects.filter(code="no-policy", account=account).count() == 1


def test_a_letter_says_what_is_so_already_and_what_comes_next_in_the_contacts_language() -> None:
    for number, language in (("1", "en"), ("2", "es")):
        story = Story(sonar(), first_bill_on="2026-01-01", sends=True, number=number)
        story.account.contacts.update(language=language)
    story.days("2026-01-01", "2026-01-21")
    english, spanish = Notice.objects.order_by("account__number")
    assert "USD 100.00" in english.body
    words = "Your line is slowed from today. If nothing is paid, billing and service stop on 2026-01-28."
    assert words in english.body
    assert "Si no se paga nada, se detendrán la facturación y el servicio el 2026-01-28." in spanish.body
