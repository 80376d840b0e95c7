"""What this room announces. A signal carries ids, never a verdict."""

from django.dispatch import Signal

# A restriction is about to be sent to a device, outside any transaction. task_id: int.
# A receiver may return a text: the reason why the line must not be restricted (any more); one that
# fails counts as a no. It may return an aware instant as well: not before then. Restores are not asked about.
about_to_restrict = Signal()

# An enforcement task reached an end; sent after that was committed.
# task_id: int, account_id: int, state: str (confirmed, parked, cancelled).
enforcement_settled = Signal()

# Which of these accounts got their status for money that is owed, so that paying gives the old one back (S31, A19).
# account_ids: list[int]. A receiver returns a set of them.
status_for_money_wanted = Signal()
