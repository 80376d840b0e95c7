"""The rows of an account's story in words: when, what, why, who, and where the evidence lies (U09)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString

from accounts.admin.base import BAD, GOOD, NOTE, QUIET, WARN, badge, local_time
from accounts.models import Account, InboundMessage, Notice
from delinquency.story import Told

from .journal import event_badge

WHY_MAX = 300
CHANNELS = {"email": "E-mail", "sms": "Text", "voice": "Call"}
NOTICE_TONES = {"delivered": GOOD, "accepted": GOOD, "bounced": BAD, "failed": BAD, "rejected": BAD, "parked": BAD,
                "ambiguous": WARN, "not_sent": WARN}  # fmt: skip
ATTEMPT_TONES = {"done": GOOD, "declined": BAD, "refused": WARN, "unknown": BAD, "parked": BAD}
ORDER_TONES = {"confirmed": GOOD, "parked": BAD, "queued": WARN, "sending": WARN, "claimed": WARN}
CHANGES = {"+": "added", "~": "changed", "-": "removed"}


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of what happened."""

    at: SafeString | str
    what: SafeString
    why: str
    url: str  # where the evidence lies
    evidence: str  # what the link says
    invoice: str = ""
    invoice_url: str = ""
    amount: Decimal | None = None
    rule: str = ""
    policy: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class _Words:
    what: SafeString
    why: str
    page: str
    evidence: str
    who: Any = None
    invoice: Any = None
    amount: Decimal | None = None
    rule: str = ""
    policy: str = ""
    args: list[Any] = field(default_factory=list)


def happening(told: Told, account: Account) -> Happening:
    """Return one row of the story in words."""
    said = WORDS[told.source](told.row, account)
    invoice = said.invoice
    return Happening(
        at=local_time(told.at, account.timezone), what=said.what, why=said.why[:WHY_MAX],
        url=reverse(f"admin:{said.page}", args=said.args or [told.row.pk]), evidence=said.evidence,
        invoice=invoice.number if invoice else "",
        invoice_url=reverse("admin:invoicing_invoice_change", args=[invoice.pk]) if invoice else "",
        amount=said.amount, rule=said.rule, policy=said.policy, who=str(said.who) if said.who else "",
    )  # fmt: skip


def _event(row: Any, _account: Account) -> _Words:
    version = row.policy_version
    return _Words(event_badge(row.kind), row.why, "delinquency_event_change", "why", invoice=row.invoice,
                  amount=row.amount, rule=row.rule, policy=str(version) if version else "")  # fmt: skip


def _attempt(row: Any, _account: Account) -> _Words:
    source = f"{row.funding_source}: " if row.funding_source else ""
    what = badge(f"Charge {row.get_state_display()}", ATTEMPT_TONES.get(row.state, QUIET))
    return _Words(what, source + (row.why or row.code or "asked for"), "invoicing_paymentattempt_change", "attempt",
                  invoice=row.invoice, amount=row.amount)  # fmt: skip


def _refund(row: Any, _account: Account) -> _Words:
    return _Words(badge(f"Refund {row.get_state_display()}", NOTE), row.reason, "invoicing_refundattempt_change",
                  "refund", who=row.asked_by, amount=row.amount)  # fmt: skip


def _ledger(row: Any, _account: Account) -> _Words:
    reason = row.get_reason_code_display()
    why = ": ".join(filter(None, (reason, row.reason))) or (row.charge.description if row.charge else "")
    what = badge(row.get_kind_display().capitalize(), GOOD if row.amount < 0 else WARN)
    return _Words(what, why, "invoicing_ledgerentry_change", "ledger", who=row.actor, invoice=row.invoice,
                  amount=row.amount)  # fmt: skip


def _notice(row: Notice, _account: Account) -> _Words:
    what = badge(f"{CHANNELS.get(row.channel, row.channel)} {row.get_state_display()}",
                 NOTICE_TONES.get(row.state, QUIET))  # fmt: skip
    why = f"{row.subject or row.template}, to {row.to_address}." + (f" {row.why}" if row.why else "")
    return _Words(what, why, "accounts_notice_change", "letter", who=row.resent_by)


def _call(row: Any, _account: Account) -> _Words:
    way = "They called us" if row.inbound else f"Call to {row.contact or row.number}"
    return _Words(badge(f"Call: {row.get_outcome_display()}", NOTE), f"{way}. {row.note}".strip(),
                  "accounts_callrecord_change", "call", who=row.by)  # fmt: skip


