"""Reports by e-mail: the right period at the right local hour, once, to staff who may, and failures are shown."""

from collections.abc import Iterator
from datetime import date, time, timedelta
from io import BytesIO
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from accounts.models import Attention, Company, SimulatedMessage, User
from accounts.outreach import registry
from accounts.outreach.port import Message, Receipt
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, PortError, Rejected, Unavailable
from delinquency.models import ReportMailing, ReportSubscription
from delinquency.reports import mailing
from delinquency.tasks import report_mailings
from tests.backoffice import make_customer, make_version
from tests.factories import NEW_YORK, instant, make_staff

pytestmark = pytest.mark.django_db
MAY = ("view_ledgerentry", "view_event", "export_data")


class Post:
    """An e-mail channel that keeps what it is given, and fails as it is told."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.fails: PortError | None = None

    def send(self, message: Message) -> Receipt:
        if self.fails is not None:
            raise self.fails
        self.sent.append(message)
        return Receipt(f"id-{len(self.sent)}")


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Post:
    found = Post()
    monkeypatch.setattr(mailing, "channel_for", lambda _name: found)
    return found


@pytest.fixture(autouse=True)
def sender() -> None:
    Company.objects.update(email_sender="Valley Fibre <billing@valley.example>")


def reader(name: str = "mia", **fields: Any) -> User:
    return make_staff(name, *MAY, **({"email": f"{name}@valley.example"} | fields))


def subscribe(*people: User, **fields: Any) -> ReportSubscription:
    values = {"report": "revenue", "every": "day", "timezone": NEW_YORK, "made_at": instant("2026-01-01 00:00")}
    row = ReportSubscription.objects.create(**(values | fields))
    row.recipients.set(people)
    return row


def at(local: str) -> Any:
    return clock.at(instant(local))


def work(local: str) -> int:
    with at(local):
        return int(report_mailings())


@pytest.mark.parametrize(
    ("every", "now", "first", "last"),
    [
        ("day", "2026-03-11 07:00", "2026-03-10", "2026-03-10"),
        ("day", "2026-03-11 06:59", "2026-03-09", None),  # yesterday's letter is 24 hours old: not worth sending
        ("week", "2026-03-11 09:00", "2026-03-02", "2026-03-08"),  # due on Wednesday, about Monday to Sunday
        ("week", "2026-03-14 09:00", "2026-03-02", "2026-03-08"),
        ("month", "2026-03-05 08:00", "2026-02-01", "2026-02-28"),
        ("month", "2026-03-04 08:00", "", None),  # last month's was due 27 days ago
    ],
)
def test_a_period_is_over_when_its_letter_is_due(every: str, now: str, first: str, last: str | None) -> None:
    row = subscribe(every=every, weekday=2, month_day=5, at=time(7))
    due = mailing.period_of(row, instant(now))
    assert due is None if last is None else (str(due[1]), str(due[2])) == (first, last) if due else False


def test_the_hour_is_the_readers_own_on_the_day_that_clocks_change() -> None:
    row = subscribe(at=time(7), timezone="Europe/Berlin")
    due = mailing.period_of(row, instant("2026-03-29 07:00", "Europe/Berlin"))
    assert due is not None
    assert (due[0].isoformat(), due[1]) == ("2026-03-29T05:00:00+00:00", date(2026, 3, 28))


def test_each_reader_gets_each_period_once_with_the_file_and_the_sums(post: Post) -> None:
    with at("2026-01-10 12:00"):
        make_customer("10001", make_version())
    subscribe(reader(), reader("max"), every="month", month_day=1, kind="xlsx")
    for local in ("2026-02-01 07:00", "2026-02-01 07:05", "2026-02-03 09:00"):
        work(local)
    assert sorted(message.to_address for message in post.sent) == ["max@valley.example", "mia@valley.example"]
    message = post.sent[0]
    assert message.subject == "Revenue and tax, 2026-01-01 to 2026-01-31"
    assert "issued: 100.00 USD" in message.body
    assert "<td>100.00</td>" in message.html
    assert "/reports/revenue/?from=2026-01-01&to=2026-01-31" in message.body
    assert message.sender == "Valley Fibre <billing@valley.example>"
    (file,) = message.attachments
    assert file.name == "revenue-2026-01-01-2026-01-31.xlsx"
    sheet = load_workbook(BytesIO(file.content)).active
    assert sheet is not None
    assert "issued" in [cell.value for cell in next(iter(sheet.iter_rows()))]
    assert set(ReportMailing.objects.values_list("state", flat=True)) == {"sent"}


def test_the_database_refuses_a_second_letter_about_the_same_period() -> None:
    row, person = subscribe(), reader()
    values: dict[str, Any] = {"subscription": row, "recipient": person, "first_on": "2026-01-01",
                              "last_on": "2026-01-01"}  # fmt: skip
    ReportMailing.objects.create(**values)
    with pytest.raises(IntegrityError), transaction.atomic():
        ReportMailing.objects.create(**values)


def test_nothing_is_sent_for_what_was_due_before_it_was_made_or_while_it_was_paused(post: Post) -> None:
    row = subscribe(reader(), made_at=instant("2026-03-11 08:00"))
    assert work("2026-03-11 09:00") == 0
    ReportSubscription.objects.update(paused=True)
    assert work("2026-03-12 09:00") == 0
    client = Client()
    client.force_login(make_staff("boss", is_superuser=True))
    with at("2026-03-12 10:00"):
        data = {
            "report": "revenue", "every": "day", "weekday": 0, "month_day": 1, "at": "07:00", "timezone": NEW_YORK,
            "kind": "csv", "recipients": [row.recipients.get().pk],
        }  # fmt: skip
        url = reverse("admin:delinquency_reportsubscription_change", args=[row.pk])
        assert client.post(url, data).status_code == 302
    assert work("2026-03-12 11:00") == 0, "it goes on with the next one"
    assert work("2026-03-13 07:01") == 1


def test_people_who_may_not_see_reports_get_none_and_that_is_shown(post: Post) -> None:
    person = reader()
    subscribe(person)
    person.user_permissions.clear()
    assert work("2026-03-11 09:00") == 0
    row = ReportMailing.objects.get()
    assert (row.state, post.sent) == ("failed", [])
    assert "may not take reports out" in row.why
    assert Attention.objects.filter(code="report-not-sent", resolved_at=None).count() == 1


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (Rejected("No such mailbox.", "rejected"), "failed"),
        (OutcomeUnknown("No answer."), "unclear"),
        (Unavailable("Try later."), "waiting"),
    ],
)
def test_a_failure_is_shown_and_only_what_certainly_did_not_go_out_is_tried_again(
    post: Post, failure: PortError, state: str
) -> None:
    subscribe(reader())
    post.fails = failure
    work("2026-03-11 07:00")
    assert ReportMailing.objects.get().state == state
    assert Attention.objects.filter(code="report-not-sent").count() == (0 if state == "waiting" else 1)
    post.fails = None
    work("2026-03-11 07:06")
    assert len(post.sent) == (1 if state == "waiting" else 0)
    work("2026-03-12 07:00")
    assert not Attention.objects.filter(code="report-not-sent", resolved_at=None).exists(), "the next one went out"


def test_a_letter_that_broke_off_while_it_was_being_sent_is_never_repeated(post: Post) -> None:
    subscribe(reader())
    with at("2026-03-11 07:00"):
        mailing.write_down(clock.now())
        ReportMailing.objects.update(state="sending", lease_until_at=clock.now() + timedelta(minutes=10))
    work("2026-03-11 07:05")
    work("2026-03-11 07:15")
    assert (ReportMailing.objects.get().state, post.sent) == ("unclear", [])


def test_another_part_may_add_a_line_beneath_every_report(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailing, "FOOTERS", [lambda: "Head of the chain: abc", lambda: ""])
    subscribe(reader())
    work("2026-03-11 07:00")
    assert post.sent[0].body.rstrip().endswith("Head of the chain: abc")
    assert "<p>Head of the chain: abc</p>" in post.sent[0].html


def test_it_goes_out_by_the_channel_in_the_settings() -> None:
    subscribe(reader(), report="ageing")
    assert registry.channel_for("email")
    assert work("2026-03-11 07:00") == 1
    found = SimulatedMessage.objects.get()
    assert (found.to_address, found.channel) == ("mia@valley.example", "email")


@pytest.fixture
def boss() -> Iterator[Client]:
    client = Client()
    client.force_login(make_staff("boss", is_superuser=True))
    with at("2026-03-11 12:00"):
        yield client


def test_only_staff_who_may_are_taken_as_readers_and_the_page_says_why(boss: Client) -> None:
    nobody = make_staff("nobody")
    data = {
        "report": "revenue", "every": "day", "weekday": 0, "month_day": 1, "at": "07:00", "timezone": NEW_YORK,
        "kind": "csv", "recipients": [nobody.pk],
    }  # fmt: skip
    page = boss.post(reverse("admin:delinquency_reportsubscription_add"), data)
    assert b"nobody has no e-mail address" in page.content
    assert boss.post(reverse("admin:delinquency_reportsubscription_add"), data | {"recipients": [reader().pk]})
    row = ReportSubscription.objects.get()
    assert (str(row.made_by), row.timezone) == ("boss", NEW_YORK)
    listed = boss.get(reverse("admin:delinquency_reportsubscription_changelist")).content
    assert b"none yet" in listed
