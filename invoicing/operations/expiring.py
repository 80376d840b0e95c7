"""Tell customers ahead that their card will have expired when it is next needed (E12)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Min

from accounts.access import link_to
from accounts.models import Contact, FundingSource, Notice
from accounts.models.outreach import Courtesy
from accounts.outreach.fallback import listed_places, open_ways
from accounts.outreach.gathering import rules_of
from accounts.outreach.outbox import NoticeRequest, enqueue_many
from billing_project.kernel import clock
from invoicing.models import BillingParameters, Invoice
from invoicing.rules import collection
from invoicing.rules.expiring import AHEAD_MAX, next_payment_on, reminder

from . import chargeable

WAYS = ("email", "sms")
FROM, UNTIL = time(9), time(21)
CARDS_PAGE = "/portal/cards/"
# The first payment day after an expiry lies within so much of it: a month, and longer where billing begins later.
NEEDED_WITHIN = timedelta(days=92)


@dataclass(frozen=True, slots=True)
class Expiring:
    """A primary card, and the first day on which it is needed and will have expired."""

    source: FundingSource
    needed_on: date
    reminder: int
    today: date

    @property
    def anchor_key(self) -> str:
        """Return the key of this card with this expiry: another card, or a renewed one, has another."""
        return anchor_of(self.source)


def anchor_of(source: FundingSource) -> str:
    """Return what a letter about a card's expiry is about."""
    return f"card:{source.pk}:{chargeable.mark_of(source)}"


def announce_expiring(at: datetime) -> int:
    """Write the letters about expiring cards whose time has come where their customers are; return how many are new.

    Each card and expiry date is announced 30 days and again 7 days before the payment that it will not make any more,
    from 09:00 local on. Only primary cards of accounts that pay automatically are: where the customer pays by hand
    nothing fails. What is due decides the cost: cards that expire about now, and not yet announced.
    """
    found = {card.anchor_key: card for card in _expiring(at)}
    if not found:
        return 0
    written = set(
        Notice.objects.filter(step_key=Courtesy.CARD_EXPIRING, anchor_key__in=found).values_list(
            "anchor_key", "occurrence"
        )
    )
    return enqueue_many(_requests([card for key, card in found.items() if (key, card.reminder) not in written]))


def why_not_announced(notice: Notice) -> str:
    """Return why a letter about a card is not true any more, right before it goes; empty if it may go."""
    key = notice.anchor_key.split(":")[1]
    source = FundingSource.objects.filter(pk=key, account=notice.account_id).first() if key.isdigit() else None
    if source is None or source.rank != collection.PRIMARY or anchor_of(source) != notice.anchor_key:
        return "Another card has taken its place, or it was renewed."
    if source.barred_at is not None:
        return "The card is barred, so it is not charged anyway."
    if not BillingParameters.objects.filter(account=notice.account_id, autopay=True).exists():
        return collection.BY_HAND
    return ""


def _expiring(at: datetime) -> list[Expiring]:
    day = at.date()
    rows = FundingSource.objects.filter(
        rank=collection.PRIMARY, barred_at__isnull=True, account__billing_parameters__autopay=True,
        account__closed_on__isnull=True, expires_on__gte=day - NEEDED_WITHIN, expires_on__lte=day + AHEAD_MAX,
    ).select_related("account__company", "account__status", "account__billing_parameters")  # fmt: skip
    awake = [source for source in rows if FROM <= clock.local(at, source.account.timezone).time() < UNTIL]
    due = _open_due(awake)
    found = []
    for source in awake:
        account, today = source.account, clock.local(at, source.account.timezone).date()
        assert source.expires_on is not None  # the query asks for it
        terms = account.billing_parameters
        bill_on = terms.next_bill_on if account.status.activates_billing else None
        needed_on = next_payment_on(
            source.expires_on, open_due_on=due.get(source.pk), next_bill_on=bill_on, bill_day=terms.bill_day,
            due_days=terms.due_days,
        )  # fmt: skip
        number = reminder(needed_on, today) if needed_on else 0
        if needed_on and number:
            found.append(Expiring(source, needed_on, number, today))
    return found


def _open_due(sources: Iterable[FundingSource]) -> dict[int, date]:
    """Return, by source, when the first open invoice is due that it will have expired for; one query for each expiry.

    Cards expire at the ends of months, so there are two or three of those at a time.
    """
    found: dict[int, date] = {}
    by_expiry: dict[date, dict[int, int]] = {}
    for source in sources:
        if source.expires_on is not None:
            by_expiry.setdefault(source.expires_on, {})[source.account_id] = source.pk
    for expires_on, pks in by_expiry.items():
        rows = Invoice.objects.filter(
            account__in=pks, state=Invoice.State.OPEN, frozen=False, remaining__gt=0, due_on__gt=expires_on
        )
        for account_id, due_on in rows.order_by().values_list("account_id").annotate(on=Min("due_on")):
            found[pks[account_id]] = due_on
    return found


def _requests(cards: list[Expiring]) -> list[NoticeRequest]:
    accounts = {card.source.account_id for card in cards}
    people = {
        person.account_id: person
        for person in Contact.objects.filter(account__in=accounts, is_billing_contact=True).select_related(
            "account__company__outreach_rules"
        )
    }
    listed = listed_places(people.values())
    requests = []
    for card in cards:
        source, person = card.source, people.get(card.source.account_id)
        if person is None or Courtesy.CARD_EXPIRING not in rules_of(person.account.company).courtesies:
            continue
        ways = [way for way in open_ways(person, listed) if way in WAYS]
        if not ways or source.expires_on is None:
            continue
        expires_on = source.expires_on.isoformat()
        requests.append(
            NoticeRequest(
                account_id=source.account_id, anchor_key=card.anchor_key, step_key=str(Courtesy.CARD_EXPIRING),
                occurrence=card.reminder, template="card_expiring", channels=(ways[0],),
                why=f"{source} expires on {expires_on}, and is needed on {card.needed_on}.",
                context={
                    "card_brand": source.brand, "card_last4": source.last4, "card_expires_on": expires_on,
                    "card_state": "expired" if source.expires_on < card.today else "good",
                    "charged_on": card.needed_on.isoformat(), "pay_url": link_to(source.account, to=CARDS_PAGE),
                },
            )
        )  # fmt: skip
    return requests
