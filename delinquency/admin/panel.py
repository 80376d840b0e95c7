"""The panel that shows one account at a glance, on its own page and beside its tickets."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString

from accounts.admin.account import status_badge
from accounts.admin.base import GOOD, NOTE, WARN, badge, local_time
from accounts.admin.ways import Person, people_of
from accounts.models import Account, Contact, InboundMessage
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.disputed import running_of
from delinquency.flagging import FlagState, flag_state
from delinquency.glance import Glance, Step, glance, upcoming
from delinquency.models import Dispute, Event, PolicyMove
from delinquency.promised import Record, record_of
from invoicing.models import PaymentAttempt
from netenforce.admin.device import level_badge
from netenforce.admin.window import window_badge
from netenforce.queries import running_windows

from .journal import event_badge

STORY_ROWS = 10
PEOPLE_MAX = 20


@dataclass(frozen=True, slots=True)
class StoryRow:
    """One line of what happened."""

    on: date
    local_at: str
    what: SafeString
    invoice: str
    invoice_url: str
    amount: Decimal | None
    why: str
    rule: str
    event_url: str


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line and its two states."""

    name: str
    desired: SafeString
    observed: SafeString
    agreement: SafeString


@dataclass(frozen=True, slots=True)
class Panel:
    """What the template shows."""

    at: Glance
    status: SafeString
    steps: tuple[Step, ...]
    steps_refused: str
    lines: tuple[LineRow, ...]
    window: SafeString | str  # until when the lines are open for a payment, or released
    charge: PaymentAttempt | None  # the last call to the payment provider
    charge_at: SafeString | str
    may_check: bool  # whether the user may ask the devices what the lines are now
    story: tuple[StoryRow, ...]
    story_url: str
    account_url: str
    local_now: str
    promises: Record
    flag: FlagState | None
    people: tuple[Person, ...]  # how each contact can be reached
    disputes: tuple[Dispute, ...]  # those that nobody has decided yet
    may_count: bool  # whether the user may leave late invoices out of the count towards the flag

    @property
    def next(self) -> Step | None:
        """Return the very next step."""
        return self.steps[0] if self.steps else None


def account_panel(account: Account, *, story_rows: int = STORY_ROWS, user: Any = None, back: str = "") -> Panel:
    """Read what the panel of an account shows to a user; a constant number of queries.

    ``back`` is the page it stands on, to which its buttons return.
    """
    seen = glance(account)
    steps: tuple[Step, ...] = ()
    refused = ""
    try:
        steps = tuple(upcoming(account, seen.standing))
    except Refused as refusal:  # such as a policy that cannot be read: the rest of the page still helps
        refused = refusal.words
    charge = PaymentAttempt.objects.filter(account=account).order_by("-created_at", "-pk").first()
    return Panel(
        at=seen,
        status=status_badge(account.status) + (badge("parked", WARN) if account.parked_at else SafeString("")),
        steps=steps,
        steps_refused=refused,
        lines=tuple(
            LineRow(
                line.name, level_badge(line.desired), level_badge(line.observed),
                badge("confirmed", GOOD) if line.agrees else badge("not confirmed yet", WARN),
            )
            for line in seen.lines
        ),
        window=window_badge(running_windows([account.pk]).get(account.pk), account.timezone),
        charge=charge,
        charge_at=local_time(charge.created_at, account.timezone) if charge else "",
        may_check=user is not None and user.has_perm("netenforce.view_linestate"),
        story=tuple(_story(account, story_rows)),
        story_url=f"{reverse('admin:delinquency_event_changelist')}?q={account.number}",
        account_url=reverse("admin:accounts_account_change", args=[account.pk]),
        local_now=clock.local(clock.now(), account.timezone).strftime("%Y-%m-%d %H:%M"),
        promises=record_of(account, seen.today),
        flag=flag_state(seen.standing, seen.today, seen.sources),
        people=tuple(people_of(_people(account), user=user, back=back)),
        disputes=tuple(running_of(account)),
        may_count=user is not None and user.has_perm("delinquency.decide_flag"),
    )  # fmt: skip


def _story(account: Account, rows: int) -> list[StoryRow]:
    """Return the last events and moves to other policy versions, newest first."""
    both = [*_move_rows(account, rows), *_event_rows(account, rows), *_post_rows(account, rows)]
    return sorted(both, key=lambda row: row.local_at, reverse=True)[:rows]


def _move_rows(account: Account, rows: int) -> list[StoryRow]:
    moves = PolicyMove.objects.filter(account=account).select_related(
        "from_version__policy", "to_version__policy", "moved_by"
    )
    found = []
    for move in moves[:rows]:
        at = clock.local(move.moved_at, account.timezone)
        by = f", by {move.moved_by}" if move.moved_by else ""
        found.append(
            StoryRow(
                on=at.date(), local_at=at.isoformat(timespec="seconds"), what=badge("Moved to another policy", NOTE),
                invoice="", invoice_url="", amount=None, why=f"From {move}{by}: {move.reason}", rule="A36",
                event_url=reverse("admin:delinquency_policymove_change", args=[move.pk]),
            )
        )  # fmt: skip
    return found


def _people(account: Account) -> list[Contact]:
    return list(Contact.objects.filter(account=account).select_related("account")[:PEOPLE_MAX])


def _post_rows(account: Account, rows: int) -> list[StoryRow]:
    """Return what the account's people wrote, and what they asked for with STOP and START."""
    found = []
    for message in InboundMessage.objects.filter(account=account).defer("whole_text")[:rows]:
        at = clock.local(message.received_at, account.timezone)
        said = f"{message.from_address}: {message}" if message.state == InboundMessage.State.FILED else message.why
        found.append(
            StoryRow(
                on=at.date(), local_at=at.isoformat(timespec="seconds"), what=badge("Message received", NOTE),
                invoice="", invoice_url="", amount=None, why=said[:200], rule="",
                event_url=reverse("admin:accounts_inboundmessage_change", args=[message.pk]),
            )
        )  # fmt: skip
    return found


def _event_rows(account: Account, rows: int) -> list[StoryRow]:
    events = Event.objects.filter(account=account).select_related("invoice").order_by("-sequence")[:rows]
    return [
        StoryRow(
            on=event.on,
            local_at=event.local_at,
            what=event_badge(event.kind),
            invoice=event.invoice.number if event.invoice else "",
            invoice_url=reverse("admin:invoicing_invoice_change", args=[event.invoice_id]) if event.invoice_id else "",
            amount=event.amount,
            why=event.why,
            rule=event.rule,
            event_url=reverse("admin:delinquency_event_change", args=[event.pk]),
        )
        for event in events
    ]
