"""Letters that no step writes: a line is back, a charge was declined, a promise was kept or broken.

They are no events of an account's story, a company can leave each of them out, and nobody is bothered when one reaches
nobody. Like every letter they are written once for what they are about, and asked about again right before they go.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from django.db.models import Q

from accounts.models import Account, Contact, FundingSource, Notice
from accounts.models.outreach import Courtesy
from accounts.outreach.fallback import listed_places, open_ways
from accounts.outreach.gathering import rules_of
from accounts.outreach.outbox import NoticeRequest, enqueue_many
from billing_project.kernel import clock, money
from invoicing.models import Invoice, Payment, PaymentAttempt
from netenforce.models import EnforcementTask, LineState

from ..models import Case, Event, Promise
from ..reading import read_positions
from ..rules.actions import Kind
from .letters import standing_texts

WAYS = ("email", "sms")
# After the day's check: if that writes to the customer about the same, this one stays at home.
AFTER_CHECK = time(9, 30)
A_DAY = timedelta(days=1)
DECLINED, REFUSED = PaymentAttempt.State.DECLINED, PaymentAttempt.State.REFUSED
OCCURRENCE_MAX = 32_000
# A gateway's reason as a half sentence that a customer may read; others are left out.
REASONS = {
    "expired_card": ("the card has expired", "la tarjeta ha caducado"),
    "insufficient_funds": ("there was not enough money on it", "no había saldo suficiente"),
    "lost_card": ("the bank does not allow it", "el banco no lo permite"),
    "stolen_card": ("the bank does not allow it", "el banco no lo permite"),
    "closed_account": ("the bank account is closed", "la cuenta bancaria está cerrada"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One courtesy to write, if the company does and there is a way to the billing contact."""

    account_id: int
    courtesy: Courtesy
    anchor_key: str
    why: str
    occurrence: int = 1
    due_at: datetime | None = None
    template: str = ""  # of another letter, if it is not the courtesy's own
    ways: tuple[str, ...] = WAYS
    context: Mapping[str, str] = field(default_factory=dict)


def write(wishes: Iterable[Wish]) -> int:
    """Put courtesies into the outbox, and return how many; a constant number of queries."""
    wanted = list(wishes)
    if not wanted:
        return 0
    people = {
        person.account_id: person
        for person in Contact.objects.filter(
            account__in={wish.account_id for wish in wanted}, is_billing_contact=True
        ).select_related("account__company__outreach_rules", "account__status")
    }
    listed = listed_places(people.values())
    open_to = {pk: open_ways(person, listed) for pk, person in people.items()}
    way = {id(wish): next((way for way in open_to.get(wish.account_id, ()) if way in wish.ways), "") for wish in wanted}
    wanted = [
        wish
        for wish in wanted
        if way[id(wish)] and wish.courtesy in rules_of(people[wish.account_id].account.company).courtesies
    ]
    texts = _texts([people[wish.account_id].account for wish in wanted])
    requests = [
        NoticeRequest(
            account_id=wish.account_id, anchor_key=wish.anchor_key, step_key=str(wish.courtesy),
            occurrence=min(max(wish.occurrence, 1), OCCURRENCE_MAX), why=wish.why,
            template=wish.template or str(wish.courtesy), channels=(way[id(wish)],), due_at=wish.due_at,
            context={**texts.get(wish.account_id, {}), **wish.context},
        )
        for wish in wanted
    ]  # fmt: skip
    enqueue_many(requests)
    return len(requests)


def tell_of_promises(promises: Sequence[Promise], moment: datetime) -> int:
    """Thank for promises that were kept, and ask about those that were not; once for each."""
    wishes = []
    for promise in promises:
        kept = promise.state == Promise.State.KEPT
        zone = promise.account.timezone
        context = {
            "promised_on": promise.pay_by_on.isoformat(), "promised_amount": money.text(promise.promised),
            "paid_amount": money.text(promise.paid) if kept and promise.paid else "", "paid_on": "",
        }  # fmt: skip
        wishes.append(
            Wish(
                account_id=promise.account_id, anchor_key=f"promise:{promise.pk}", context=context,
                courtesy=Courtesy.PROMISE_KEPT if kept else Courtesy.PROMISE_BROKEN,
                why=f"The promise to pay by {promise.pay_by_on} was {promise.get_state_display()}.",
                due_at=None if kept else _after_check(moment, zone),
            )
        )  # fmt: skip
    return write(wishes)


