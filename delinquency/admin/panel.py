"""The panel that shows one account at a glance, on its own page and beside its tickets."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString

from accounts.admin.account import status_badge
from accounts.admin.base import GOOD, WARN, badge, local_time
from accounts.admin.ways import Person, people_reading
from accounts.models import Account, Contact
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.together import Reading, at_once, side_by_side
from delinquency.ahead import prospects_reading
from delinquency.disputed import running_rows
from delinquency.glance import AHEAD_DAYS, Glance, Step, glance_reading, steps_of
from delinquency.models import Dispute, Ticket
from delinquency.promised import Record, record_reading
from delinquency.second_source import SECONDARY
from delinquency.story import Story, story_reading
from invoicing.models import Charge, PaymentAttempt
from netenforce.admin.device import level_badge
from netenforce.admin.window import window_badge
from netenforce.models import Hold, PaymentWindow
from netenforce.models.reading import ReleaseLimit

from .happening import Happening, happening
from .step_words import condition, sentence

STORY_ROWS = 10
PEOPLE_MAX = 20
ROWS_MAX = 6
# Of what happens at one moment, what a caller asks about first.
HARDEST = ("restricted", "status_switch", "late_fee", "account_delinquent", "charge")


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line and its two states."""

    name: str
    desired: SafeString
    observed: SafeString
    agreement: SafeString
    since: SafeString | str
    seen: SafeString | str
    device: str


@dataclass(frozen=True, slots=True)
class HoldRow:
    """One reason why the lines are restricted."""

    pk: int
    level: SafeString
    cause: str
    why: str
    since: SafeString | str
    until: SafeString | str