def _inbound(row: InboundMessage, _account: Account) -> _Words:
    said = f"{row.from_address}: {row}" if row.state == InboundMessage.State.FILED else row.why
    return _Words(badge("Message received", NOTE), said, "accounts_inboundmessage_change", "message")


def _order(row: Any, _account: Account) -> _Words:
    back = f" Read back: {row.read_back}." if row.read_back else ""
    what = badge(f"{row.device}: {row.get_level_display()}, {row.get_state_display()}",
                 ORDER_TONES.get(row.state, QUIET))  # fmt: skip
    return _Words(what, f"{row.line}: {row.why}.{back}", "netenforce_enforcementtask_change", "order")


def _hold(row: Any, _account: Account) -> _Words:
    return _Words(badge(f"Hold placed: {row.get_level_display()}", BAD), f"{row.get_cause_display()}: {row.why}",
                  "netenforce_hold_change", "hold", who=row.placed_by)  # fmt: skip


def _lifted(row: Any, _account: Account) -> _Words:
    return _Words(badge("Hold lifted", GOOD), row.lifted_why or row.why, "netenforce_hold_change", "hold",
                  who=row.lifted_by)  # fmt: skip


def _window(row: Any, _account: Account) -> _Words:
    return _Words(badge(row.get_kind_display().capitalize(), GOOD), row.why, "netenforce_paymentwindow_change",
                  "window", who=row.opened_by)  # fmt: skip


def _grace(row: Any, _account: Account) -> _Words:
    said = "Grace taken back" if row.withdraws_id else f"Grace until {row.until_on:%a %d %b %Y}"
    return _Words(badge(said, GOOD), row.reason, "delinquency_gracegrant_change", "grace", who=row.granted_by)


def _promise(row: Any, account: Account) -> _Words:
    what = badge(f"Promise {row.get_state_display()}", {"kept": GOOD, "broken": BAD}.get(row.state, NOTE))
    why = f"{row.promised:,.2f} {account.company.currency} by {row.pay_by_on:%a %d %b %Y}."
    why = f"{why} {row.decided_why or row.note}".strip()
    return _Words(what, why, "delinquency_promise_change", "promise", who=row.made_by)


def _ticket(row: Any, _account: Account) -> _Words:
    return _Words(badge("Ticket opened", NOTE), f"{row.number}: {row.subject}", "delinquency_ticket_change", "ticket",
                  who=row.opened_by)  # fmt: skip


def _shut(row: Any, _account: Account) -> _Words:
    return _Words(badge("Ticket closed by hand", NOTE), f"{row.number}: {row.closed_why}", "delinquency_ticket_change",
                  "ticket")  # fmt: skip


def _dispute(row: Any, _account: Account) -> _Words:
    return _Words(badge("Dispute opened", WARN), row.text, "delinquency_dispute_change", "dispute", who=row.opened_by,
                  invoice=row.invoice)  # fmt: skip


def _decided(row: Any, _account: Account) -> _Words:
    return _Words(badge(f"Dispute {row.get_state_display()}", NOTE), row.decided_why, "delinquency_dispute_change",
                  "dispute", who=row.decided_by, invoice=row.invoice)  # fmt: skip


def _move(row: Any, _account: Account) -> _Words:
    return _Words(badge("Moved to another policy", NOTE), f"From {row}: {row.reason}", "delinquency_policymove_change",
                  "move", who=row.moved_by, rule="A36")  # fmt: skip


def _edit(label: str, model: str) -> Callable[[Any, Account], _Words]:
    def words(row: Any, _account: Account) -> _Words:
        what = badge(f"{label} {CHANGES.get(row.history_type, 'changed')}", QUIET)
        why = row.history_change_reason or ""
        return _Words(what, f"{row.instance}: {why}" if model != "account" and why else why or str(row.instance),
                      f"accounts_{model}_history", "history", who=row.history_user, args=[row.id])  # fmt: skip

    return words


WORDS: dict[str, Callable[[Any, Account], _Words]] = {
    "event": _event, "attempt": _attempt, "refund": _refund, "ledger": _ledger, "notice": _notice, "call": _call,
    "inbound": _inbound, "order": _order, "hold": _hold, "lifted": _lifted, "window": _window, "grace": _grace,
    "promise": _promise, "ticket": _ticket, "shut": _shut, "dispute": _dispute, "decided": _decided, "move": _move,
    "account": _edit("Account", "account"), "contact": _edit("Contact", "contact"),
    "line": _edit("Line", "serviceline"), "card": _edit("Payment source", "fundingsource"),
}  # fmt: skip
