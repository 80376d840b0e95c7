"""A payment without signing in: one sum, any card, at the gateway's own page, and nothing about whose account it is."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.gateways.registry import gateway
from invoicing.models import PaymentAttempt

from .inquire import leave_page, look_up
from .portal_pay import earlier_press, pay_on_page
from .sources import Way

PREFIX = "guest:"
# Within this time its outcome can be asked for by its address.
SHOWN_FOR = timedelta(hours=4)
PRESSES_AN_HOUR = 6


def pay_as_guest(account: Account, amount: Decimal, *, press: UUID, way: Way) -> PaymentAttempt:
    """Open a page of the gateway's for exactly a sum, with any card; the same press again returns the same attempt.

    Raises Refused after too many presses within an hour, and as pay_on_page does.
    """
    key = f"{PREFIX}{press}"
    known = earlier_press(account, key)
    if known is not None:
        return known
    since = clock.now() - timedelta(hours=1)
    presses = PaymentAttempt.objects.filter(account=account, key__startswith=PREFIX, created_at__gt=since)
    if presses.count() >= PRESSES_AN_HOUR:
        words = _("This was tried too often within an hour. Open your account instead, or call us.")
        raise Refused("too_many_presses", words)
    return pay_on_page(account, amount, key=key, way=way, named=False)


def guest_payment(press: UUID, *, left: bool = False) -> PaymentAttempt | None:
    """Return what came of a press, asking the gateway if need be; None if there is no such press of late.

    With ``left`` the customer has turned back from the page, which is closed then.
    """
    rows = PaymentAttempt.objects.select_related("account__company", "payment")
    found = rows.filter(key=f"{PREFIX}{press}", created_at__gt=clock.now() - SHOWN_FOR).first()
    if found is not None and found.page_id and found.state in PaymentAttempt.ASKED:
        (leave_page if left else look_up)(found.pk, clock.now())
        found.refresh_from_db()
    return found


def page_address(attempt: PaymentAttempt) -> str:
    """Return where the customer goes to pay: on this server by its path, else the gateway's address; "" if nowhere."""
    if attempt.state != PaymentAttempt.State.SENDING:
        return ""
    return attempt.page_url.removeprefix(settings.PUBLIC_BASE_URL)


def form_leads_to() -> str:
    """Return the one origin elsewhere to which a form for a payment leads on; empty for pages of this server."""
    return gateway().page_origin


def is_guests(key: str) -> bool:
    """Tell whether a key belongs to a payment without signing in."""
    return key.startswith(PREFIX)
