"""What should happen: the events of contract section 4, with what is needed to carry them out."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from .facts import Key
from .policy import Step
from .words import sentence


class Kind(StrEnum):
    """The kinds of event a timeline knows, and four that are carried out in silence."""

    ISSUED = "issued"
    DUE = "due"
    PAST_DUE = "past_due"
    PAYMENT = "payment"
    REVERSAL = "reversal"
    DELINQUENT = "delinquent"
    ACCOUNT_DELINQUENT = "account_delinquent"
    CURED = "cured"
    ACCOUNT_CURED = "account_cured"
    LATE_FEE = "late_fee"
    RECONNECTION_FEE = "reconnection_fee"
    NOTICE = "notice"
    TICKET_OPENED = "ticket_opened"
    TICKET_CLOSED = "ticket_closed"
    CALL_TASK = "call_task"
    CHARGE = "charge"
    STATUS_SWITCH = "status_switch"
    STATUS_RESTORED = "status_restored"
    RESTRICTED = "restricted"
    RELEASED = "released"
    FLAGGED = "flagged"
    UNFLAGGED = "unflagged"
    SECONDARY_SOURCE_REQUESTED = "secondary_source_requested"
    HELD = "held"
    # In silence: they change rows but are no news.
    TICKET_COMMENT = "_ticket_comment"
    TICKET_REOPENED = "_ticket_reopened"
    HOLD_AGAIN = "_hold_again"
    STEP_DONE = "_step_done"


class Event(NamedTuple):
    """One thing that happened or should happen, dated, with the rule it follows and the facts that were compared.

    A tuple rather than a frozen dataclass, as it is made in a quarter of the time and a backtest makes millions.
    """

    at: datetime
    kind: Kind
    facts: Mapping[str, Any]
    rule: str = ""
    invoice: Key | None = None
    number: str | None = None
    amount: Decimal | None = None
    step: Step | None = None
    anchor: str = ""
    causes: frozenset[Key] = frozenset()
    episode: int | None = None
    lifted: bool = False
    reference: str = ""

    @property
    def on(self) -> date:
        """Return the local day the event belongs to."""
        return self.at.date()

    @property
    def why(self) -> str:
        """Return the reason in one sentence, told from the facts."""
        return sentence(self.kind, self.facts, number=self.number, amount=self.amount)

    @property
    def shown(self) -> bool:
        """Tell whether a timeline lists it."""
        return not self.kind.startswith("_")

    @property
    def step_key(self) -> str | None:
        """Return the key of the step as the policy file writes it."""
        return self.step.key if self.step is not None and self.step.written else None
