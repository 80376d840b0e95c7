"""What this room announces. A signal carries ids and plain facts, never a verdict.

What happens to an account is announced inside the transaction that made it
true, so a receiver that writes does so all or nothing with its cause. What
happens to a letter is announced outside: it has gone out, and nothing that a
receiver does can take it back.
"""

from django.dispatch import Signal

# An account moved to another status.
# account_id: int, before_activates: bool, after_activates: bool, at: datetime (when it took effect),
# by_delinquency: bool (a status switch or its return, not a clerk's hand).
status_changed = Signal()

# An account was closed; whatever it still owes must be invoiced now. account_id: int, at: datetime.
account_closed = Signal()

# The post room is about to hand a notice to a provider, outside any transaction.
# notice_id: int. A receiver may return a text: the reason why it must not go out any more.
about_to_send = Signal()

# An e-mail is about to go, outside any transaction, and asks what goes with it. notice_id: int.
# A receiver returns a list of (file name, bytes, media type). One that fails never keeps the letter back.
attachments_wanted = Signal()

# A notice reached an end: accepted, rejected, ambiguous, parked, cancelled, not sent; or its provider said later
# that it was delivered, bounced or failed. Sent after that was committed.
# notice_id: int, account_id: int.
notice_settled = Signal()

# A page shows how a letter would read for an account, and asks what is known about it now.
# account_id: int, template: str (the letter's key). A receiver returns a dict of texts; nothing is written.
preview_wanted = Signal()

# A page shows a letter for some real accounts in different situations, and asks for some.
# A receiver returns a list of (words for the situation, account_id), the most telling first.
preview_accounts_wanted = Signal()

# A page shows who uses which letter. A receiver returns a dict: the letter's key, and a list of words for its users.
template_uses_wanted = Signal()

# A customer wrote or texted, and it is known who. inbound_id: int. Sent in the transaction that stored it.
message_received = Signal()

# All ways to the people of these accounts are used up: nobody there learns what is written. account_ids: list[int],
# words: str (what was to be told, and why it could not). A receiver puts it before staff.
unreachable = Signal()

# The people of these accounts can be reached again (an address was mended or may be used again), so what waited for
# that may go on. account_ids: list[int]. Sent in the transaction that made it so.
reachable = Signal()

# A call was made or received. call_id: int, account_id: int. Sent in the transaction that noted it.
call_noted = Signal()

# Addresses are about to be entered for a line. prefixes: list[str]. A receiver may return a text: why no line can have
# one of them, and how to mend it.
about_to_take_addresses = Signal()

# A file that is no list is to be made by the task of large files. export: accounts.models.DataExport, which is taken
# already. A receiver that knows its source makes it, or says why not, and returns the number of its rows.
file_wanted = Signal()

# Somebody gives roles to others, and may give none that allows more than their own. user: accounts.models.User.
# A receiver returns the keys of the groups whose limits are higher than that user's.
groups_with_higher_limits = Signal()
