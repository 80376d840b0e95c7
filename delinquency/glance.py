"""One account at a glance: read for the account page, the ticket page and the portal's status box. Writes nothing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Account, FundingSource, ServiceLine
from billing_project.kernel import clock
from billing_project.kernel.together import Reading, at_once, side_by_side
from invoicing.models import Invoice
from invoicing.queries import Position
from invoicing.queries import positions_reading as money_reading
from netenforce.models.hold import LEVEL_ORDER, Level
from netenforce.rules.desired import Held

from . import queries
from .ahead import Prospect
from .models import Case, InvoiceStanding, Standing, StepRun
from .rules.policy import Do

ZERO = Decimal("0.00")
CENT = Decimal("0.01")
# How far ahead "what happens next" looks.
AHEAD_DAYS = 62

EVENT_WORDS: dict[str, str | Promise] = {
    "issued": _("Invoice issued"),
    "due": _("Payment due"),
    "past_due": _("Past due"),
    "payment": _("Payment"),
    "reversal": _("Payment returned"),
    "delinquent": _("Invoice delinquent"),
    "account_delinquent": _("Account delinquent"),
    "cured": _("Invoice settled"),
    "account_cured": _("No longer delinquent"),
    "late_fee": _("Late fee"),
    "reconnection_fee": _("Reconnection fee"),
    "notice": _("Notice"),
    "ticket_opened": _("Ticket opened"),
    "ticket_closed": _("Ticket closed"),
    "call_task": _("Call by staff"),
    "charge": _("Card or bank account charged"),
    "status_switch": _("Billing and service stop"),
    "status_restored": _("Status restored"),
    "restricted": _("Line restricted"),
    "released": _("Line opened"),
    "flagged": _("Flagged for being late"),
    "unflagged": _("Flag removed"),
    "secondary_source_requested": _("Second payment source asked for"),
    "held": _("Cut held back"),
}  # fmt: skip
EVENT_TONES = {
    "issued": "note", "payment": "good", "reversal": "bad", "past_due": "warn", "delinquent": "bad",
    "account_delinquent": "bad", "cured": "good", "account_cured": "good", "late_fee": "warn",
    "reconnection_fee": "warn",
    "restricted": "bad", "status_switch": "bad", "status_restored": "good", "released": "good", "flagged": "bad",
    "held": "warn", "secondary_source_requested": "warn",
}  # fmt: skip
# What a step takes away is said with "unless ... is paid".
CUTTING = {"restricted", "status_switch", "late_fee", "account_delinquent", "delinquent"}
# What a customer is told to expect; letters and tickets are our own affair.
FOR_CUSTOMERS = {"due", "past_due", "account_delinquent", "late_fee", "restricted", "status_switch", "charge"}
LEVEL_WORDS: dict[str, str | Promise] = {
    "throttle": _("line slowed"),
    "walled_garden": _("payment page only"),
    "suspend": _("line suspended"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line on one of its devices: what it should be, and what that device last said."""

    name: str
    desired: str
    observed: str
    agrees: bool = True  # whether the device has confirmed what it should be
    device: str = ""
    since_at: datetime | None = None  # since when it should be so
    seen_at: datetime | None = None  # when the device last said so
    line_id: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens next unless something else does."""

    at: datetime
    kind: str
    words: str | Promise
    level: str | Promise
    amount: Decimal | None
    number: str | None
    why: str

    @property
    def if_unpaid(self) -> bool:
        """Tell whether paying what is late stops it."""
        return self.kind in CUTTING


@dataclass(frozen=True, slots=True)
class Glance:
    """Everything that the first look at an account should answer."""

    account: Account
    position: Position
    standing: Standing | None
    case: Case | None
    restore: Decimal
    lines: tuple[Line, ...]
    sources: tuple[FundingSource, ...]
    today: date

    @property
    def currency(self) -> str:
        """Return the currency the account is billed in."""
        return self.account.company.currency

    @property
    def late(self) -> tuple[Invoice, ...]:
        """Return the unpaid invoices whose due date has passed (A2)."""
        return tuple(invoice for invoice in self.position.open_invoices if invoice.due_on < self.today)

    @property
    def past_due(self) -> Decimal:
        """Return what is unpaid past its due date."""
        return sum((invoice.remaining for invoice in self.late), ZERO)

    @property
    def usable(self) -> tuple[FundingSource, ...]:
        """Return the cards and bank accounts that may be charged, first one first."""
        return tuple(source for source in self.sources if source.barred_at is None)

    @property
    def oldest(self) -> Invoice | None:
        """Return the oldest unpaid invoice."""
        return self.position.open_invoices[0] if self.position.open_invoices else None

    @property
    def days_late(self) -> int:
        """Return how late the oldest unpaid invoice is; 0 if it is not."""
        return max((self.today - self.oldest.due_on).days, 0) if self.oldest else 0

    @property
    def delinquent_since(self) -> date | None:
        """Return since when the account is delinquent (A22)."""
        return self.standing.delinquent_since if self.standing else None

    @property
    def held_until(self) -> date | None:
        """Return the first day after the hold that runs; None if the account is on none."""
        until = self.standing.held_until if self.standing else None
        return until if until and until > self.today else None

    @property
    def grace_until(self) -> date | None:
        """Return the first date on which it may become delinquent, if that is still to come (D7)."""
        until = self.standing.grace_until if self.standing else None
        return until if until and until > self.today else None

    @property
    def protected_through(self) -> date | None:
        """Return the last day under the grace that runs (D7)."""
        return self.grace_until - timedelta(days=1) if self.grace_until else None

    @property
    def flagged_on(self) -> date | None:
        """Return since when the account is flagged for being seriously late (E6)."""
        return self.standing.flagged_on if self.standing else None

    @property
    def worst(self) -> str:
        """Return how hard its lines are to be restricted."""
        return max((line.desired for line in self.lines), key=_hardness, default="open")

    @property
    def worst_seen(self) -> str:
        """Return how hard its lines are restricted, as the devices last said."""
        return max((line.observed for line in self.lines), key=_hardness, default="open")

    @property
    def cut_off(self) -> bool:
        """Tell whether paying brings something back: a restriction, a status switch, the end of delinquency."""
        switched = bool(self.standing and self.standing.switched_on)
        return self.restore > 0 and (self.worst != "open" or switched or self.delinquent_since is not None)


def glance(account: Account) -> Glance:
    """Read one account in one statement, whatever its history."""
    return at_once(glance_reading(account))


def glance_reading(account: Account) -> Reading[Glance]:
    """Read one account; one round."""
    position, rows = yield from side_by_side(money_reading([account.pk]), _rows_of(account))
    standings, cases, delinquent, causes, lines, sources = rows
    standing = standings[0] if standings else None
    held = _held_back(delinquent, causes) if standing else set()
    return Glance(
        account=account,
        position=position[account.pk],
        standing=standing,
        case=cases[0] if cases else None,
        restore=restoring_amount(position[account.pk], held, standing),
        lines=_lines(lines),
        sources=tuple(sources),
        today=clock.today(account.timezone),
    )


def _rows_of(account: Account) -> Reading[tuple[list[Any], ...]]:
    return (
        yield (
            Standing.objects.filter(account=account).select_related("policy_version__policy", "status_before_switch"),
            Case.objects.filter(account=account).exclude(stage=Case.Stage.CLOSED).order_by("-number"),
            *_holding_rows(account.pk),
            ServiceLine.objects.filter(account=account).order_by("pk", "network_states__device__name").annotate(
                device=F("network_states__device__name"),
                wanted=F("network_states__desired_level"), wanted_list=F("network_states__desired_list"),
                wanted_since_at=F("network_states__desired_since_at"),
                seen=F("network_states__observed_level"), seen_list=F("network_states__observed_list"),
                seen_at=F("network_states__observed_at"),
            ),
            FundingSource.objects.filter(account=account).order_by("rank"),
        )
    )  # fmt: skip


def _lines(rows: Sequence[Any]) -> tuple[Line, ...]:
    """Return each line once for every device that has a say in it, named after it where there are several.

    Which list a device holds it in belongs to what it should be, as far as the device tells (D10).
    """
    times = Counter(line.pk for line in rows)
    return tuple(
        Line(f"{line} on {line.device or 'no device'}" if times[line.pk] > 1 else str(line), line.wanted, line.seen,
             Held(level=line.seen, list_name=line.seen_list).agrees(
                 Held(level=line.wanted, list_name=line.wanted_list)),
             line.device or "", line.wanted_since_at, line.seen_at, line.pk)
        if line.wanted is not None
        else Line(str(line), Level.OPEN, Level.OPEN, line_id=line.pk)
        for line in rows
    )  # fmt: skip


def restoring_amount(position: Position, holding_back: set[int], standing: Standing | None) -> Decimal:
    """Return the least that brings service back, to the cent: waiting fees and later invoices are not in it (A18, A21).

    Money goes to the oldest due first, so older invoices that do not hold service back are in it as well. Of the last
    one, what may stay unpaid by the policy's minimum is left out.
    """
    version = standing.policy_version if standing else None
    everything = bool(version and version.full_balance_clears and holding_back)
    threshold = max(version.minimum_amount_due, CENT) if version and not everything else CENT
    payable = [invoice for invoice in position.open_invoices if not invoice.frozen]
    needed = [
        place
        for place, invoice in enumerate(payable)
        if (everything or invoice.pk in holding_back) and invoice.remaining >= threshold
    ]
    if not needed:
        return ZERO
    return sum((invoice.remaining for invoice in payable[: needed[-1] + 1]), CENT - threshold)


def restored_by(seen: Glance, position: Position) -> Decimal:
    """Return what would still have to be paid for service to return if the account owed what a position says."""
    return restoring_amount(position, holding_back(seen.account.pk, seen.standing), seen.standing)


def upcoming(account: Account, standing: Standing | None, *, most: int = 6) -> list[Step]:
    """Return the next steps if nothing is paid, soonest first (U10)."""
    if standing is None:
        return []
    until = clock.today(account.timezone) + timedelta(days=AHEAD_DAYS)
    coming = sorted(queries.upcoming(account, until), key=lambda row: row.local_at)[:most]
    return [
        Step(
            at=row.local_at, kind=row.kind, words=EVENT_WORDS.get(row.kind, row.kind),
            level=LEVEL_WORDS.get(row.level, "") if row.kind == "restricted" else "",
            amount=Decimal(row.amount) if row.amount is not None else None, number=row.invoice, why=row.why,
        )
        for row in coming
    ]  # fmt: skip


def steps_of(found: Prospect, *, most: int = 6) -> list[Step]:
    """Return the next steps of an account that was played ahead, its next bills among them, soonest first (U10)."""
    levels = {step.key: str(step.level) for step in found.policy.steps if step.action is Do.RESTRICT}
    return [
        Step(
            at=event.at, kind=str(event.kind), words=EVENT_WORDS.get(event.kind, event.kind),
            level=LEVEL_WORDS.get(levels.get(event.step_key or "", ""), "") if event.kind == "restricted" else "",
            amount=event.amount, number=event.number, why=event.why,
        )
        for event in found.events[:most]
    ]  # fmt: skip


def holding_back(account_id: int, standing: Standing | None) -> set[int]:
    """Return the invoices over which the account is delinquent or a cut is in force."""
    if standing is None:
        return set()
    delinquent, causes = _holding_rows(account_id)
    return _held_back(delinquent, causes)


def _holding_rows(account_id: int) -> tuple[Any, Any]:
    return (
        InvoiceStanding.objects.filter(account=account_id, delinquent_on__isnull=False).values_list(
            "invoice_id", flat=True
        ),
        StepRun.objects.filter(account=account_id, in_force=True).values_list("invoices", flat=True),
    )


def _held_back(delinquent: Iterable[int], causes: Iterable[object]) -> set[int]:
    found = set(delinquent)
    for ids in causes:
        found |= {int(key) for key in _ids(ids)}
    return found


def _ids(causes: object) -> Iterable[str | int]:
    return [key for key in causes if str(key).isdigit()] if isinstance(causes, list) else []


def _hardness(level: str) -> int:
    return LEVEL_ORDER.get(Level(level), 0)
