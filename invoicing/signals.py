"""What this room announces. A signal carries ids and plain facts, never a verdict."""

from django.dispatch import Signal

# Accounts are about to be billed for a bill date; sent inside the transaction that then bills them (D5).
# account_ids: list[int], bill_on: date, at: datetime (00:05 local of that date, as an instant), guarded: bool (a tick
# that acts now, not one that makes history).
# Receivers make the status switches that are due by then. One may return {"hold": set of account ids}: those
# get no invoice for this date, ever, and their next bill date moves on (A15). And {"wait": set of account ids}: those
# are left for a later tick, with their bill date as it is.
about_to_bill = Signal()

# A billing tick is about to begin, and nothing is written yet; not sent for history.
# at: datetime, plan: a function without arguments that walks every bill the tick would issue, in lists
# (operations.preview.PlannedBill), at the cost of pricing them.
# One may return {"hold": set of (account id, bill date)}: those are left for a later tick, with "held": list of what to
# show of them, and "airbag": dict that says why.
billing_planned = Signal()

# Accounts were given billing terms, many at once; whoever needs a row for each makes it now. account_ids: list[int].
# (Terms made one by one in the admin are announced by Django's own post_save.)
billing_started = Signal()

# What accounts owe has changed: look at them again. Sent inside the transaction that changed it.
# account_ids: list[int].
balance_changed = Signal()

# A payment was recorded; sent inside the transaction that did so, after its money has gone to the invoices. Not for
# payments that are imported. payment_id: int.
payment_recorded = Signal()

# A funding source is about to be charged; sent inside the transaction that reserves it, before the call.
# account_id: int, attempt_id: int.
payment_started = Signal()

# A charge reached an end, or is unknown for now; sent inside the transaction that settled it.
# account_id: int, attempt_id: int, state: str (a PaymentAttempt.State).
charge_settled = Signal()

# A customer is about to be sent to a page of the gateway's; sent after everything about it was committed.
# account_id: int, attempt_id: int, open_until: datetime (until when the gateway keeps the page open).
payment_page_opened = Signal()

# Nobody can pay on that page any more: they paid, left, were declined for good, or its time was over. Sent inside the
# transaction that settled it. account_id: int, attempt_id: int, paid: bool.
payment_page_left = Signal()

# A late fee was waived; sent inside the transaction that waived it. invoice_id: int (the late
# one), why: str, by: User | None.
fee_waived = Signal()

# A customer is about to remove a card or bank account; sent inside the transaction that does it, and to find out
# whether the button is shown. account_id: int, left: int (how many that may be charged would stay).
# A receiver may return why it has to stay, in words for the customer.
about_to_remove_source = Signal()

# The waiver of a late fee was taken back; sent inside the transaction that did so. invoice_id: int (the late one),
# why: str, by: User | None.
fee_waiver_undone = Signal()