def tell_of_decline(attempt_id: int) -> int:
    """Tell that an automatic charge was declined for good that day: once for an invoice and a day."""
    attempt = PaymentAttempt.objects.select_related("account", "invoice").get(pk=attempt_id)
    if attempt.state not in (DECLINED, REFUSED) or not attempt.key.startswith("invoice:"):
        return 0  # what customers press themselves tells them on the spot
    zone, now = attempt.account.timezone, clock.now()
    today = clock.local(now, zone).date()
    ends_at = clock.instant(datetime.combine(today + A_DAY, time.min), zone)
    others = PaymentAttempt.objects.filter(invoice=attempt.invoice_id).exclude(pk=attempt.pk)
    if others.filter(state__in=PaymentAttempt.UNSETTLED, due_at__lt=ends_at).exists():
        return 0  # another source is still asked today
    begins_at = clock.instant(datetime.combine(today, time.min), zone)
    declined = PaymentAttempt.objects.filter(invoice=attempt.invoice_id, state=DECLINED, settled_at__gte=begins_at)
    last = declined.select_related("funding_source").order_by("-settled_at", "-pk").first()
    if last is None or attempt.invoice.state != Invoice.State.OPEN:
        return 0
    english, spanish = REASONS.get(last.code, ("", ""))
    again = others.filter(state=PaymentAttempt.State.QUEUED, due_at__gte=ends_at).order_by("due_at").first()
    return write(
        [
            Wish(
                account_id=attempt.account_id, courtesy=Courtesy.PAYMENT_FAILED,
                anchor_key=f"charge:{attempt.invoice_id}", occurrence=(today - attempt.invoice.issued_on).days + 1,
                why=f"Charging invoice {attempt.invoice.number} was declined on {today}: {last.why or last.code}",
                due_at=_after_check(now, zone),
                context={
                    **_card(last.funding_source), "declined_reason": english, "declined_reason_es": spanish,
                    "retry_on": clock.local(again.due_at, zone).date().isoformat() if again else "",
                },
            )
        ]
    )  # fmt: skip


def tell_of_restore(task_id: int) -> int:
    """Tell that the line is back when its device has confirmed it: once for each release by payment."""
    task = EnforcementTask.objects.select_related("line__account").get(pk=task_id)
    account = task.line.account
    if not task.restores or task.level != "open" or task.state != EnforcementTask.State.CONFIRMED:
        return 0
    lines = LineState.objects.filter(line__account=account)
    if lines.exclude(desired_level="open").exists() or lines.exclude(observed_level="open").exists():
        return 0  # not all of its lines yet
    releases = Event.objects.filter(account=account, kind=Kind.RELEASED)
    last = releases.order_by("-sequence").first()
    case = Case.objects.filter(account=account).order_by("-number").first()
    if last is None or last.on < clock.today(account.timezone) - A_DAY or (case is not None and case.lifted):
        return 0  # an old story that was caught up with, or nothing was paid
    payment = Payment.objects.filter(account=account, reversed_at__isnull=True).order_by("-received_at", "-pk").first()
    paid_on = clock.local(payment.received_at, account.timezone).date().isoformat() if payment else ""
    return write(
        [
            Wish(
                account_id=account.pk, courtesy=Courtesy.RESTORED, anchor_key=f"account:{account.pk}",
                occurrence=releases.count(), why=f"The device confirmed that the line is open again: {last.why}"[:300],
                context={"paid_amount": money.text(payment.amount) if payment else "", "paid_on": paid_on},
            )
        ]
    )  # fmt: skip


def why_not_courteous(notice: Notice) -> str:
    """Return why a courtesy is not true or not needed any more, right before it goes; empty if it may go."""
    kind, _, key = notice.anchor_key.partition(":")
    account = notice.account
    match notice.step_key:
        case Courtesy.RESTORED:
            cut = LineState.objects.filter(line__account=account).exclude(desired_level="open").exists()
            return "The line is restricted again." if cut else ""
        case Courtesy.PAYMENT_FAILED:
            settled = (
                kind == "charge" and Invoice.objects.filter(pk=int(key)).exclude(state=Invoice.State.OPEN).exists()
            )
            return "Its invoice was settled before it was sent." if settled else _said_already(notice)
        case Courtesy.PROMISE_BROKEN:
            today = clock.today(account.timezone)
            late = Invoice.objects.filter(account=account, state=Invoice.State.OPEN, due_on__lt=today).exists()
            return _said_already(notice) if late else "What was promised was paid before it was sent."
    return ""


def _said_already(notice: Notice) -> str:
    """Return that a policy step writes to the customer on the same day, if one does: one letter, not two."""
    zone = notice.account.timezone
    begins_at = clock.instant(datetime.combine(clock.today(zone), time.min), zone)
    by_steps = Notice.objects.filter(account=notice.account, created_at__gte=begins_at).exclude(pk=notice.pk)
    about = Q(anchor_key__startswith="invoice:") | Q(anchor_key__startswith="case:")
    said = by_steps.filter(about).exclude(state__in=(Notice.State.NOT_SENT, Notice.State.CANCELLED))
    return "Another letter of the same day says it." if said.exists() else ""


def _after_check(moment: datetime, zone: str) -> datetime:
    """Return the time of the day after that day's check, or the moment itself if that is later."""
    now = max(moment, clock.now())
    return max(now, clock.instant(datetime.combine(clock.local(now, zone).date(), AFTER_CHECK), zone))


def _card(source: FundingSource | None) -> dict[str, str]:
    return {"card_brand": source.brand if source else "", "card_last4": source.last4 if source else ""}


def _texts(accounts: Sequence[Account]) -> dict[int, dict[str, str]]:
    """Return how accounts stand with their money, in the texts of a letter; nothing for one under no policy."""
    unique = list({account.pk: account for account in accounts}.values())
    blank = {"amount_due": "", "restore_amount": "", "next_step": ""}
    found = {account.pk: dict(blank) for account in unique}
    for position in read_positions(unique) if unique else []:
        found[position.account.pk] = standing_texts(position)
    return found
