"""Days that a customer takes in the portal: a promise to pay, within the company's limits, once (A9, D7)."""

from datetime import date, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row

from ..customer_time import choice_of
from ..models import Promise
from .promises import promise_to_pay
from .reassess import reassess


@transaction.atomic
def promise_in_portal(
    account: Account, pay_by_on: date, *, seen: int, shown: str, at: datetime | None = None
) -> Promise:
    """Note that a customer will pay by a day that was offered; pressing twice is once.

    ``seen`` is the newest grant and ``shown`` the mark of the offer on the page that was pressed. Raises Refused, in
    the customer's language, for a day that is not offered; StaleState if what was shown does not hold any more.
    """
    moment = at or clock.now()
    locked = lock_row(Account.objects.select_related("company", "status"), account.pk)
    # What is due by now is decided first: whoever has become delinquent this minute may not take days any more.
    reassess(locked.pk, at=moment)
    choice = choice_of(locked)
    running = choice.promise
    if running is not None and running.channel == Promise.Channel.PORTAL and running.pay_by_on == pay_by_on:
        return running
    if choice.not_now is not None:
        raise Refused(choice.not_now.code, choice.not_now.words)
    offer = choice.offer(pay_by_on)
    if offer is None:
        raise Refused("not_offered", _("That day is not among those you can choose. Please choose again."))
    if choice.seen != seen or offer.mark != shown:
        raise StaleState(_("Something has changed since this page was shown. Please look at the dates again."))
    return promise_to_pay(
        account=locked, pay_by_on=pay_by_on, channel=Promise.Channel.PORTAL, note="by the customer", at=moment,
        seen=seen,
    )  # fmt: skip
