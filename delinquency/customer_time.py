"""The days that a customer may take without asking anybody: which, what each does, and why none (A9, D7). Reads only.

Nothing is offered that changes nothing, and nothing is said that the rules do not then do: every date comes from
playing the account ahead.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.utils.translation import gettext as _

from accounts.models import Account
from billing_project.kernel import clock
from invoicing.models import Invoice
from netenforce.models.hold import Level

from .extensions import customers_allowance, newest_grant
from .glance import Glance, glance
from .models import Promise, Standing
from .more_time import Effect, effects_of
from .plain_words import long_day, sum_of
from .policy_file import policy_of
from .reading import due_on
from .rules.actions import Kind
from .rules.effect import Change

ZERO = Decimal("0.00")
ONE_DAY = timedelta(days=1)
# How many days later than otherwise; those beyond what the company allows are left out.
DAYS_LATER = (3, 5, 7, 14, 30)


@dataclass(frozen=True, slots=True)
class Offer:
    """One day by which a customer may promise to pay, with everything that it changes."""

    pay_by_on: date
    days_later: int
    owed: Decimal
    effect: Effect
    title: str  # what the button says
    lines: tuple[str, ...]  # what it does
    costs: tuple[str, ...]  # what it costs: fees that come all the same, and further bills

    @property
    def mark(self) -> str:
        """Return a short sign of what was shown: only that is carried out."""
        told = (self.pay_by_on, self.owed, self.effect.may_on, self.effect.rows, self.effect.extra)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class NotNow:
    """Why a customer may not take days, what they can do instead, and when again."""

    code: str
    words: str
    instead: str = ""
    again_on: date | None = None
    may_ask: bool = True  # whether staff could do something about it


@dataclass(frozen=True, slots=True)
class Choice:
    """What the page shows: offers, or why there are none."""

    at: Glance
    seen: int  # the newest grant, so that nothing is given twice
    offers: tuple[Offer, ...] = ()
    not_now: NotNow | None = None
    promise: Promise | None = None  # one that runs
    left: int = 0

    def offer(self, pay_by_on: date) -> Offer | None:
        """Return the offer of a day."""
        return next((row for row in self.offers if row.pay_by_on == pay_by_on), None)


def choice_of(account: Account) -> Choice:
    """Return the days that a customer may take now, each with its effect, or why there are none."""
    at = glance(account)
    newest = newest_grant(account)
    promise = Promise.objects.filter(account=account, state=Promise.State.OPEN).first()
    found = Choice(at=at, seen=newest.pk if newest else 0, promise=promise)
    why = _why_none(account, at, promise)
    if why is not None:
        return _with(found, not_now=why)
    offers = _offers(account, at)
    if not offers:
        words = _("You do not need more days: what you owe has no consequence in the weeks ahead.")
        return _with(found, not_now=NotNow("no_need", words, may_ask=False))
    return _with(found, offers=tuple(offers), left=customers_allowance(account, at.today).left or 0)


def _with(found: Choice, **more: object) -> Choice:
    fields = {name: getattr(found, name) for name in ("at", "seen", "offers", "not_now", "promise", "left")}
    return Choice(**(fields | more))


# --- Why not ---


def _why_none(account: Account, at: Glance, promise: Promise | None) -> NotNow | None:
    """Say which rule stands against more days, the one that helps the customer most first."""
    standing = at.standing
    payable = [row for row in at.position.open_invoices if not row.frozen]
    if at.cut_off or at.worst != Level.OPEN or at.delinquent_since is not None:
        return _too_late(at)
    if not at.position.open_invoices:
        return NotNow("nothing_owed", _("You owe nothing, so there is nothing to put off."), may_ask=False)
    if not payable:
        words = _("What is unpaid is disputed. It waits until we have looked into it, without more days.")
        return NotNow("disputed", words, may_ask=False)
    if promise is not None:
        words = _("You have already told us that you will pay %(sum)s by %(day)s.") % {
            "sum": sum_of(promise.promised, at.currency), "day": long_day(promise.pay_by_on, at.today),
        }  # fmt: skip
        return NotNow("promise_open", words, _("If you need longer than that, please ask us."))
    if standing is None or account.closed_on is not None:
        return NotNow("no_policy", _("We cannot work out dates for your account here."), _("Please ask us."))
    if not account.company.customer_extensions:
        return NotNow("switched_off", _("More days cannot be taken here."), _("Please ask us; we look at every case."))
    return _after_broken(account, at) or _limit(account, at)


def _too_late(at: Glance) -> NotNow:
    """Tell whom the rules are past helping that only paying, or our staff, does (A8)."""
    if at.worst != Level.OPEN:
        words = {
            Level.THROTTLE: _("Your line is slowed already, and more days would not bring it back."),
            Level.WALLED_GARDEN: _("Your line is limited already, and more days would not bring it back."),
            Level.SUSPEND: _("Your line is suspended already, and more days would not bring it back."),
        }[Level(at.worst)]
        code = "restricted"
    else:
        code, words = "delinquent", _("The time in which days can be taken here is over: your account is delinquent.")
    instead = ""
    if at.restore:
        instead = _("Paying %(sum)s ends this.") % {"sum": sum_of(at.restore, at.currency)}
    return NotNow(code, words, f"{instead} {_('If you cannot pay that now, ask us.')}".strip())


def _after_broken(account: Account, at: Glance) -> NotNow | None:
    pause = account.company.customer_extension_pause_days
    last = (
        Promise.objects.filter(account=account, state=Promise.State.BROKEN)
        .order_by("-decided_on", "-pk")
        .values_list("pay_by_on", "decided_on")
        .first()
    )
    if last is None or last[1] is None or not pause:
        return None
    again_on = last[1] + timedelta(days=pause)
    if again_on <= at.today:
        return None
    words = _(
        "You promised to pay by %(day)s, and it was not all paid. For %(days)s days after that, more days cannot be"
        " taken here."
    )
    return NotNow(
        "promise_broken", words % {"day": long_day(last[0], at.today), "days": pause}, _("Please ask us."), again_on
    )


def _limit(account: Account, at: Glance) -> NotNow | None:
    allowance = customers_allowance(account, at.today)
    if allowance.left:
        return None
    if not allowance.limit:
        return NotNow("limit", _("More days cannot be taken here."), _("Please ask us; we look at every case."))
    words = _("Days can be taken here %(limit)s times in 12 months, and you had them on %(days)s.") % {
        "limit": allowance.limit, "days": "; ".join(long_day(on, at.today) for on in allowance.given_on),
    }  # fmt: skip
    return NotNow("limit", words, _("Please ask us."), allowance.frees_on)


# --- What is offered ---


def _offers(account: Account, at: Glance) -> list[Offer]:
    """Return the days that change something, counted from when the account would become delinquent otherwise."""
    entry_on = effects_of(account, [at.today + ONE_DAY])[0].entry_now_on
    if entry_on is None:
        return []
    most = account.company.customer_extension_days_max
    later = [days for days in DAYS_LATER if days < most] + [most]
    offers = []
    for days, effect in zip(
        later, effects_of(account, [entry_on + timedelta(days=days) for days in later]), strict=True
    ):
        pay_by_on = effect.until_on - ONE_DAY
        owed = sum((row.remaining for row in _about(at, pay_by_on)), ZERO)
        if effect.nothing or not owed:
            continue
        title = _("I will pay %(sum)s by %(day)s") % {
            "sum": sum_of(owed, at.currency), "day": long_day(pay_by_on, at.today),
        }  # fmt: skip
        lines, costs = _told(effect, at)
        offers.append(Offer(pay_by_on, days, owed, effect, title, tuple(lines), tuple(costs)))
    return offers


def _about(at: Glance, pay_by_on: date) -> list[Invoice]:
    """Return what a promise is about: what is past due; if nothing is, what is due by its day."""
    assert at.standing is not None
    policy = policy_of(at.standing.policy_version)
    payable = [(due_on(row, policy), row) for row in at.position.open_invoices if not row.frozen]
    late = [row for due, row in payable if due < at.today]
    return late or [row for due, row in payable if due <= pay_by_on]


def _told(effect: Effect, at: Glance) -> tuple[list[str], list[str]]:
    """Say in sentences what days do, and what they cost."""
    lines = [_("Your account is not delinquent before %(day)s.") % {"day": long_day(effect.may_on, at.today)}]
    costs: list[str] = []
    for row in effect.rows:
        if row.kind in (Kind.RESTRICTED, Kind.STATUS_SWITCH) and row.differs and row.now is not None:
            lines.append(_put_off(row, at))
        elif row.kind is Kind.LATE_FEE:
            told = _fee(row, at)
            (lines if row.differs else costs).append(told)
    costs += [
        _("These days bring one more bill: %(sum)s on %(day)s.")
        % {"sum": sum_of(bill.amount, at.currency), "day": long_day(bill.on, at.today)}
        for bill in effect.extra
    ]
    return lines, costs


def _put_off(row: Change, at: Glance) -> str:
    what = "switch" if row.kind is Kind.STATUS_SWITCH else row.what
    if row.then is None:
        return _NEVER[what]()
    return _NOT_BEFORE[what]() % {"day": long_day(row.then.date(), at.today)}


_NOT_BEFORE = {
    Level.THROTTLE: lambda: _("Your line is not slowed before %(day)s."),
    Level.WALLED_GARDEN: lambda: _("Your line is not limited to the payment page before %(day)s."),
    Level.SUSPEND: lambda: _("Your line is not suspended before %(day)s."),
    "switch": lambda: _("Your service does not end before %(day)s."),
}
_NEVER = {
    Level.THROTTLE: lambda: _("Your line is not slowed."),
    Level.WALLED_GARDEN: lambda: _("Your line is not limited to the payment page."),
    Level.SUSPEND: lambda: _("Your line is not suspended."),
    "switch": lambda: _("Your service does not end."),
}


def _fee(row: Change, at: Glance) -> str:
    amount = row.then_amount if row.then_amount is not None else row.now_amount
    facts = {"sum": sum_of(amount or ZERO, at.currency), "number": row.what}
    if row.then is None:
        return _("There is no late fee of %(sum)s on invoice %(number)s.") % facts
    facts["day"] = long_day(row.then.date(), at.today)
    if row.differs and row.now is not None:
        return _("The late fee of %(sum)s on invoice %(number)s is put off to %(day)s too.") % facts
    return _("The late fee of %(sum)s on invoice %(number)s still comes on %(day)s, unless you pay before.") % facts


def runs_until(account: Account) -> date | None:
    """Return the Grace Until that runs for an account, if one does."""
    until = Standing.objects.filter(account=account).values_list("grace_until", flat=True).first()
    return until if until and until > clock.today(account.timezone) else None
