"""What the other rooms announce, and what is looked at again because of it."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

from django.db.models import Q
from django.db.models.signals import post_migrate, post_save
from django.dispatch import receiver
from django.utils.translation import gettext

from accounts.models import CallRecord, DataExport, FundingSource, Notice, User
from accounts.models.outreach import Courtesy
from accounts.signals import (
    about_to_send,
    call_noted,
    file_wanted,
    groups_with_higher_limits,
    message_received,
    notice_settled,
    preview_accounts_wanted,
    preview_wanted,
    reachable,
    status_changed,
    template_uses_wanted,
    unreachable,
)
from billing_project.kernel.nudge import nudge
from invoicing.models import BillingParameters, Invoice, Payment, PaymentAttempt
from invoicing.operations.preview import PlannedBill
from invoicing.signals import (
    about_to_bill,
    about_to_remove_source,
    balance_changed,
    billing_planned,
    billing_started,
    charge_settled,
    fee_waived,
    fee_waiver_undone,
    payment_page_left,
    payment_page_opened,
    payment_recorded,
)
from netenforce.models import EnforcementTask
from netenforce.queries import running_windows
from netenforce.signals import about_to_restrict, enforcement_settled, status_for_money_wanted

from . import previewing
from .evidence.large import SOURCE, make_pack
from .extensions import limit_of
from .models import Case, GraceLimit, InvoiceStanding, Standing, StepRun
from .operations import (
    count_again,
    do_not_count,
    ensure_standings,
    load_shipped,
    look_again,
    papers,
    reassess_many,
    second_source,
)
from .operations.airbag import guard, waiting_for_switch
from .operations.airbag_bills import hold_bills
from .operations.calls import settle_tasks
from .operations.courtesies import tell_of_decline, tell_of_restore, why_not_courteous
from .operations.desk_inbound import file_message
from .operations.desk_network import close_obeyed, note_parked
from .operations.desk_shipped import ensure_desk
from .operations.desk_unreachable import note_unreachable
from .operations.paying import end_for_payment, open_for_payment
from .rules.policy import Do
from .second_source import second_source_of
from .vetoes import why_not_sent

FEE_WAIVED = "its late fee was waived"


@receiver(post_migrate, dispatch_uid="delinquency.load_shipped")
def load_shipped_policies(sender: object, **_: Any) -> None:
    """Load the shipped policies and the ticket desk into an empty database."""
    if getattr(sender, "name", "") == "delinquency":
        load_shipped()
        ensure_desk()


@receiver(post_save, sender=FundingSource, dispatch_uid="delinquency.second_source")
def note_second_source(instance: FundingSource, raw: bool = False, **_: Any) -> None:
    """Note a second source that was asked for when it comes (E7)."""
    if not raw:
        second_source.note_given(instance)


@receiver(post_save, sender=BillingParameters, dispatch_uid="delinquency.new_account")
def place_new_account(instance: BillingParameters, created: bool, raw: bool = False, **_: Any) -> None:
    """Put a new account under its billing default's policy (S32)."""
    if created and not raw:
        ensure_standings([instance.account_id])


@receiver(billing_started, dispatch_uid="delinquency.new_accounts")
def place_new_accounts(account_ids: list[int], **_: Any) -> None:
    """Put many new accounts under their billing defaults' policies (S32)."""
    ensure_standings(account_ids)


@receiver(about_to_bill, dispatch_uid="delinquency.switch_before_bill")
def switch_before_bill(account_ids: list[int], at: datetime, guarded: bool = True, **_: Any) -> dict[str, set[int]]:
    """Make the status switches that fall on the bill date before it is billed (D5), and name whom to hold (A15).

    Accounts whose switch the airbag holds wait: billed they would be charged for service they may not get. At the
    others of which nothing is due nobody needs to look.
    """
    standings = _before_bill(account_ids)
    if looked_at := [row[0] for row in standings if row[1] is not None and row[1] <= at]:
        if guarded:
            guard(looked_at, at=at, before_bill=True)
        reassess_many(looked_at, at=at, before_bill=True, guarded=guarded)
        standings = _before_bill(account_ids)
    held = {account_id for account_id, _, delinquent_since, holds in standings if delinquent_since and holds}
    waiting = waiting_for_switch(account_ids, at) if guarded else set()
    return {"hold": held, "wait": waiting}


def _before_bill(account_ids: list[int]) -> list[tuple[int, datetime | None, date | None, bool]]:
    """Return account, its next look, since when it is delinquent, and whether its policy then holds its invoices."""
    # By the accounts alone: whoever was billed a moment ago is due for a look as well, and they become many.
    rows = Standing.objects.filter(account__among=account_ids).order_by("account_id")
    return list(
        rows.values_list(
            "account_id", "next_look_at", "delinquent_since", "policy_version__hold_invoices_while_delinquent"
        )
    )


