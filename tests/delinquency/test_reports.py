"""Reports of the post room: numbers that lead to their rows, who cannot be reached, and the proof of each cut."""

import csv
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Account, Company, Notice, Suppression
from billing_project.kernel import clock
from delinquency.models import Event, StepRun
from delinquency.reports import sent, unreachable
from delinquency.reports.periods import period_from
from delinquency.reports.proofs import Verdict, proof_of_event, proofs
from tests.factories import NEW_YORK, instant, make_account, make_contact, make_staff
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

NOON = "2026-03-10 12:00"
State = Notice.State


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    """Let it be noon on 10 March 2026 in New York."""
    with clock.at(instant(NOON)):
        yield


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_staff("boss", is_superuser=True))
    return client


def write(account: Account, state: str, count: int = 1, channel: str = "email", step: str = "due", **more: Any) -> None:
    """Put notices in a state into the outbox."""
    now = clock.now()
    taken = state in Notice.TAKEN
    before = Notice.objects.count()
    Notice.objects.bulk_create(
        Notice(
            account=account, anchor_key=f"invoice:{before + number}", step_key=step, channel=channel,
            template="past_due",
            to_address="ann@customer.example", body="x", state=state, accepted_at=now if taken else None,
            cost=Decimal("0.0120") if channel == "sms" else Decimal(0), created_at=now, **more,
        )
        for number in range(count)
    )  # fmt: skip


def page(name: str, query: str = "") -> str:
    return f"{reverse(f'admin:delinquency_event_report_{name}')}{query}"


# --- What was sent ---------------------------------------------------------------------------------------------


def test_each_number_is_the_length_of_the_list_it_leads_to(client: Client) -> None:
    account = make_account()
    for state, count in (
        ("delivered", 5),
        ("accepted", 2),
        ("bounced", 1),
        ("ambiguous", 1),
        ("parked", 1),
        ("queued", 3),
    ):
        write(account, state, count)
    write(account, "delivered", 4, channel="sms")
    write(account, "failed", 1, channel="sms", step="other")
    lines = sent.lines(period_from({"days": "1"}, NEW_YORK), reverse("admin:accounts_notice_changelist"))
    counted = 0
    for line in lines:
        for cell in line.cells:
            if cell.url:
                assert client.get(cell.url).context["cl"].result_count == cell.count, cell.url
                counted += 1
            else:
                assert cell.count == 0
    assert counted > 20
    total = lines[-1]
    assert (total.channel, total.cells[0].count, total.cells[1].count) == ("all", 18, 13)
    assert [line.step for line in lines if line.channel == "SMS"] == ["due", "other", "in all"]


def test_rates_are_of_what_providers_were_asked_to_send_and_costs_add_up(client: Client) -> None:
    account = make_account()
    write(account, "delivered", 7, channel="sms")
    write(account, "failed", 2, channel="sms")
    write(account, "rejected", 1, channel="sms")
    write(account, "queued", 5, channel="sms")
    line = sent.lines(period_from({}, NEW_YORK), "x")[-1]
    assert (line.delivered, line.failed, line.cost) == ("70.0 %", "30.0 %", "0.11")


def test_a_period_is_whole_days_of_the_company(client: Client) -> None:
    account = make_account()
    for local in ("2026-03-07 23:59", "2026-03-08 00:00", "2026-03-08 23:59", "2026-03-09 00:00"):
        with clock.at(instant(local)):
            write(account, "delivered")
    one = period_from({"from": "2026-03-08", "to": "2026-03-08"}, NEW_YORK)
    assert sent.lines(one, "x")[-1].cells[0].count == 2, "a day of 23 hours has its own"
    assert (one.ends_at - one.begins_at) == timedelta(hours=23)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"from": "2026-03-08", "to": "2026-03-01"}, "name the earlier day first"),
        ({"from": "yesterday", "to": "2026-03-01"}, "Write both days"),
        ({"from": "1000-01-01", "to": "2026-03-01"}, "days at most"),
    ],
)
def test_a_period_that_is_none_says_so_and_shows_the_usual(client: Client, asked: dict[str, str], said: str) -> None:
    period = period_from(asked, NEW_YORK)
    assert said in period.wrong
    assert (period.first, period.last) == (date(2026, 2, 9), date(2026, 3, 10))
    assert said in client.get(page("sent"), asked).content.decode()


def test_bars_are_days_weeks_or_months() -> None:
    for days, grain, count in ((7, "day", 7), (90, "week", 14), (365, "month", 13)):
        period = period_from({"days": str(days)}, NEW_YORK)
        assert (period.grain, len(list(period.bars()))) == (grain, count)


