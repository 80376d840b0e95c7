"""“What if” on an account: its future beside the one that is supposed, and nothing written (U11)."""

import hashlib
import re
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import User
from delinquency.models import Policy, PolicyVersion, Standing
from delinquency.operations import import_version, publish
from invoicing.models import BillingParameters
from invoicing.operations.charges import add_charge
from invoicing.queries import account_position
from tests.backoffice import staff_client
from tests.worlds import Story, exchange, sonar

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    """Return a customer billed on 2026-01-01, on 2026-01-02, who has not paid."""
    story = Story(sonar(reconnection_fee="25.00"), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-02")
    return story


def asked(story: Story, local: str = "2026-01-19 12:00", client: Client | None = None, **given: Any) -> Any:
    """Open the page with what is supposed, at a local time, and return its context with the text."""
    address = reverse("admin:accounts_account_what_if", args=[story.account.pk])
    client = client or staff_client()
    with story.now(local):
        response = client.get(address + ("?" + urlencode(given) if given else ""))
    assert response.status_code == 200
    return response


def marks(response: Any) -> list[tuple[str, str, str]]:
    """Return the rows that differ: (day, mark, the words of the difference)."""
    return [
        (str(line.on), line.tone, re.sub("<[^>]+>", "", str(line.mark)))
        for line in response.context["comparison"].lines
        if line.tone != "same"
    ]


def sums(response: Any) -> dict[str, tuple[str, str]]:
    """Return the sums: what they are as things stand and as supposed."""
    return {line.words: (line.before, line.after) for line in response.context["comparison"].sums}


def errors(response: Any) -> dict[str, str]:
    """Return the first error of each field."""
    return {name: str(found[0]) for name, found in response.context["form"].errors.items()}


def fingerprint() -> str:
    """Return a hash of every row of every table but the sessions, which the browser itself keeps."""
    digest = hashlib.sha256()
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            if table in ("django_session",):
                continue
            cursor.execute(
                f"SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM \"{table}\" t"
            )
            digest.update(f"{table}:{cursor.fetchone()[0]}".encode())
    return digest.hexdigest()


def test_nothing_is_written_whatever_is_supposed(story: Story) -> None:
    payment = story.pays("2026-01-03 12:00", "30.00")
    story.days("2026-01-03", "2026-01-18")
    draft = import_version(sonar(grace_days=10), policy=Policy.objects.get(name="S"))
    client = staff_client()
    asked(story, client=client)
    before = fingerprint()
    asked(
        story, client=client, amount="20.00", paid_on="2026-01-22", grace_until="2026-01-26", lift_now="on",
        payment=payment.pk, returned_on="2026-01-20", version=draft.pk, days="120",
    )  # fmt: skip
    assert fingerprint() == before


def test_the_fingerprint_sees_a_single_changed_column(story: Story) -> None:
    before = fingerprint()
    Standing.objects.update(events_count=99)
    assert fingerprint() != before


def test_a_payment_in_time_takes_the_delinquency_away_and_the_bill_of_february_comes(story: Story) -> None:
    response = asked(story, amount="100.00", paid_on="2026-01-20", paid_at="14:10")
    found = marks(response)
    assert ("2026-01-20", "added", "added") in found
    assert ("2026-01-21", "gone", "gone") in found
    assert sums(response)["Delinquent on"] == ("Wed 21 Jan 2026", "Sat 21 Feb 2026")
    assert sums(response)["Invoices issued"] == ("0", "1")
    assert "100.00 USD is paid on Tue 20 Jan 2026 at 14:10." in response.content.decode()


def test_a_payment_now_counts_though_the_same_second_has_begun(story: Story) -> None:
    response = asked(story, "2026-01-24 12:00", amount="100.00", days="30")
    assert "Sat 24 Jan 2026, now" in response.content.decode()
    assert ("2026-01-24", "added", "added") in marks(response)


def test_g6_a_grant_moves_entry_and_switch_and_says_from_where(story: Story) -> None:
    response = asked(story, "2026-01-20 11:00", grace_until="2026-01-26")
    found = marks(response)
    assert ("2026-01-21", "moved_to", "moved to Mon 26 Jan 2026") in found
    assert ("2026-01-26", "moved_from", "moved from Wed 21 Jan 2026") in found
    assert sums(response)["Billing and service stop on"] == ("Wed 28 Jan 2026", "Mon 02 Feb 2026")
    assert sums(response)["Invoices issued"] == ("0", "1"), "the bill of 1 February is one more"
    assert "protected through Sun 25 Jan 2026" in response.content.decode()


def test_g7b_a_lift_now_releases_today_and_enters_again_later(story: Story) -> None:
    story.days("2026-01-03", "2026-01-23")
    with_lift = asked(story, "2026-01-23 12:00", grace_until="2026-01-30", lift_now="on")
    assert sums(with_lift)["Delinquent on"] == ("already, since Wed 21 Jan 2026", "Fri 30 Jan 2026")
    assert sums(with_lift)["Billing and service stop on"] == ("Wed 28 Jan 2026", "Fri 06 Feb 2026")
    assert ("2026-01-23", "added", "added") in marks(with_lift), "released at once"
    without = asked(story, "2026-01-23 12:00", client=client_of_boss(), grace_until="2026-01-30")
    assert sums(without)["Billing and service stop on"] == ("Wed 28 Jan 2026", "Wed 28 Jan 2026")


def client_of_boss() -> Client:
    """Return another browser of the same superuser."""
    client = Client()
    client.force_login(User.objects.get(username="boss"))
    return client


def test_a_payment_that_comes_back_is_owed_again_with_its_fee() -> None:
    story = Story(exchange(nsf_fee="30.00"), first_bill_on="2026-05-01")
    story.days("2026-05-01", "2026-05-07")
    payment = story.pays("2026-05-08 12:00", "110.00")
    story.days("2026-05-08", "2026-05-09")
    response = asked(story, "2026-05-10 08:00", payment=payment.pk, returned_on="2026-05-12", days="30")
    assert sums(response)["Delinquent on"][1] == "Tue 12 May 2026"
    before, after = sums(response)["Fees"]
    assert (before, after) != ("0.00", "0.00")
    assert "comes back on Tue 12 May 2026" in response.content.decode()


def test_a_draft_can_be_tried_before_it_is_published(story: Story) -> None:
    draft = import_version(sonar(grace_days=10), policy=Policy.objects.get(name="S"))
    response = asked(story, version=draft.pk)
    assert sums(response)["Delinquent on"] == ("Wed 21 Jan 2026", "Mon 26 Jan 2026")
    assert "From now on it is under S v2 (draft)." in response.content.decode()


def test_the_balance_at_the_end_is_what_the_sweeps_then_leave_on_the_ledger(story: Story) -> None:
    response = asked(story, "2026-01-02 23:59", days="60")
    story.days("2026-01-03", "2026-03-03")
    said = next(line for line in response.context["comparison"].sums if line.words.startswith("Balance"))
    assert said.before == f"{account_position(story.account.pk).balance:,.2f}"


def test_what_is_left_of_a_payment_larger_than_the_debt_is_told_as_credit(story: Story) -> None:
    response = asked(story, amount="130.00", days="30")
    said = next(line for line in response.context["comparison"].sums if line.words.startswith("Balance"))
    assert (said.before, said.after) == ("100.00", "70.00")


def test_without_anything_supposed_the_page_shows_what_comes_and_says_so(story: Story) -> None:
    response = asked(story)
    assert "Nothing is supposed yet" in response.content.decode()
    assert marks(response) == []
    assert response.context["comparison"].lines


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"amount": "0"}, "amount", "must be above 0"),
        ({"amount": "-5"}, "amount", "must be above 0"),
        ({"amount": "ten"}, "amount", "in digits"),
        ({"amount": "99999999999999"}, "amount", "digits"),
        ({"paid_on": "2026-01-22"}, "amount", "how much"),
        ({"amount": "5", "paid_on": "2026-01-18"}, "paid_on", "is past"),
        ({"amount": "5", "paid_on": "2026-06-01"}, "paid_on", "look further ahead"),
        ({"amount": "5", "paid_at": "09:00"}, "paid_at", "It is 12:00 there already"),
        ({"amount": "5", "paid_on": "2026-02-30"}, "paid_on", "no date"),
        ({"grace_until": "2026-01-19"}, "grace_until", "not after today"),
        ({"grace_until": "2027-06-01"}, "grace_until", "more than a year ahead"),
        ({"lift_now": "on"}, "grace_until", "until when"),
        ({"returned_on": "2026-01-20"}, "payment", "which payment"),
        ({"payment": "999999"}, "payment", "of this account"),
        ({"version": "999999"}, "version", "from the list"),
        ({"days": "400"}, "days", "not in the list"),
    ],
)
def test_what_cannot_be_supposed_is_refused_at_its_field(
    story: Story, given: dict[str, str], field: str, words: str
) -> None:
    response = asked(story, **given)
    assert words in errors(response)[field]
    assert "comparison" not in response.context
    assert f'href="#id_{field}"' in response.content.decode(), "the summary leads to the field"


