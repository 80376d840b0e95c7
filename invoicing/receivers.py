"""What other rooms announce and billing answers; connected in apps.py."""

from datetime import datetime
from typing import Any

from django.db.models import Q
from django.dispatch import receiver

from accounts.models import Account, Notice, User
from accounts.models.outreach import Courtesy
from accounts.signals import groups_with_higher_limits
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused

from .documents.making import CONTENT_TYPE, invoice_file_name, invoice_pdf, receipt_file_name, receipt_pdf
from .models import Invoice, MoneyLimit, Payment
from .operations import expiring, issue, limits, terms


def on_status_changed(
    *,
    account_id: int,
    before_activates: bool,
    after_activates: bool,
    at: datetime,
    by_delinquency: bool = False,
    **_: Any,
) -> None:
    """Follow an account into billing or out of it; between two statuses of one kind nothing is to be done."""
    if after_activates and not before_activates:
        terms.account_activated(account_id, at, by_delinquency=by_delinquency)
    elif before_activates and not after_activates:
        terms.account_deactivated(account_id, at, by_delinquency=by_delinquency)


def on_account_closed(*, account_id: int, at: datetime, **_: Any) -> None:
    """Invoice what still waits of an account that will not be billed again (contract section 3)."""
    zone = Account.objects.values_list("timezone", flat=True).get(pk=account_id)
    issue.invoice_waiting_charges(account_id, on=clock.local(at, zone).date())


def on_about_to_send(*, notice_id: int, **_: Any) -> str | None:
    """Keep back a letter about a card that was replaced or renewed since."""
    notice = Notice.objects.get(pk=notice_id)
    if notice.step_key != Courtesy.CARD_EXPIRING:
        return None
    return expiring.why_not_announced(notice) or None


def on_attachments_wanted(*, notice_id: int, **_: Any) -> list[tuple[str, bytes, str]]:
    """Give the invoice to the letter of a new invoice, and the receipt to the letter of a payment.

    One that cannot be set has been put before staff by then, and the letter goes without it.
    """
    notice = Notice.objects.get(pk=notice_id)
    kind, _colon, key = notice.anchor_key.partition(":")
    if not key.isdigit():
        return []
    try:
        if notice.template == "issued" and kind == "invoice":
            invoice = Invoice.objects.get(pk=key, account=notice.account_id)
            name, content = invoice_file_name(invoice, notice.language), invoice_pdf(invoice.pk, notice.language)
        elif notice.template == "paid" and kind == "payment":
            payment = Payment.objects.get(pk=key, account=notice.account_id)
            name, content = receipt_file_name(payment, notice.language), receipt_pdf(payment.pk, notice.language)
        else:
            return []
    except Refused:
        return []
    return [(name, content, CONTENT_TYPE)]


@receiver(groups_with_higher_limits, dispatch_uid="invoicing.higher_limits")
def tell_higher_money_limits(user: User, **_: Any) -> list[int]:
    """Name the groups that may give away more money than a user may."""
    above = Q()
    for kind, field in limits.FIELDS.items():
        above |= Q(**{f"{field}__gt": limits.limit_of(user, kind)})
    return list(MoneyLimit.objects.filter(above).values_list("group_id", flat=True))
