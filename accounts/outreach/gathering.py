"""Read the facts that the gate decides on: a constant number of queries for any number of messages."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Sum

from accounts.models import (
    Account,
    CallRecord,
    ChannelBreaker,
    ChannelDay,
    Company,
    Contact,
    Notice,
    OutreachRules,
)
from billing_project.kernel import clock

from . import numbers, rules
from .gate import A_DAY, Call, Facts, Limits
from .suppressions import normal, suppressed

# What has left us or may have: everything that counts against a cap.
LEFT = (Notice.State.SENDING, Notice.State.AMBIGUOUS, *Notice.TAKEN)
PHONE = ("sms", "voice")
CALLS_LOOKED_BACK = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One message somebody wants to send: to whom, how, and what it would cost."""

    account: Account
    contact: Contact
    channel: str
    address: str
    asked_for: bool = False
    cost: Decimal = Decimal(0)
    notice_id: int = 0  # not counted against itself


def reach_of(contact: Contact) -> rules.Reach:
    """Return how a contact can be reached."""
    return rules.Reach(
        email=contact.email,
        phone=contact.phone,
        allowed={"email": contact.email_allowed, "sms": contact.sms_allowed, "voice": contact.voice_allowed},
    )


def zones_of(account: Account, contact: Contact | None, address: str = "") -> tuple[str, ...]:
    """Return the zones in which it must be a decent hour: the contact's, the account's, the number's (G20, SEC-17)."""
    by_number = numbers.facts_of(address).zone if address.startswith("+") else ""
    found = (contact.timezone if contact else "", account.timezone, by_number)
    return tuple(dict.fromkeys(name for name in found if name))


def rules_of(company: Company) -> OutreachRules:
    """Return the contact rules of a company; without a row of its own the strict ones that the model starts with."""
    kept: OutreachRules | None = getattr(company, "outreach_rules", None)
    return kept or OutreachRules(company=company)


def limits_of(company: Company, channel: str, *, extra_spend: Decimal = Decimal(0)) -> Limits:
    """Return the limits for one channel of a company."""
    kept = rules_of(company)
    own = numbers.facts_of(company.phone).country if company.phone else ""
    return Limits(
        opens=kept.opens,
        closes=kept.closes,
        calls_max=kept.calls_max,
        quiet_days=kept.quiet_days,
        per_number_max=kept.per_number_max,
        countries=frozenset(kept.countries or [own or "US"]),
        needs_recorded_consent=kept.needs_recorded_consent,
        spend_max=kept.daily_spend_max + extra_spend,
    )


def gather(wanted: Sequence[Wanted], at: datetime) -> list[Facts]:
    """Return the facts about each message, in order."""
    listed = suppressed((row.channel, row.address) for row in wanted)
    calls = _calls([row.account.pk for row in wanted if row.channel == "voice"], at)
    sent = _sent({row.address for row in wanted if row.channel in PHONE}, {row.notice_id for row in wanted}, at)
    companies = {row.account.company_id for row in wanted}
    stopped = _breakers(companies)
    spent = _spent(companies)
    return [
        Facts(
            channel=row.channel,
            reach=reach_of(row.contact),
            zones=zones_of(row.account, row.contact, row.address),
            asked_for=row.asked_for,
            suppressed=listed.get((row.channel, normal(row.channel, row.address)), ""),
            consent_recorded=row.contact.consented_at is not None,
            country=numbers.facts_of(row.address).country if row.channel in PHONE else "",
            takes_money=row.channel in PHONE and numbers.facts_of(row.address).takes_money,
            calls=calls.get(row.account.pk, ()),
            sent_at=sent.get(row.address, ()),
            breaker=stopped.get((row.account.company_id, row.channel), ""),
            spent=spent.get(row.account.company_id, Decimal(0)),
            cost=row.cost,
        )
        for row in wanted
    ]


def extra_spend(company_id: int) -> Decimal:
    """Return what a person allowed to be spent above today's cap."""
    rows = ChannelBreaker.objects.filter(company=company_id, closed_at__gte=_today_begins())
    return rows.aggregate(sum=Sum("extra_spend"))["sum"] or Decimal(0)


def spent_today(company_id: int) -> Decimal:
    """Return what texts and calls of a company have cost today (UTC), those under way included."""
    return _spent({company_id}).get(company_id, Decimal(0))


def _calls(account_ids: Iterable[int], at: datetime) -> dict[int, list[Call]]:
    """Return the calls of the last weeks by account."""
    ids = set(account_ids)
    if not ids:
        return {}
    since = at - A_DAY * CALLS_LOOKED_BACK
    found: dict[int, list[Call]] = defaultdict(list)
    rows = CallRecord.objects.filter(account__in=ids, at__gt=since).order_by()
    for account_id, moment, outcome, inbound in rows.values_list("account_id", "at", "outcome", "inbound"):
        found[account_id].append(Call(at=moment, talked=outcome in CallRecord.TALKED, attempt=not inbound))
    return dict(found)


def _sent(numbers_called: set[str], but_not: set[int], at: datetime) -> dict[str, list[datetime]]:
    """Return when texts and voice notices went to each number within the last day."""
    if not numbers_called:
        return {}
    rows = Notice.objects.filter(
        to_address__in=numbers_called, channel__in=PHONE, sending_at__gt=at - A_DAY, state__in=LEFT
    ).exclude(pk__in=but_not)
    found: dict[str, list[datetime]] = defaultdict(list)
    for address, moment in rows.order_by().values_list("to_address", "sending_at"):
        if moment is not None:
            found[address].append(moment)
    return dict(found)


def _breakers(company_ids: set[int]) -> dict[tuple[int, str], str]:
    rows = ChannelBreaker.objects.filter(company__in=company_ids, closed_at__isnull=True)
    return {(row.company_id, row.channel): f"The channel is stopped: {row.why}" for row in rows}


def _spent(company_ids: set[int]) -> dict[int, Decimal]:
    rows = ChannelDay.objects.filter(company__in=company_ids, on=clock.now().date(), channel__in=PHONE).order_by()
    return dict(rows.values_list("company").annotate(sum=Sum("spent")).values_list("company", "sum"))


def _today_begins() -> datetime:
    return clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
