"""Which buttons an account's page offers: those the person may press, and why some do nothing now."""

from collections.abc import Collection
from dataclasses import dataclass

from django.urls import reverse

from accounts.models import User
from billing_project.kernel import clock
from delinquency.operations.grace import UNDO_WITHIN

from .panel import Panel

NO_POLICY = "it is under no policy"
CLOSED = "the account is closed"


@dataclass(frozen=True, slots=True)
class Button:
    """One button: what it says, where it leads, and, if it would only be refused now, why."""

    words: str
    url: str
    why_not: str = ""
    main: bool = False
    key: str = ""  # the key that presses it (static/desk/keys.js)


@dataclass(frozen=True, slots=True)
class Buttons:
    """What the page offers."""

    first: tuple[Button, ...]  # what people do all day
    more: tuple[Button, ...]
    off: tuple[Button, ...]  # what the person may press, but what would be refused now


KEYS = {"record_payment": "p", "grace": "e", "new_ticket": "t", "pay_link": "l"}
# What people do all day, in this order: the action of the account's desk, and the words.
FIRST = (
    ("record_payment", "Record payment"), ("grace", "Give more time"), ("undo_grace", "Undo the last grace"),
    ("promise", "Take a promise"),
    ("pay_link", "Send pay link"), ("log_call", "Log a call"), ("new_ticket", "New ticket"),
    ("waive_fee", "Waive a fee"), ("release", "Restore for a day"), ("dispute_invoice", "Dispute an invoice"),
    ("charge_card", "Charge the card now"), ("change_status", "Change status"),
)  # fmt: skip
MORE = (
    ("what_if", "What if"), ("move_version", "Move to another policy version"),
    ("restrict_line", "Restrict the line"), ("returned", "Payment came back"), ("look_again", "Look again now"),
    ("unflag", "Remove flag"), ("unpark", "Clear “parked”"), ("close_links", "Close links"),
    ("audit", "Audit"), ("evidence_pack", "Evidence pack"), ("close", "Close account"),
)  # fmt: skip


def buttons_of(panel: Panel, allowed: Collection[str], user: User) -> Buttons:
    """Return the buttons of an account for a user who may run some actions, by name."""
    pk = panel.at.account.pk
    may = set(allowed) | ({"release"} if panel.facts.releases else set())
    useless = _pointless(panel, user)
    why_not = _why_not(panel)

    def made(name: str, words: str) -> Button:
        if name == "release":
            line = panel.facts.line_id
            url = reverse("admin:netenforce_linestate_release", args=[line]) if line else ""
        else:
            url = reverse(f"admin:accounts_account_{name}", args=[pk])
        return Button(words, url, why_not.get(name, ""), main=name == "record_payment", key=KEYS.get(name, ""))

    first = [made(name, words) for name, words in FIRST if name in may and name not in useless]
    more = [made(name, words) for name, words in MORE if name in may and name not in useless]
    return Buttons(
        first=tuple(button for button in first if not button.why_not),
        more=tuple(button for button in more if not button.why_not),
        off=tuple(button for button in (*first, *more) if button.why_not),
    )


def _pointless(panel: Panel, user: User) -> set[str]:
    """Return what there is nothing of on this account, so that nobody misses the button."""
    at = panel.at
    useless = {
        name
        for name, fits in (
            ("unflag", at.flagged_on is not None), ("unpark", at.account.parked_at is not None),
            ("close", at.account.closed_on is None),
        )
        if not fits
    }  # fmt: skip
    last = panel.promises.last
    fresh = last is not None and last.granted_by_id == user.pk and clock.now() - last.granted_at <= UNDO_WITHIN
    return useless if fresh else useless | {"undo_grace"}


def _why_not(panel: Panel) -> dict[str, str]:
    """Return why an action would be refused now, by name."""
    at, found = panel.at, {}
    closed = at.account.closed_on is not None
    bills = [row for row in at.position.open_invoices if not row.frozen]
    if closed or at.standing is None:
        for name in ("grace", "promise", "what_if", "move_version", "look_again"):
            found[name] = CLOSED if closed else NO_POLICY
    if not bills and not closed:
        found.setdefault("promise", "nothing is owed")
    if not any(way.address for person in panel.people for way in person.ways):
        found["pay_link"] = "nobody here can be written to"
    if not panel.facts.fee_waits:
        found["waive_fee"] = "no fee waits for the next bill"
    if panel.facts.line_id is None:
        found["release"] = found["restrict_line"] = "it has no line"
    elif not panel.holds:
        found["release"] = "no line is restricted"
    if not bills:
        found["dispute_invoice"] = "no invoice is unpaid and undisputed"
    found |= _why_no_charge(panel, bool(bills))
    if at.position.balance == at.position.uninvoiced and not at.position.open_invoices and panel.charge is None:
        found["returned"] = "no payment was recorded"
    return found


def _why_no_charge(panel: Panel, owes: bool) -> dict[str, str]:
    at = panel.at
    if not at.usable:
        words = "its cards may not be charged" if at.sources else "no card or bank account is on file"
    elif not owes:
        words = "nothing is owed"
    elif panel.facts.charging:
        words = "a charge is under way"
    else:
        return {}
    return {"charge_card": words}