def test_fifty_thousand_notices_are_counted_within_a_second_in_a_constant_number_of_queries(client: Client) -> None:
    account = make_account()
    for state in ("delivered", "accepted", "bounced", "failed", "queued"):
        write(account, state, 10_000, step=f"step-{state}")
    client.get(page("sent", "?days=30"))
    took = []
    for _ in range(3):  # the quickest tells what it costs, the others what else the machine had to do
        with CaptureQueriesContext(connection) as asked:
            began = time.perf_counter()
            body = client.get(page("sent", "?days=30")).content.decode()
            took.append(time.perf_counter() - began)
        assert "50000" in body
        assert len(asked) < 15
    assert min(took) < 1, f"{min(took):.2f} s"


def test_files_hold_no_formulas(client: Client) -> None:
    account = make_account(name="=HYPERLINK(1)")
    write(account, "delivered", step="=1+1")
    rows = list(csv.reader(StringIO(client.get(page("sent", "?csv")).getvalue().decode())))
    assert rows[1][:4] == ["email", "'=1+1", "1", "1"]
    lost = list(csv.reader(StringIO(client.get(page("unreachable", "?csv")).getvalue().decode())))
    assert lost[1][1:3] == ["'=HYPERLINK(1)", "no billing contact"]


def test_empty_reports_say_what_to_do_and_who_may_not_see_them_does_not() -> None:
    client = Client()
    client.force_login(make_staff("viewer", "view_event"))
    assert client.get(page("sent")).status_code == 403
    client.force_login(make_staff("auditor", "view_event", "view_notice"))
    Account.objects.all().delete()
    for name, words in (
        ("sent", "Nothing was written in this time"), ("unreachable", "Everybody can be reached"),
        ("cuts", "Nobody was cut in this time"),
    ):  # fmt: skip
        assert words in client.get(page(name)).content.decode()


# --- Who cannot be reached -------------------------------------------------------------------------------------


def test_who_has_no_way_left_is_listed_with_each_reason_and_what_waits(client: Client) -> None:
    account = make_account(number="1001")
    contact = make_contact(account)
    fine = make_contact(make_account(), email="bob@customer.example", phone="+15550100124")
    Suppression.objects.create(
        channel="email", address="ann@customer.example", reason="hard_bounce", since_at=instant("2026-03-01 10:00")
    )
    assert unreachable.lost() == [], "texts are another way"
    for channel in ("sms", "voice"):
        Suppression.objects.create(
            channel=channel, address=contact.phone, reason="opted_out", since_at=instant("2026-03-05 10:00")
        )
    StepRun.objects.create(
        account=account, anchor_key="case:1", step_key="slow", action="restrict", on=date(2026, 3, 6), outcome="held"
    )
    row = unreachable.lost()[0]
    assert (row.contact, row.since, row.waits) == (contact, instant("2026-03-05 10:00"), ("slow, since 2026-03-06",))
    assert [way.why for way in row.ways] == [
        "ann@customer.example is left alone: the address does not exist.",
        "+15550100123 is left alone: asked to be left alone.",
        "+15550100123 is left alone: asked to be left alone.",
    ]
    body = client.get(page("unreachable")).content.decode()
    assert "At 1 of them a cut waits" in body
    assert reverse("admin:accounts_contact_change", args=[contact.pk]) in body
    assert fine.name in body or "1 account cannot be told anything." in body


def test_an_account_without_a_billing_contact_is_listed_and_a_closed_one_is_not() -> None:
    account = make_account(number="1002")
    assert [row.account for row in unreachable.lost()] == [account]
    Account.objects.update(closed_on=date(2026, 3, 1))
    assert unreachable.lost() == []


# --- The proof of each cut -------------------------------------------------------------------------------------


def cut_story(*, notice_first: bool = True, sends: bool = True, number: str = "1001") -> Story:
    """Return a customer who is suspended on 2026-01-26, told or not told on the 21st."""
    steps = [
        {"key": "ticket", "action": "ticket", "anchor": "delinquent", "offset_days": 0},
        {"key": "warn", "action": "notice", "anchor": "delinquent", "offset_days": 0, "channels": ["email"],
         "template": "last_warning"},
        {"key": "stop", "action": "restrict", "anchor": "delinquent", "offset_days": 5 if notice_first else 0,
         "level": "suspend"},
    ]  # fmt: skip
    story = Story(sonar(steps=steps, name=f"S{number}"), first_bill_on="2026-01-01", sends=sends, number=number)
    for day in ("2026-01-01", "2026-01-21", "2026-01-22", "2026-01-27"):
        with story.now(f"{day} 09:02"):
            story.days("2026-01-01" if day == "2026-01-01" else day, day)
            if sends:
                story.posts(f"{day} 09:10")
        if day == "2026-01-01":
            with story.now("2026-01-20 23:00"):
                story.days("2026-01-02", "2026-01-20")
    return story


