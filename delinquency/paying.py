"""What a payment would do, before it is made, and what it did to the line: asked by the portal. Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction

from accounts.models import Account
from billing_project.kernel import clock
from invoicing.models import BillingParameters
from invoicing.operations.autopay import autopay_of
from invoicing.queries import account_position, pot
from invoicing.rules.allocation import Fact, allocate
from netenforce.models import EnforcementTask, Hold, LinePlacement

from .glance import Glance, Step
from .models import PolicyStep, Standing
from .reading import read_positions
from .rules.actions import Kind
from .rules.timeline import advance
from .rules.when import LOOK

ZERO = Decimal("0.00")
OPEN = "open"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a payment of some amount would do to the service."""

    held: bool  # something is held back now
    restores: bool  # and this payment brings it back
    fee: Decimal  # what the coming back adds to the next bill (A35)


@dataclass(frozen=True, slots=True)
class LineNews:
    """How the line of an account stands, as far as its device has said; the time is local."""

    state: str
    at: datetime | None = None

    @property
    def waiting(self) -> bool:
        """Tell whether news is to be expected within minutes."""
        return self.state in ("soon", "told")


@dataclass(frozen=True, slots=True)
class AutomaticPayment:
    """What automatic payment is going to do; ``on_day`` is None where the policy charges nothing by itself."""

    on: bool
    on_day: date | None
    number: str | None  # of the invoice that is charged; None for the next bill, which is not made yet


@transaction.atomic
def effect_of(account: Account, amount: Decimal, named: int | None = None) -> Effect:
    """Return what a payment made now would do, by the very rules that release a line (A18, A21, A35)."""
    fresh = Account.objects.select_related("status", "company").get(pk=account.pk)
    positions = read_positions([fresh])
    if not positions:
        return Effect(held=False, restores=False, fee=ZERO)
    state, policy = positions[0].state, positions[0].policy
    now = clock.local(clock.now(), account.timezone)
    advance(state, positions[0].facts, policy, (now, LOOK), after=positions[0].after)
    held = bool(state.cuts or state.switched or state.delinquent_since)
    shares = allocate(amount, [pot(row) for row in account_position(account.pk).open_invoices], named=named)
    moves = tuple((key, -part) for key, part in shares)
    payment = Fact(now, "payment", amount, "", named=named, moves=moves)
    events = advance(state, [payment], policy, (now, LOOK), after=(now, LOOK))
    fee = sum((event.amount or ZERO for event in events if event.kind is Kind.RECONNECTION_FEE), ZERO)
    free = not (state.cuts or state.switched or state.delinquent_since)
    return Effect(held=held, restores=held and free, fee=fee)


def line_news(account: Account, at: Glance, since: datetime | None) -> LineNews:
    """Return how the line stands: only what its device has read back counts as open (D10).

    ``held`` over something unpaid, ``other`` over something else, ``soon`` to be told to open, ``told`` and not
    confirmed yet, ``silent`` if its device does not answer, ``back`` if it has confirmed the opening after ``since``,
    ``open`` if it was never anything else, ``none`` without a line.
    """
    if not at.lines:
        return LineNews("none")
    if at.cut_off:
        return LineNews("held")
    if at.worst != OPEN:
        rows = Hold.objects.filter(account=account, lifted_at__isnull=True)
        return LineNews("soon" if all(hold.over_money for hold in rows) else "other")
    tasks = EnforcementTask.objects.filter(line__account=account, level=OPEN).order_by("-pk")
    if at.worst_seen != OPEN:
        task = tasks.first()
        if task is None or task.state == EnforcementTask.State.PARKED or _is_silent(account):
            return LineNews("silent", None if task is None else clock.local(task.created_at, account.timezone))
        return LineNews("told", clock.local(task.created_at, account.timezone))
    confirmed = tasks.filter(state=EnforcementTask.State.CONFIRMED, settled_at__isnull=False)
    last = confirmed.filter(settled_at__gte=since).first() if since is not None else None
    if last is not None and last.settled_at is not None:
        return LineNews("back", clock.local(last.settled_at, account.timezone))
    return LineNews("open")


def automatic_payment(account: Account, standing: Standing | None, coming: Sequence[Step]) -> AutomaticPayment:
    """Return whether stored cards are charged by themselves, and when that happens next (E8)."""
    on = autopay_of(account)
    charge = next((step for step in coming if step.kind == Kind.CHARGE), None)
    if charge is not None:
        return AutomaticPayment(on, charge.at.date(), charge.number)
    return AutomaticPayment(on, None if standing is None else _next_bill_is_charged_on(account, standing), None)


def _is_silent(account: Account) -> bool:
    rows = LinePlacement.objects.filter(line__account=account)
    return rows.filter(device__failing_since_at__isnull=False).exists() or rows.filter(device__enabled=False).exists()


def _next_bill_is_charged_on(account: Account, standing: Standing) -> date | None:
    """Return the first day on which the next bill, which is not made yet, will be charged."""
    terms = BillingParameters.objects.filter(account=account).first()
    if terms is None or terms.next_bill_on is None:
        return None
    anchors = {PolicyStep.Anchor.ISSUED: 0, PolicyStep.Anchor.DUE: terms.due_days}
    steps = PolicyStep.objects.filter(
        version=standing.policy_version_id, action=PolicyStep.Action.CHARGE, only_flagged=False,
        anchor__in=list(anchors), offset_days__isnull=False,
    )  # fmt: skip
    days = [anchors[PolicyStep.Anchor(step.anchor)] + (step.offset_days or 0) for step in steps]
    return terms.next_bill_on + timedelta(days=min(days)) if days else None
