"""Whose line a request comes from, as far as a stranger behind the same address may know it (SEC-02). Reads only.

An address says only that one line is restricted, and which sum restores it: no name, no account, no invoice.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.client_address import Address
from accounts.models import Account, ServiceLine
from accounts.models.service_line import lines_overlapping
from billing_project.kernel import clock
from invoicing.models import PaymentAttempt
from netenforce.models import LineState, PaymentWindow
from netenforce.queries import active_holds, running_windows
from netenforce.rules.desired import OPEN, hardest

from .glance import glance
from .operations.paying import no_window_for

# At these levels a line reaches the portal and little else; a slowed one reaches everything.
CAPTIVE_LEVELS = ("walled_garden", "suspend")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A line that exactly one open account has, and what holds it back."""

    account: Account
    line: ServiceLine
    level: str  # how hard the account's holds are; open if there are none
    seen_level: str
    for_money: bool  # whether nothing but non-payment holds it
    window: PaymentWindow | None

    @property
    def is_captive(self) -> bool:
        """Tell whether the line reaches little more than the portal now."""
        return self.window is None and self.level in CAPTIVE_LEVELS

    @property
    def window_until(self) -> datetime | None:
        """Return until when a payment window runs, in the account's time."""
        return clock.local(self.window.closes_at, self.account.timezone) if self.window else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What may be paid without signing in: one sum, and what stands in the way of it."""

    sum: Decimal
    currency: str
    under_way: bool  # a payment whose outcome is not known yet
    no_window: str  # why the bank's own page may not load; empty if it will


def arrival_from(address: Address | None) -> Arrival | None:
    """Return the line an address belongs to, or None unless that is exactly one open account's."""
    if address is None:
        return None
    lines = [line for line in lines_overlapping([str(address)]) if line.account.closed_on is None]
    if len({line.account_id for line in lines}) != 1:
        return None
    account = Account.objects.select_related("company", "status").get(pk=lines[0].account_id)
    holds = active_holds([account.pk]).get(account.pk, [])
    window = running_windows([account.pk]).get(account.pk)
    states = LineState.objects.filter(line__in=lines).values_list("observed_level", flat=True)
    return Arrival(
        account=account, line=lines[0], level=hardest(hold.level for hold in holds), seen_level=hardest(states),
        for_money=bool(holds) and all(hold.over_money for hold in holds),
        window=window if window is not None and window.closes_at > clock.now() else None,
    )  # fmt: skip


def offer_to(arrival: Arrival | None) -> Offer | None:
    """Return the sum that restores a line, to be paid without signing in; None if money alone does not restore it."""
    if arrival is None or not arrival.for_money:
        return None
    account = arrival.account
    at = glance(account)
    owed = min(at.restore, at.position.pay_all)
    if owed <= 0:
        return None
    refusal = no_window_for(account)
    clear = PaymentAttempt.objects.filter(account=account, state__in=PaymentAttempt.ASKED)
    return Offer(
        sum=owed, currency=at.currency, no_window=refusal.words if refusal else "",
        # A page that is merely open is closed by the next press.
        under_way=clear.exclude(state=PaymentAttempt.State.SENDING, page_id__gt="").exists(),
    )  # fmt: skip


def line_is_open(account: Account) -> bool | None:
    """Tell whether an account's lines are open as their devices say; None while a command is on its way."""
    states = LineState.objects.filter(line__account=account).values_list("desired_level", "observed_level")
    if any(desired != OPEN for desired, _observed in states):
        return False
    return None if any(observed != OPEN for _desired, observed in states) else True