def cut_of(story: Story) -> Event:
    return Event.objects.get(account=story.account, kind="restricted")


def test_a_cut_is_proved_by_the_notices_accepted_before_it() -> None:
    story = cut_story()
    proof = proof_of_event(cut_of(story).pk)
    assert proof is not None
    assert (proof.verdict, proof.what, proof.days_between) == (Verdict.TOLD, "line suspended", 5)
    assert [(letter.notice.step_key, str(letter.accepted)) for letter in proof.letters][-1] == (
        "warn", "2026-01-21 09:10:00",
    )  # fmt: skip
    assert [number for number, _sum in proof.unpaid] == [proof.invoices[0].number]
    assert str(proof.ticket.opened_on) == "2026-01-21"  # type: ignore[union-attr]


def test_what_was_written_and_cut_in_the_same_check_is_told_apart(client: Client) -> None:
    story = cut_story(notice_first=False)
    proof = proof_of_event(cut_of(story).pk)
    assert proof is not None
    assert (proof.verdict, proof.days_between) == (Verdict.SAME_DAY, 0)


def test_a_cut_without_an_accepted_notice_is_red_counted_and_comes_first(client: Client) -> None:
    cut_story(number="1002")
    story = cut_story()
    Notice.objects.filter(account=story.account).update(state="failed", ended_at=instant("2026-01-21 09:05"))
    period = {"from": "2026-01-01", "to": "2026-01-31"}
    body = client.get(page("cuts"), period).content.decode()
    assert "1 cut has no proof" in body
    assert body.index("1001 Customer 1001") < body.index("1002 Customer 1002")
    only = client.get(page("cuts"), period | {"verdict": "no_proof"}).content.decode()
    assert "1002 Customer 1002" not in only
    rows = list(csv.reader(StringIO(client.get(page("cuts"), period | {"csv": ""}).getvalue().decode())))
    assert [row[6] for row in rows[1:]].count("no proof") == 1


def test_a_notice_that_bounced_after_the_cut_still_counted_when_the_line_was_cut() -> None:
    story = cut_story()
    rows = Notice.objects.filter(account=story.account, step_key="warn")
    rows.update(state="bounced", ended_at=instant("2026-01-27 10:00"))
    assert proof_of_event(cut_of(story).pk).verdict is Verdict.TOLD  # type: ignore[union-attr]
    Notice.objects.filter(account=story.account).exclude(step_key="warn").delete()
    rows.update(ended_at=instant("2026-01-25 10:00"))
    assert proof_of_event(cut_of(story).pk).verdict is Verdict.NO_PROOF  # type: ignore[union-attr]


def test_the_printed_proof_has_the_text_the_address_and_the_times(client: Client) -> None:
    story = cut_story()
    Company.objects.update(address="1 Main Street")
    body = client.get(reverse("admin:delinquency_event_proof", args=[cut_of(story).pk])).content.decode()
    notice = Notice.objects.get(account=story.account, step_key="warn")
    assert notice.body.split("\n")[2] in body
    for words in ("ann@customer.example", notice.provider_id, "21 January 2026, 09:10", "The customer was told 5 days"):
        assert words in body
    other = Event.objects.filter(account=story.account, kind="issued").first()
    assert client.get(reverse("admin:delinquency_event_proof", args=[other.pk])).status_code == 404  # type: ignore[union-attr]


def test_many_cuts_need_as_many_queries_as_one() -> None:
    cut_story()
    period = period_from({"from": "2026-01-01", "to": "2026-01-31"}, NEW_YORK)
    with CaptureQueriesContext(connection) as one:
        assert len(proofs(period)) == 1
    cut_story(number="1002")
    with CaptureQueriesContext(connection) as two:
        assert len(proofs(period)) == 2
    assert len(one) == len(two)


def test_a_cut_that_was_taken_back_in_the_same_look_needs_no_proof() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-20")
    story.pays("2026-01-21 09:02", "100.00")
    story.days("2026-01-21")
    assert ("2026-01-21", "restricted") in story.story("restricted", "released")
    assert proof_of_event(cut_of(story).pk).verdict is Verdict.UNDONE  # type: ignore[union-attr]
