"""The messages among an account's events: letters, calls, charges; and why one of them stays at home."""

from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from accounts.outreach.outbox import NoticeRequest
from accounts.outreach.rendering import known_templates
from billing_project.kernel import clock
from invoicing.operations.chargeable import ChargeAttemptOrder

from ..models import CallTask
from ..reading import Position
from ..rules.actions import Event
from ..rules.facts import CENT
from ..rules.outlook import Moment
from ..rules.policy import Do, Step
from ..rules.when import LOOK
from .effects import Effects
from .letters import letter, next_harm

WHY_LENGTH = 300
RANKS = {"primary": 1, "secondary": 2}


class Messages:
    """Turns message events into outbox rows. A handler returns the event's new reason if it did not leave."""

    def __init__(self, position: Position, effects: Effects, *, at: datetime, outside: bool) -> None:
        """Remember which day it is for the account, and whether anything may leave the program."""
        self.position, self.effects, self.at, self.outside = position, effects, at, outside
        self.account = position.account
        self.zone = self.account.timezone
        # A bill date that is caught up is decided as of its own morning; what leaves, leaves now or not at all.
        self.now = max(at, clock.now())
        self.today = clock.local(self.now, self.zone).date()

        self.until: Moment = (clock.local(self.now, self.zone), LOOK)

    def _instant(self, event: Event) -> datetime:
        return clock.instant(event.at, self.zone)

    def _why_kept(self, event: Event) -> str:
        """Return why a message of this event does not leave the program; empty if it does."""
        if event.on != self.today:
            return " It was not sent, because that day had passed when it was decided."
        if not self.outside:
            return " It was not sent, because history was being made."
        if self._unpaid(event) < CENT:
            return " It was not sent, because it was paid meanwhile."
        return ""

    def _unpaid(self, event: Event) -> Decimal:
        invoices = self.position.state.invoices
        return sum((invoices[key].remaining for key in event.causes if key in invoices), start=Decimal("0.00"))

    def _on_notice(self, event: Event) -> str | None:
        assert event.step is not None
        return self._write(event, event.step.channels, template_of(event.step))

    def _on_secondary_source_requested(self, event: Event) -> str | None:
        assert event.step is not None
        self.effects.asking[self.account.pk, event.anchor, event.step.key] = event.on
        return self._write(event, event.step.channels or ("email",), template_of(event.step))

    def ticket_letter(self, event: Event) -> NoticeRequest:
        """Return the letter that tells the billing contact of a new ticket (E2, A26)."""
        assert event.step is not None
        return self._letter(event, event.step.channels or ("email",), event.step.template or "ticket_opened")

    def _write(self, event: Event, channels: tuple[str, ...], template: str) -> str | None:
        kept = self._why_kept(event)
        self.effects.notices.append(self._letter(event, channels, template))
        return event.why + kept if kept else None

    def _letter(self, event: Event, channels: tuple[str, ...], template: str) -> NoticeRequest:
        assert event.step is not None
        kept = self._why_kept(event)
        return NoticeRequest(
            account_id=self.account.pk,
            anchor_key=event.anchor,
            step_key=event.step.key,
            channels=channels,
            template=template,
            why=event.why[:WHY_LENGTH],
            due_at=max(self._instant(event), self.now),
            send=not kept,
            not_sent_why=kept.strip(),
            context={} if kept else letter(self.position, event.causes, self.until, ahead=self._ahead),
        )

    @cached_property
    def _ahead(self) -> Event | None:
        """What comes next if nothing is paid; the same for all letters of one look."""
        return next_harm(self.position, self.until)

    def _on_call_task(self, event: Event) -> str | None:
        assert event.step is not None
        kept = self._why_kept(event)
        if kept:
            return event.why + kept.replace("sent", "asked for")
        self.effects.calls.append(
            CallTask(
                account=self.account,
                anchor_key=event.anchor,
                step_key=event.step.key,
                due_on=event.on,
                why=event.why[:WHY_LENGTH],
            )
        )
        return None

    def _on_charge(self, event: Event) -> str | None:
        assert event.step is not None
        assert event.amount is not None
        kept = self._why_kept(event)
        if kept:
            return event.why + kept.replace("sent", "charged")
        self.effects.attempts.append(
            ChargeAttemptOrder(
                account_id=self.account.pk,
                invoice_id=whole(event.invoice) or 0,
                rank=RANKS[event.step.source],
                key=f"{event.anchor}/{event.step.key}",
                amount=event.amount,
                due_at=self._instant(event),
                why=event.why[:WHY_LENGTH],
            )
        )
        return None


def template_of(step: Step) -> str:
    """Return the key of the letter that a step writes, or an empty text if it writes none."""
    match step.action:
        case Do.NOTICE:
            return step.template or _usual_template(step)
        case Do.REQUEST_SECONDARY:
            return step.template or "second_source_asked"
        case Do.TICKET:
            return step.template
    return ""


def _usual_template(step: Step) -> str:
    """Return the template of a notice step that names none: the one of its own key, or what suits its anchor."""
    if step.key in known_templates():
        return step.key
    if step.anchor == "delinquent":
        return "delinquent"
    return "due_soon" if step.anchor == "due" and step.offset_days <= 0 else "past_due"


def whole(key: Any) -> int | None:
    """Return the key of an invoice row; None for anything else."""
    return key if isinstance(key, int) else None