@dataclass(frozen=True, slots=True)
class Coming:
    """One of the next steps, in words."""

    step: Step
    words: str
    unless: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides which buttons do something now."""

    fee_waits: bool
    charging: bool  # a charge is queued or under way
    releases: bool  # a group of the user's may release lines
    line_id: int | None


@dataclass(frozen=True, slots=True)
class Panel:
    """What the template shows."""

    at: Glance
    status: SafeString
    status_means: str
    coming: tuple[Coming, ...]
    steps_refused: str
    lines: tuple[LineRow, ...]
    holds: tuple[HoldRow, ...]
    window: SafeString | str  # until when the lines are open for a payment, or released
    charge: PaymentAttempt | None  # the last call to the payment provider
    charge_at: SafeString | str
    may_check: bool  # whether the user may ask the devices what the lines are now
    story: tuple[Happening, ...]
    told: Story
    account_url: str
    local_now: str
    promises: Record
    people: tuple[Person, ...]  # how each contact can be reached
    disputes: tuple[Dispute, ...]  # those that nobody has decided yet
    tickets: tuple[Ticket, ...]
    second_source: str
    facts: Facts

    @property
    def a_week_more(self) -> date:
        """Return the day from which it might become delinquent if it got a week."""
        return self.at.today + timedelta(days=8)

    @property
    def next(self) -> Coming | None:
        """Return the very next step, and of several at one moment the hardest.

        Neither a bill nor the day after it was due asks anything of anybody.
        """
        asking = [one for one in self.coming if one.step.kind not in ("issued", "past_due")] or self.coming
        same = [one for one in asking if one.step.at == asking[0].step.at]
        return min(same, key=lambda one: HARDEST.index(one.step.kind) if one.step.kind in HARDEST else len(HARDEST),
                   default=None)  # fmt: skip


def account_panel(account: Account, *, story_rows: int = STORY_ROWS, user: Any = None, back: str = "") -> Panel:
    """Read what the panel of an account shows to a user; as many statements whatever the account holds.

    ``back`` is the page it stands on, to which its buttons return. The account comes with its status and company.
    """
    return at_once(panel_reading(account, story=story_reading(account, rows=story_rows), user=user, back=back))


def panel_reading(account: Account, *, story: Reading[Story], user: Any, back: str) -> Reading[Panel]:
    """Read the panel beside a page of the story; three rounds, and a fourth while a payment page is open."""
    today, zone = clock.today(account.timezone), account.timezone
    seen, ahead, rows, record, people, told = yield from side_by_side(
        glance_reading(account), _ahead(account), _rows_of(account, user), record_reading(account, today),
        _people(account, user, back), story,
    )  # fmt: skip
    holds, windows, charges, disputes, tickets, fees, under_way, limits = rows
    coming, refused = ahead
    charge = charges[0] if charges else None
    first_line = next((line for line in seen.lines), None)
    return Panel(
        at=seen,
        status=status_badge(account.status) + (badge("parked", WARN) if account.parked_at else SafeString("")),
        status_means="billed" if account.status.activates_billing else "not billed",
        coming=tuple(Coming(step, sentence(step, seen), condition(step, seen)) for step in coming),
        steps_refused=refused,
        lines=tuple(_line(line, zone) for line in seen.lines),
        holds=tuple(_hold(hold, zone) for hold in holds),
        window=window_badge(windows[0] if windows else None, zone),
        charge=charge,
        charge_at=local_time(charge.created_at, zone) if charge else "",
        may_check=user is not None and user.has_perm("netenforce.view_linestate"),
        story=tuple(happening(one, account) for one in told.rows),
        told=told,
        account_url=reverse("admin:accounts_account_change", args=[account.pk]),
        local_now=clock.local(clock.now(), zone).strftime("%Y-%m-%d %H:%M"),
        promises=record,
        people=tuple(people),
        disputes=tuple(disputes),
        tickets=tuple(tickets),
        second_source=_second_source(seen),
        facts=Facts(
            fee_waits=bool(fees), charging=bool(under_way), line_id=first_line.line_id if first_line else None,
            releases=bool(limits) or bool(user is not None and user.is_superuser),
        ),
    )  # fmt: skip


def _rows_of(account: Account, user: Any) -> Reading[tuple[list[Any], ...]]:
    attempts = PaymentAttempt.objects.filter(account=account)
    return (
        yield (
            Hold.objects.filter(account=account, lifted_at__isnull=True).order_by("placed_at", "pk"),
            PaymentWindow.objects.filter(account=account, ended_at__isnull=True),
            attempts.select_related("funding_source").order_by("-created_at", "-pk")[:1],
            running_rows(account),
            Ticket.objects.filter(account=account).exclude(state=Ticket.State.CLOSED).select_related("owner", "queue")
            .order_by("-priority", "opened_at")[:ROWS_MAX],
            Charge.objects.filter(account=account, invoice=None, waived_at=None, amount__gt=0)[:1],
            attempts.filter(state__in=("queued", *PaymentAttempt.ASKED))[:1],
            ReleaseLimit.objects.filter(group__user=user.pk if user is not None else None)[:1],
        )
    )  # fmt: skip


def _ahead(account: Account) -> Reading[tuple[list[Step], str]]:
    """Read what comes next, as the simulator plays it; a policy that cannot be read says so."""
    if account.closed_on is not None:
        return [], ""
    until = clock.today(account.timezone) + timedelta(days=AHEAD_DAYS)
    try:
        found = yield from prospects_reading([account], until)
    except Refused as refusal:  # the rest of the page still helps
        return [], refusal.words
    return (steps_of(found[account.pk]) if account.pk in found else []), ""


def _people(account: Account, user: Any, back: str) -> Reading[list[Person]]:
    (contacts,) = yield (Contact.objects.filter(account=account).select_related("account")[:PEOPLE_MAX],)
    return (yield from people_reading(contacts, user=user, back=back))


def _line(line: Any, zone: str) -> LineRow:
    return LineRow(
        line.name, level_badge(line.desired), level_badge(line.observed),
        badge("confirmed", GOOD) if line.agrees else badge("not confirmed yet", WARN),
        local_time(line.since_at, zone) if line.since_at else "",
        local_time(line.seen_at, zone) if line.seen_at else "", line.device,
    )  # fmt: skip


def _hold(hold: Hold, zone: str) -> HoldRow:
    return HoldRow(
        hold.pk, level_badge(hold.level), hold.get_cause_display(), hold.why, local_time(hold.placed_at, zone),
        local_time(hold.until_at, zone) if hold.until_at else "",
    )  # fmt: skip


def _second_source(seen: Glance) -> str:
    """Say how it stands with the second source that a flagged account is asked for (E7)."""
    asked = seen.standing.second_source_asked_on if seen.standing and seen.flagged_on else None
    if asked is None:
        return ""
    given = next((source for source in seen.usable if source.rank >= SECONDARY), None)
    return f"Second source asked for on {asked:%a %d %b %Y}; " + (
        f"{given} is on file." if given else "none given yet."
    )
