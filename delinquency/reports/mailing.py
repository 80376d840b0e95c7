"""Send reports by e-mail: once for each person and period, through the post room's own channel (U13).

Rows first: who gets which period is written down, then each letter is claimed, made, marked as being sent, and handed
over. One whose answer was lost may have gone out, so it is shown and never repeated.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from accounts.models import Company, User
from accounts.operations import raise_attention, resolve_attention
from accounts.outreach.port import Attachment, Message
from accounts.outreach.registry import channel_for
from billing_project.kernel import clock, sheets
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from delinquency.models import ReportMailing, ReportSubscription

from .footers import chain_head
from .kinds import Asked, Line, Report, Shape, Table
from .registry import REPORTS, asked_from, query_of, sheet_of, words_of

State, Every = ReportMailing.State, ReportSubscription.Every
NEEDED = ("invoicing.view_ledgerentry", "delinquency.view_event", "accounts.export_data")
FAILED = "report-not-sent"
LEASE = timedelta(minutes=10)
# An hour's trouble of the provider's, and a night's: then it is a person's.
WAITS = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6))
# How late a letter is still worth sending after an outage.
LATE_MAX = {Every.DAY: timedelta(hours=20), Every.WEEK: timedelta(days=5), Every.MONTH: timedelta(days=20)}
LINES_IN_LETTER = 40
DAY = timedelta(days=1)

# Lines that other parts of the program add beneath every report, each a function that returns one or nothing.
FOOTERS: list[Callable[[], str]] = [chain_head]


def period_of(row: ReportSubscription, now: datetime) -> tuple[datetime, date, date] | None:
    """Return the latest moment at which a subscription was due, and its period; None if nothing is to be sent now.

    Nothing is due before it was made, and nothing that an outage has made worthless.
    """
    here = clock.local(now, row.timezone)
    on = here.date() if here.time() >= row.at else here.date() - DAY
    match row.every:
        case Every.DAY:
            first = last = on - DAY
        case Every.WEEK:
            on -= timedelta(days=(on.weekday() - row.weekday) % 7)
            last = on - timedelta(days=on.weekday() + 1)
            first = last - timedelta(days=6)
        case _:
            on = on.replace(day=row.month_day) if on.day >= row.month_day else _month_before(on, row.month_day)
            last = on.replace(day=1) - DAY
            first = last.replace(day=1)
    moment = clock.instant(datetime.combine(on, row.at), row.timezone)
    late = now - moment > LATE_MAX[Every(row.every)]
    return None if late or moment < row.made_at else (moment, first, last)


def write_down(now: datetime) -> int:
    """Write down who gets which period now; return how many letters that are. What is there already stays."""
    wanted = []
    rows = ReportSubscription.objects.filter(paused=False).prefetch_related("recipients")
    for row in rows:
        due = period_of(row, now)
        if due is None:
            continue
        wanted += [
            ReportMailing(subscription=row, recipient=person, first_on=due[1], last_on=due[2], due_at=due[0])
            for person in row.recipients.all()
        ]
    before = ReportMailing.objects.count()
    ReportMailing.objects.bulk_create(wanted, ignore_conflicts=True)
    return ReportMailing.objects.count() - before


def send_due(now: datetime) -> int:
    """Send what is due, and give up what broke off while it was being sent; return how many were sent."""
    broken = ReportMailing.objects.filter(state=State.SENDING, lease_until_at__lt=now)
    for row in broken.select_related("subscription", "recipient"):
        _end(row, State.UNCLEAR, "The program stopped while it was being sent; ask the recipient whether it came.")
    sent = 0
    free = Q(lease_until_at=None) | Q(lease_until_at__lt=now)
    due = ReportMailing.objects.filter(free, state=State.WAITING, due_at__lte=now)
    for pk in list(due.values_list("pk", flat=True)):
        taken = ReportMailing.objects.filter(free, pk=pk, state=State.WAITING).update(
            lease_until_at=now + LEASE, tries=F("tries") + 1
        )
        if taken:
            row = ReportMailing.objects.select_related("subscription__company", "recipient").get(pk=pk)
            sent += _send(row, now)
    return sent


def letter(row: ReportMailing) -> Message:
    """Return the letter with a report: what matters in words, and the whole as a file."""
    one = row.subscription
    report = REPORTS[one.report]
    asked = _asked(report, one, row.first_on, row.last_on)
    table = report.make(asked)
    head, rows = sheet_of(table)
    words = words_of(report, asked)
    page = reverse(f"admin:delinquency_reportsubscription_{report.key}")
    url = f"{settings.PUBLIC_BASE_URL}{page}?{query_of(report, asked)}"
    footers = [text for text in (make() for make in FOOTERS) if text]
    sender = one.company.email_sender if one.company else _first_sender()
    return Message(
        key=f"report:{row.pk}", channel="email", to_address=row.to_address, sender=sender,
        subject=f"{report.title}, {words}", body=_text(report, table, asked, url, footers),
        html=_html(report, table, asked, url, footers), template=f"report-{report.key}",
        attachments=(
            Attachment(
                f"{report.key}-{row.first_on}-{row.last_on}.{one.kind}",
                b"".join(sheets.pieces(one.kind, head, rows)), sheets.MEDIA_TYPES[one.kind].partition(";")[0],
            ),
        ),
    )  # fmt: skip


def why_not(person: User) -> str:
    """Return why a person may get no reports, in words; nothing if they may."""
    if not (person.is_active and person.is_staff):
        return f"{person} is no active member of staff."
    if not person.email:
        return f"{person} has no e-mail address; write one on their page."
    return "" if person.has_perms(NEEDED) else f"{person} may not take reports out; give them a role that may."


def _send(row: ReportMailing, now: datetime) -> int:
    """Send one letter that is ours, and write down what came of it; return 1 if it was sent."""
    refused = why_not(row.recipient) or ("" if row.subscription.report in REPORTS else "There is no such report now.")
    if refused:
        return _end(row, State.FAILED, refused)
    if row.tries > ReportMailing.TRIES_MAX:
        return _end(row, State.FAILED, row.why or "The report could not be made; the program's log says why.")
    row.to_address = row.recipient.email
    message = letter(row)
    ReportMailing.objects.filter(pk=row.pk).update(state=State.SENDING, to_address=row.to_address)
    try:
        receipt = channel_for("email").send(message)
    except Rejected as no:
        return _end(row, State.FAILED, str(no))
    except Unavailable as trouble:
        wait = WAITS[min(row.tries, len(WAITS)) - 1]
        if row.tries >= ReportMailing.TRIES_MAX:
            return _end(row, State.FAILED, str(trouble))
        ReportMailing.objects.filter(pk=row.pk).update(
            state=State.WAITING, due_at=now + wait, lease_until_at=None, why=str(trouble)[:300]
        )
        return 0
    except OutcomeUnknown as unknown:
        return _end(row, State.UNCLEAR, str(unknown))
    ReportMailing.objects.filter(pk=row.pk).update(
        state=State.SENT, sent_at=clock.now(), provider_id=receipt.provider_id[:120], lease_until_at=None, why=""
    )
    resolve_attention(FAILED, str(row.subscription_id), "the next one was sent")
    return 1


def _end(row: ReportMailing, state: ReportMailing.State, why: str) -> int:
    ReportMailing.objects.filter(pk=row.pk).update(state=state, why=why[:300] or "no reason", lease_until_at=None)
    raise_attention(
        code=FAILED, key=str(row.subscription_id),
        words=f"The report “{row.subscription}” for {row.recipient} ({row}) {State(state).label}: {why}"
        " Look under Reports by e-mail.",
    )  # fmt: skip
    return 0


def _asked(report: Report, one: ReportSubscription, first: date, last: date) -> Asked:
    given = {"on": str(last)} if report.of_a_day else {"from": str(first), "to": str(last)}
    return asked_from(report, given | ({"company": str(one.company_id)} if one.company_id else {}))


def _month_before(on: date, day: int) -> date:
    return (on.replace(day=1) - DAY).replace(day=day)


def _first_sender() -> str:
    return str(Company.objects.order_by("pk").values_list("email_sender", flat=True).first() or "")


def _sum_pairs(table: Table, asked: Asked) -> list[tuple[str, str]]:
    """Return the figures of the last sum in words."""
    total = next((line for line in reversed(table.lines) if line.is_sum), None)
    if total is None:
        return []
    return [
        (column.words, _shown(cell, asked if column.shape is Shape.MONEY else None))
        for column, cell in zip(table.columns, total.cells, strict=True)
        if column.is_number and cell is not None
    ]


def _shown(cell: Any, asked: Asked | None) -> str:
    if cell is None:
        return ""
    return f"{cell:,.2f} {asked.currency if asked else ''}".strip() if isinstance(cell, Decimal) else str(cell)


def _text(report: Report, table: Table, asked: Asked, url: str, footers: list[str]) -> str:
    sums = "\n".join(f"{words}: {shown}" for words, shown in _sum_pairs(table, asked))
    found = sums or "There is nothing to report for these days."
    end = "".join(f"\n{text}" for text in footers)
    return (
        f"{report.title}, {words_of(report, asked)}\n\n{found}\n\nThe whole table is attached. With links to its rows:"
        f" {url}\n\nYou get this because you are named under “Reports by e-mail” in the back office.{end}\n"
    )


def _html(report: Report, table: Table, asked: Asked, url: str, footers: list[str]) -> str:
    heads = format_html_join("", '<th align="left">{}</th>', ((column.words,) for column in table.columns))
    body = format_html_join("", "<tr>{}</tr>", ((_row(line),) for line in table.lines[:LINES_IN_LETTER]))
    more = len(table.lines) - LINES_IN_LETTER
    return format_html(
        "<h1>{}, {}</h1>{}<p>{}The whole table is attached. <a href=\"{}\">Open it with links to its rows</a>.</p>"
        "<p>You get this because you are named under “Reports by e-mail” in the back office.</p>{}",
        report.title, words_of(report, asked),
        format_html('<table cellpadding="4"><tr>{}</tr>{}</table>', heads, body) if table.lines
        else format_html("<p>{}</p>", "There is nothing to report for these days."),
        f"{more} more lines are in the file. " if more > 0 else "", url,
        format_html_join("", "<p>{}</p>", ((text,) for text in footers)),
    )  # fmt: skip


def _row(line: Line) -> Any:
    return format_html_join("", "<td>{}</td>", ((_shown(cell, None),) for cell in line.cells))