@receiver(billing_planned, dispatch_uid="delinquency.compare_bills")
def compare_bills(at: datetime, plan: Callable[[], Iterator[list[PlannedBill]]], **_: Any) -> dict[str, Any] | None:
    """Compare a billing tick with the last bills before it begins, and hold what is far from them (R-15)."""
    return hold_bills(plan, at)


@receiver(balance_changed, dispatch_uid="delinquency.balance_changed")
def look_at_balance(sender: Any, account_ids: list[int], **_: Any) -> None:
    """Look again at accounts whose balance changed; where a payment came in, before all others (R-13)."""
    look_again(account_ids, at_once=sender is Payment)


@receiver(payment_recorded, dispatch_uid="delinquency.payment_recorded")
def give_receipt(**_: Any) -> None:
    """Wake whoever writes the letters with the receipts."""
    nudge("delinquency.send_receipts")


@receiver(charge_settled, dispatch_uid="delinquency.charge_settled")
def look_at_charge(account_id: int, attempt_id: int, state: str = "", **_: Any) -> None:
    """Look again at an account whose charge was settled: what waited for its outcome may go on."""
    if state != PaymentAttempt.State.DONE:  # its payment has announced itself
        look_again([account_id])
    tell_of_decline(attempt_id)


@receiver(payment_page_opened, dispatch_uid="delinquency.payment_page_opened")
def open_window(account_id: int, attempt_id: int, **_: Any) -> None:
    """Give the line full access for some minutes, so that the bank's own pages load (P07)."""
    open_for_payment(account_id, attempt_id)


@receiver(payment_page_left, dispatch_uid="delinquency.payment_page_left")
def close_window(account_id: int, attempt_id: int, paid: bool, **_: Any) -> None:
    """End that access before its time: the payment page is done with."""
    end_for_payment(account_id, attempt_id, paid=paid)


@receiver(about_to_remove_source, dispatch_uid="delinquency.keep_second_source")
def keep_second_source(account_id: int, left: int, **_: Any) -> str | None:
    """Keep the second card of an account that was asked for one (E7)."""
    if left < 2 and second_source_of(account_id) is not None:
        return gettext("We asked for a second card or bank account, so two have to stay. Add another one first.")
    return None


@receiver(fee_waived, dispatch_uid="delinquency.fee_waived")
def leave_out_of_the_count(invoice_id: int, why: str, by: User | None, **_: Any) -> None:
    """An invoice whose late fee was waived does not count towards the flag; a clerk may count it again (A27)."""
    for standing in InvoiceStanding.objects.filter(invoice=invoice_id, not_counted_why=""):
        do_not_count(standing, f"{FEE_WAIVED}: {why}", by)


@receiver(fee_waiver_undone, dispatch_uid="delinquency.fee_waiver_undone")
def count_after_all(invoice_id: int, why: str, by: User | None, **_: Any) -> None:
    """An invoice that was left out for its waived fee counts again; one left out for another reason does not (A27)."""
    for standing in InvoiceStanding.objects.filter(invoice=invoice_id, not_counted_why__startswith=FEE_WAIVED):
        count_again(standing, f"the waiver of its late fee was taken back: {why}", by)


@receiver(notice_settled, dispatch_uid="delinquency.notice_settled")
def look_at_waiting(account_id: int, **_: Any) -> None:
    """Look again at an account with a cut that waits for a notice (A30)."""
    held = (StepRun.Outcome.WAITING, StepRun.Outcome.HELD)
    if StepRun.objects.filter(account=account_id, outcome__in=held).exists():
        look_again([account_id])


@receiver(reachable, dispatch_uid="delinquency.reachable")
def look_at_reached(account_ids: list[int], **_: Any) -> None:
    """Look again at accounts whose people can be reached again: their cuts waited for that (A30)."""
    look_again(account_ids)


@receiver(status_changed, dispatch_uid="delinquency.status_changed")
def forget_switch(account_id: int, by_delinquency: bool, **_: Any) -> None:
    """A status set by hand is not taken back by payment (A19)."""
    if by_delinquency:
        return
    for standing in Standing.objects.filter(account=account_id, switched_on__isnull=False):
        standing.switched_on, standing.status_before_switch = None, None
        standing._change_reason = "the status was changed by hand"  # type: ignore[attr-defined]
        standing.save()
    StepRun.objects.filter(account=account_id, action=Do.STATUS_SWITCH, in_force=True).update(in_force=False)
    look_again([account_id])


@receiver(status_for_money_wanted, dispatch_uid="delinquency.status_for_money")
def name_switched(account_ids: list[int], **_: Any) -> set[int]:
    """Name the accounts whose status was switched for what they owe, and not by hand since (A19)."""
    switched = Standing.objects.filter(account__in=account_ids, switched_on__isnull=False)
    return set(switched.values_list("account_id", flat=True))


