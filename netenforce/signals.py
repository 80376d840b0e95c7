"""What this room announces. A signal carries ids, never a verdict."""

from django.dispatch import Signal

# Restrictions are about to be sent to a device, outside any transaction. task_ids: list[int]; all of a batch at once,
# so that a receiver may answer with a number of queries that does not grow with it.
# A receiver may return a mapping of a task's id to a text: the reason why the line must not be restricted (any more),
# or to an aware instant: not before then. A task that it does not name may go out. A receiver that fails, or returns
# anything else, has not agreed to any; then it is asked about each task alone. Restores are not asked about.
about_to_restrict = Signal()

# An enforcement task reached an end; sent after that was committed.
# task_id: int, account_id: int, state: str (confirmed, parked, cancelled), frees: bool (it was to open the line: who
# only cares for lines that are back need not look at the others).
enforcement_settled = Signal()

# Which of these accounts got their status for money that is owed, so that paying gives the old one back (S31, A19).
# account_ids: list[int]. A receiver returns a set of them.
status_for_money_wanted = Signal()