def test_a_draft_that_could_not_be_published_is_refused_with_the_path(story: Story) -> None:
    draft = import_version(sonar(), policy=Policy.objects.get(name="S"))
    draft.steps.filter(key="slow").update(requires_notice="no-such-step")
    said = errors(asked(story, version=draft.pk))["version"]
    assert "steps" in said
    assert "Mend the draft" in said


def test_a_payment_of_somebody_else_is_not_offered(story: Story) -> None:
    other = Story(sonar(), first_bill_on="2026-01-01", number="1002")
    other.days("2026-01-01", "2026-01-02")
    payment = other.pays("2026-01-03 12:00", "30.00")
    assert "of this account" in errors(asked(story, payment=payment.pk))["payment"]


def test_a_closed_account_has_nothing_to_come_and_says_so(story: Story) -> None:
    story.account.closed_on = date(2026, 1, 3)
    story.account.save()
    page = asked(story, amount="5").content.decode()
    assert "Account 1001 was closed on Sat 03 Jan 2026; nothing is to come." in page
    assert '<form method="get"' not in page


def test_an_account_under_no_policy_is_told_what_to_do(story: Story) -> None:
    Standing.objects.all().delete()
    assert "give it a billing default" in asked(story).content.decode()


def test_support_may_suppose_but_not_move(story: Story) -> None:
    support = User.objects.create(username="sandy", is_staff=True)
    support.user_permissions.set(Permission.objects.filter(codename="view_account"))
    client = Client()
    client.force_login(support)
    assert asked(story, client=client, amount="100.00").context["comparison"]
    move = reverse("admin:accounts_account_move_version", args=[story.account.pk])
    assert client.get(move).status_code == 403


def test_a_policy_of_another_name_can_be_tried_too(story: Story) -> None:
    policy = Policy.objects.create(name="Easy")
    version: PolicyVersion = publish(import_version(sonar(name="Easy", status_switch_days=None), policy=policy))
    response = asked(story, version=version.pk)
    assert sums(response)["Billing and service stop on"] == ("Wed 28 Jan 2026", "not in this time")


def test_the_balance_of_an_account_that_is_billed_no_more_counts_what_waits_and_its_credit(story: Story) -> None:
    with story.now("2026-01-03 12:00") as at:
        add_charge(
            account=story.account, kind="late_fee", key="fee:by-hand", amount=Decimal("7.00"), description="Late fee",
            charged_on=date(2026, 1, 3), effective_at=at,
        )  # fmt: skip
    BillingParameters.objects.update(next_bill_on=None)
    response = asked(story, days="30")
    said = next(line for line in response.context["comparison"].sums if line.words.startswith("Balance"))
    assert said.before == "107.00"