@receiver(about_to_send, dispatch_uid="delinquency.about_to_send")
def veto_letter(notice_id: int, **_: Any) -> str | None:
    """Keep back a letter about what has been paid since it was written."""
    notice = Notice.objects.select_related("account").get(pk=notice_id)
    if notice.template == second_source.LETTER:
        needless = second_source.why_not_asked(notice)
        if needless:
            return needless
    if notice.step_key in (Courtesy.INVOICE, Courtesy.RECEIPT):
        return papers.why_not_sent(notice) or None
    if notice.step_key in Courtesy.values:
        return why_not_courteous(notice) or None
    kind, key = notice.anchor_key.split(":", 1)
    if kind == "invoice" and key.isdigit():
        paid = Invoice.objects.filter(pk=int(key)).exclude(state=Invoice.State.OPEN).exists()
        return "Its invoice was settled before it was sent." if paid else None
    if kind == "case" and key.isdigit():
        closed = Case.objects.filter(account=notice.account_id, number=int(key), stage=Case.Stage.CLOSED).exists()
        return "The account was settled before it was sent." if closed else None
    return None


@receiver(call_noted, dispatch_uid="delinquency.call_noted")
def settle_call_tasks(call_id: int, **_: Any) -> None:
    """Settle the calls that policies ask for when somebody has called (E3)."""
    settle_tasks(CallRecord.objects.get(pk=call_id))


@receiver(enforcement_settled, dispatch_uid="delinquency.enforcement_settled")
def tell_that_line_is_back(task_id: int, account_id: int, state: str, frees: bool, **_: Any) -> None:
    """Tell the customer when the device has confirmed that the line is open again; not for a payment window."""
    if frees and state == EnforcementTask.State.CONFIRMED and not running_windows([account_id]):
        tell_of_restore(task_id)


@receiver(enforcement_settled, dispatch_uid="delinquency.device_obeys_or_not")
def tell_staff_whether_the_device_obeys(task_id: int, account_id: int, state: str, frees: bool, **_: Any) -> None:
    """Open a ticket about an order that was given up, and close it when the devices confirm that the lines are free.

    Confirmed cuts come in batches of hundreds; for these the desk looks at its open tickets with its next tick.
    """
    if state == EnforcementTask.State.PARKED:
        note_parked(task_id)
    elif state == EnforcementTask.State.CONFIRMED and frees:
        close_obeyed(account_id)


@receiver(about_to_restrict, dispatch_uid="delinquency.about_to_restrict")
def veto_cut(task_ids: list[int], **_: Any) -> dict[int, str | datetime]:
    """Keep back orders to cut that are not proven due, or come at night after an outage or a pause (D9, D6, I9)."""
    return why_not_sent(task_ids)


@receiver(message_received, dispatch_uid="delinquency.message_received")
def file_on_ticket(inbound_id: int, **_: Any) -> None:
    """Put what a customer wrote onto the ticket it answers, or open one."""
    file_message(inbound_id)


@receiver(unreachable, dispatch_uid="delinquency.unreachable")
def put_before_staff(account_ids: list[int], words: str, **_: Any) -> None:
    """Say on a ticket that nobody of an account can be reached any more (R-10)."""
    note_unreachable(account_ids, words)


@receiver(preview_wanted, dispatch_uid="delinquency.preview_texts")
def tell_texts(account_id: int, **_: Any) -> dict[str, str]:
    """Tell how an account stands now, in the texts that a letter may use."""
    return previewing.texts_for(account_id)


@receiver(preview_accounts_wanted, dispatch_uid="delinquency.preview_accounts")
def tell_accounts(**_: Any) -> list[tuple[str, int]]:
    """Name a late account and a restricted one, for a letter to be shown with."""
    return previewing.telling_accounts()


@receiver(template_uses_wanted, dispatch_uid="delinquency.template_uses")
def tell_uses(**_: Any) -> dict[str, list[str]]:
    """Name the steps of live policies that write each letter."""
    return previewing.uses_of_letters()


@receiver(file_wanted, dispatch_uid="delinquency.evidence_pack")
def make_large_pack(export: DataExport, **_: Any) -> int | None:
    """Make an evidence pack that was too large for a page."""
    return make_pack(export) if export.source == SOURCE else None


@receiver(groups_with_higher_limits, dispatch_uid="delinquency.higher_limits")
def tell_higher_grace_limits(user: User, **_: Any) -> list[int]:
    """Name the groups that may give more time, or more often, than a user may."""
    own = limit_of(user)
    if own is None:
        return []
    higher = GraceLimit.objects.filter(Q(days_max__gt=own[0]) | Q(times_a_year__gt=own[1]))
    return list(higher.values_list("group_id", flat=True))
