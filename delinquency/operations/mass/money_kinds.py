"""What can be done to many payments: taken back, such as a batch that the bank returned."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from accounts.models import User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.models import LedgerEntry, Payment, RefundAttempt
from invoicing.operations.payments import REFERENCE_LENGTH, record_payment, reverse_payment
from invoicing.rules.bank_file import return_words

from ...models import MassAction, MassItem
from .account_kinds import key_of
from .kinds import Fits, LeftOut, Verdict, Verdicts

Parameters = Mapping[str, Any]
REASON_LENGTH = 200
NAMED = 3


class Reverse:
    """Payments that came back: what they paid is owed again (A21, A23)."""

    name = MassAction.Kind.REVERSE
    right = "invoicing.reverse_payment"
    undoes, is_money = True, True
    undo_within: timedelta | None = None
    undo_words = (
        "A reversal stays in the ledger. Undoing records each payment anew, as received when it is undone, and puts it"
        " on the oldest invoices; a barred card or bank account stays barred until it is verified again."
    )

    def words(self, parameters: Parameters) -> list[str]:
        """Return what is asked for and what it means, in sentences."""
        how = Payment.Reversal(parameters["how"])
        why = return_words(parameters["code"])
        found = [
            f"The payments are taken back: {how.label}{f' ({why})' if why else ''}.",
            "The invoices that they paid are open again with their own due dates (A23).",
            "An account whose invoice is late again becomes delinquent at the next check.",
        ]
        if how == Payment.Reversal.MISTAKE:
            found.append("No fee is asked for it, and no card or bank account is barred.")
        else:
            found.append(
                "The card or bank account is charged no more until it is verified again; a fee for returned payments is"
                " asked where the account's policy has one."
            )
        return found

    def judge(self, keys: Sequence[int], action: MassAction, by: User) -> Verdicts:
        """Leave out what was taken back before or is being given back; say which invoices are open again."""
        parts = _parts(keys)
        leaving = set(
            RefundAttempt.objects.filter(payment__in=keys, state__in=RefundAttempt.OPEN).values_list(
                "payment", flat=True
            )
        )
        found: dict[int, Verdict] = {}
        for payment in Payment.objects.filter(pk__in=keys).select_related("account__company"):
            label = f"{payment.reference}, {payment.amount:,.2f} of {payment.account.number}"
            if payment.reversed_at is not None:
                words = f"Payment {payment.reference} was taken back before: {payment.reversed_why}."
                found[payment.pk] = LeftOut(payment.account_id, label, Refused("reversed_before", words))
            elif payment.pk in leaving:
                words = f"Money of payment {payment.reference} is being given back; wait for the outcome."
                found[payment.pk] = LeftOut(payment.account_id, label, Refused("refund_under_way", words))
            else:
                reopened = parts[payment.pk]
                found[payment.pk] = Fits(
                    account_id=payment.account_id, label=label, amount=payment.amount,
                    currency=payment.account.company.currency,
                    before={"paid": ", ".join(f"{number} {amount}" for number, _, amount in reopened)},
                    code="reopens" if reopened else "only_credit", note=_note(reopened),
                )  # fmt: skip
        return found

    def carry_out(self, item: MassItem, action: MassAction, by: User) -> str:
        """Take one payment back."""
        asked = action.parameters
        words = return_words(asked["code"])
        reverse_payment(
            payment=Payment.objects.get(pk=item.object_id), by=by, as_=Payment.Reversal(asked["how"]),
            why=f"{words} ({action.reason})"[:REASON_LENGTH] if words else action.reason,
        )  # fmt: skip
        return f"reversal:{item.object_id}"

    def undo(self, item: MassItem, _action: MassAction, by: User) -> None:
        """Record one payment anew, since its money is there after all."""
        payment = Payment.objects.select_related("account", "funding_source").get(pk=key_of(item))
        suffix = f":again{item.pk}"
        record_payment(
            account=payment.account, reference=payment.reference[: REFERENCE_LENGTH - len(suffix)] + suffix,
            amount=payment.amount, received_at=clock.now(), method=payment.method,
            funding_source=payment.funding_source, by=by,
        )  # fmt: skip


def _parts(keys: Sequence[int]) -> Mapping[int, list[tuple[str, str, Decimal]]]:
    """Return what payments paid: for each its invoices by due date, with the day and the amount; one query."""
    rows = (
        LedgerEntry.objects.filter(payment__in=keys, invoice__isnull=False)
        .order_by("invoice__due_on", "invoice__number")
        .values_list("payment_id", "invoice__number", "invoice__due_on")
        .annotate(paid=Sum("amount"))
    )
    found: dict[int, list[tuple[str, str, Decimal]]] = defaultdict(list)
    for payment_id, number, due_on, paid in rows:
        if paid and payment_id is not None:
            found[payment_id].append((str(number), f"{due_on}", -paid))
    return found


def _note(reopened: Sequence[tuple[str, str, Decimal]]) -> str:
    if not reopened:
        return "It had paid no invoice yet: only unused credit is taken."
    named = "; ".join(f"{number}: {amount:,.2f}, due {due_on}" for number, due_on, amount in reopened[:NAMED])
    more = f"; and {len(reopened) - NAMED} more" if len(reopened) > NAMED else ""
    return f"Open again: {named}{more}."
