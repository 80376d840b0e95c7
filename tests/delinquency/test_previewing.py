"""What the editor of letters is told about accounts: the very texts that a letter has, and accounts that tell most."""

from datetime import timedelta

import pytest

from accounts.models import Account, Contact, Notice
from accounts.outreach import preview as previews
from accounts.outreach.editing import place_of
from billing_project.kernel import clock
from delinquency import previewing
from delinquency.models import Event, InvoiceStanding, Standing
from delinquency.operations import import_version
from tests.factories import make_account
from tests.worlds import Story, in_force, sonar

pytestmark = pytest.mark.django_db


def test_a_preview_is_the_letter_that_the_check_writes_a_minute_later() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01", sends=True)
    story.days("2026-01-01", "2026-01-20")
    place = place_of("delinquent", "email", "en")
    assert place is not None
    with story.now("2026-01-21 08:59"):
        before = previewing.texts_for(story.account.pk)
    story.days("2026-01-21")
    notice = Notice.objects.get(step_key="notice")
    # The link is signed anew, the line was not slowed yet, and the ticket had no number before it was opened.
    later = {"pay_url": "", "next_step": "", "next_step_es": "", "ticket_number": ""}
    assert before | later == notice.context | later
    with story.now("2026-01-21 09:00"):
        seen = previews.preview(place, place.live, story.account)
        assert seen.letter is not None
    assert seen.letter.subject == notice.subject
    assert seen.letter.body.replace(_link(seen.letter.body), "") == notice.body.replace(_link(notice.body), "")
    assert seen.examples == ()


def _link(body: str) -> str:
    return next(word for word in body.split() if "/portal/enter/" in word)


def test_looking_at_a_preview_writes_nothing() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01", sends=True)
    story.days("2026-01-01", "2026-01-20")
    tables = (Event, InvoiceStanding, Standing, Notice)
    before = [list(table.objects.order_by("pk").values()) for table in tables]
    with story.now("2026-01-25 12:00"):
        texts = previewing.texts_for(story.account.pk)
    assert texts["amount_due"] == "100.00"
    assert [list(table.objects.order_by("pk").values()) for table in tables] == before


def test_a_letter_says_since_when_a_line_is_slowed() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01", sends=True)
    story.days("2026-01-01", "2026-01-22")
    with story.now("2026-01-22 12:00"):
        texts = previewing.texts_for(story.account.pk)
    assert texts["next_step"].startswith("Your line has been slowed since 2026-01-21. If nothing is paid")
    assert texts["next_step_es"].startswith("Su línea es más lenta desde el 2026-01-21. Si no se paga nada")


def test_an_account_under_no_policy_has_no_texts() -> None:
    assert previewing.texts_for(make_account().pk) == {}


def test_the_accounts_that_tell_most_are_a_late_a_restricted_and_a_late_spanish_one() -> None:
    restricted = Story(sonar(), first_bill_on="2026-01-01", number="1")
    patient = sonar(name="Patient", grace_days=40)
    late = Story(patient, first_bill_on="2026-01-01", number="2")
    spanish = Story(patient, first_bill_on="2026-01-01", number="3")
    Contact.objects.filter(account=spanish.account).update(language="es")
    restricted.days("2026-01-01", "2026-01-22")
    assert previewing.telling_accounts() == [
        ("Late", late.account.pk), ("Restricted", restricted.account.pk), ("Late, reads Spanish", spanish.account.pk),
    ]  # fmt: skip
    shown = previews.telling_accounts()
    assert [(words, account.number) for words, account in shown] == [
        ("Late", "2"), ("Restricted", "1"), ("Late, reads Spanish", "3"),
    ]  # fmt: skip


def test_where_nobody_is_late_other_accounts_are_shown() -> None:
    for number in ("1", "2", "3", "4"):
        make_account(number=number)
    Account.objects.filter(number="1").update(closed_on=clock.today("UTC") - timedelta(days=1))
    assert [account.number for _words, account in previews.telling_accounts()] == ["2", "3", "4"]


def test_the_steps_of_live_policies_are_named_with_their_letters() -> None:
    in_force(import_version(sonar(name="Mine")))
    import_version(sonar(name="Only a draft"))
    uses = previewing.uses_of_letters()
    assert "Mine v1: notice" in uses["delinquent"]
    assert not any("Only a draft" in words for lines in uses.values() for words in lines)
    assert "portal_link" not in uses
