"""Who cannot be reached, why, since when, and what waits because of it (R-10, A30)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Lower

from accounts.models import Account, Contact, Suppression
from accounts.outreach import rules
from accounts.outreach.fallback import ORDER, listed_places, open_ways
from accounts.outreach.gathering import reach_of
from accounts.outreach.suppressions import Place, normal
from billing_project.kernel import clock
from delinquency.models import StepRun, Ticket
from invoicing.models import Invoice

ZERO = Decimal("0.00")
CUTS = ("restrict", "status_switch")
LIST_MAX = 1000
CONTACT_COLUMNS = ("contact", "email", "phone")


@dataclass(frozen=True, slots=True)
class Way:
    """A channel, its address, and why it is closed."""

    channel: str
    address: str
    why: str


@dataclass(frozen=True, slots=True)
class Lost:
    """An account whose billing contact cannot be reached."""

    account: Account
    contact: Contact | None
    ways: tuple[Way, ...]
    since: datetime | None
    owed: Decimal
    waits: tuple[str, ...]
    ticket: Ticket | None


def lost(company_id: int | None = None) -> list[Lost]:
    """Return the accounts that nobody can be reached at, most owed first; a constant number of queries."""
    people = list(_candidates(company_id)[:LIST_MAX])
    listed = listed_places(people)
    unreached = [person for person in people if not open_ways(person, listed)]
    alone = list(
        Account.objects.filter(closed_on__isnull=True).filter(
            ~Exists(Contact.objects.filter(account=OuterRef("pk"), is_billing_contact=True))
        ).select_related("company")[:LIST_MAX]
    )  # fmt: skip
    ids = [person.account_id for person in unreached] + [account.pk for account in alone]
    owed, waits, tickets = _owed(ids), _waits(ids), _tickets(ids)
    since = _since(unreached)
    rows = [
        Lost(
            person.account, person, _ways(person, listed), since.get(person.pk), owed.get(person.account_id, ZERO),
            tuple(waits.get(person.account_id, ())), tickets.get(person.account_id),
        )
        for person in unreached
    ]  # fmt: skip
    rows += [
        Lost(
            account, None, (), None, owed.get(account.pk, ZERO), tuple(waits.get(account.pk, ())),
            tickets.get(account.pk),
        )
        for account in alone
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (-row.owed, row.account.number))


def csv_rows(rows: Iterable[Lost]) -> Iterator[list[str]]:
    """Return them as rows of a file."""
    yield ["account", "name", "contact", "email", "why_not_email", "phone", "why_not_sms", "why_not_voice", "since",
           "unpaid", "currency", "waits", "ticket"]  # fmt: skip
    for row in rows:
        whys = {way.channel: way.why for way in row.ways}
        yield [
            row.account.number, row.account.name, row.contact.name if row.contact else "no billing contact",
            row.contact.email if row.contact else "", whys.get("email", ""), row.contact.phone if row.contact else "",
            whys.get("sms", ""), whys.get("voice", ""),
            clock.local(row.since, row.account.timezone).isoformat(timespec="minutes") if row.since else "",
            f"{row.owed:.2f}", row.account.company.currency, "; ".join(row.waits),
            row.ticket.number if row.ticket else "",
        ]  # fmt: skip


def _candidates(company_id: int | None) -> QuerySet[Contact]:
    """Return the billing contacts whose e-mail is closed; whether there is another way is worked out for them alone."""
    bounced = Suppression.objects.filter(channel="email", lifted_at__isnull=True, address=Lower(OuterRef("email")))
    closed = Q(email="") | Q(email_allowed=False) | Exists(bounced)
    rows = Contact.objects.filter(closed, is_billing_contact=True, account__closed_on__isnull=True)
    if company_id is not None:
        rows = rows.filter(account__company=company_id)
    return rows.select_related("account__company__outreach_rules").order_by("account__number")


def _ways(person: Contact, listed: dict[Place, str]) -> tuple[Way, ...]:
    reach = reach_of(person)
    found = []
    for channel in ORDER:
        address = reach.address(channel)
        why = rules.why_unreachable(reach, channel) or listed.get((channel, normal(channel, address)), "")
        if not why and channel == "voice" and person.consented_at is None:
            why = "A machine calls only people who agreed to it; a person may call."
        found.append(Way(channel, address, why or "The number is of a country that is not texted or called."))
    return tuple(found)


def _since(people: list[Contact]) -> dict[int, datetime]:
    """Return since when the last way was closed, where a suppression closed it."""
    places = {(channel, normal(channel, reach_of(person).address(channel))): person.pk
              for person in people for channel in ORDER}  # fmt: skip
    found: dict[int, datetime] = {}
    rows = Suppression.objects.filter(
        lifted_at__isnull=True, address__in={address for _c, address in places if address}
    )
    for row in rows.order_by("since_at"):
        pk = places.get((row.channel, row.address))
        if pk is not None:
            found[pk] = row.since_at
    return found


def _owed(ids: list[int]) -> dict[int, Decimal]:
    rows = Invoice.objects.filter(account__in=ids, state=Invoice.State.OPEN).order_by()
    return dict(rows.values_list("account").annotate(sum=Sum("remaining")))


def _waits(ids: list[int]) -> dict[int, list[str]]:
    """Return the cuts that are held back, in words."""
    found: dict[int, list[str]] = defaultdict(list)
    held = StepRun.objects.filter(
        account__in=ids, action__in=CUTS, outcome__in=(StepRun.Outcome.HELD, StepRun.Outcome.WAITING)
    )
    for run in held.order_by("on", "pk"):
        found[run.account_id].append(f"{run.step_key}, since {run.on}")
    return found


def _tickets(ids: list[int]) -> dict[int, Ticket]:
    rows = Ticket.objects.filter(account__in=ids).exclude(state=Ticket.State.CLOSED).order_by("pk")
    return {row.account_id: row for row in sorted(rows, key=lambda row: row.kind == Ticket.Kind.UNREACHABLE)}
