"""How much a member of staff may give away alone (SEC-21)."""

from decimal import Decimal

from accounts import second_person
from accounts.models import User
from billing_project.kernel.errors import Refused
from billing_project.kernel.money import ZERO
from invoicing.models import Approval, MoneyLimit

LARGE = Decimal("250.00")
FIELDS = {
    Approval.Kind.WAIVE: "waive_max",
    Approval.Kind.CREDIT_NOTE: "waive_max",
    Approval.Kind.WRITE_OFF: "write_off_max",
    Approval.Kind.VOID: "write_off_max",
    Approval.Kind.REFUND: "refund_max",
}


def limit_of(user: User, kind: str) -> Decimal | None:
    """Return the most that somebody may give away alone by this kind of act; None: an administrator, no limit."""
    if user.is_superuser:
        return None
    rows = MoneyLimit.objects.filter(group__user=user).values_list(FIELDS[Approval.Kind(kind)], flat=True)
    return max(rows, default=ZERO)


def is_within(user: User, kind: str, amount: Decimal) -> bool:
    """Tell whether somebody may give an amount away alone."""
    limit = limit_of(user, kind)
    return limit is None or amount <= limit


def is_large(user: User, kind: str, amount: Decimal) -> bool:
    """Tell whether so much takes a fresh proof of who gives it away: more than half of what they may, or than 250.00.

    Half, because that is where one stolen session would hurt most; 250.00, because for whoever may give thousands half
    of that is no small matter either.
    """
    limit = limit_of(user, kind)
    return amount > LARGE or (limit is not None and amount > limit / 2)


def require_within(user: User | None, kind: str, amount: Decimal, approval: Approval | None) -> None:
    """Raise Refused if an amount is above the limit of who gives it away, and no second person has approved just that.

    Without a user it is the program itself that acts, by its rules.
    """
    if user is None or (approval is not None and _covers(approval, user, kind, amount)):
        return
    if not is_within(user, kind, amount):
        raise Refused(
            "above_limit",
            f"{amount:,.2f} is above what {user} may decide alone ({limit_of(user, kind):,.2f}). Ask for it on the page"
            " of the fee, invoice or payment; a second person then decides.",
        )


def _covers(approval: Approval, user: User, kind: str, amount: Decimal) -> bool:
    """Tell whether a request was approved by another person for this very act."""
    approved = second_person.covers(approval, account_id=approval.account_id, by=user)
    return approved and approval.kind == kind and amount <= approval.amount
