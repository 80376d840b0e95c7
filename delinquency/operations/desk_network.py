"""A device does not make a line what it should be: a ticket says so, and closes by itself when the device obeys."""

from django.db import transaction
from django.db.models import F

from accounts.models import Account
from billing_project.kernel.locks import lock_row
from delinquency.models import Ticket
from netenforce.models import EnforcementAttempt, EnforcementTask, LineState

from . import desk

OPEN = "open"
WORDS_LENGTH = 300


@transaction.atomic
def note_parked(task_id: int) -> Ticket | None:
    """Put an order that was given up before staff, and return its ticket; None if it is no longer so.

    An account has one such ticket at a time; one for a line that should be free is urgent. Said again in the same
    words, nothing is added.
    """
    task = EnforcementTask.objects.select_related("line", "device").get(pk=task_id)
    account = lock_row(Account.objects.all(), task.line.account_id)
    task.refresh_from_db(fields=["state"])
    if task.state != EnforcementTask.State.PARKED:
        return None
    frees = task.level == OPEN
    priority = Ticket.Priority.URGENT if frees else Ticket.Priority.HIGH
    ticket = _running(account.pk)
    if ticket is None:
        subject = f"{account.name} should be free, and is not" if frees else f"{account.name}: a device does not obey"
        ticket = desk.open_ticket(account=account, kind=Ticket.Kind.NETWORK, subject=subject, priority=priority)
    _say(desk.lock_ticket(ticket), _words(task), priority)
    return ticket


def close_obeyed(account_id: int) -> Ticket | None:
    """Close an account's ticket when its devices confirm every line; None if there is none, or one still differs."""
    if _running(account_id) is None:
        return None
    with transaction.atomic():
        lock_row(Account.objects.all(), account_id)
        ticket = _running(account_id)
        states = LineState.objects.filter(line__account=account_id, device__isnull=False)
        if ticket is None or states.exclude(desired_level=F("observed_level")).exists():
            return None
        why = "The devices confirmed what the lines should be."
        return desk.close_ticket_by_hand(ticket, why, None, how=Ticket.ClosedHow.OBEYED)


def close_all_obeyed() -> int:
    """Close the tickets of all accounts whose devices have confirmed every line, and return how many."""
    rows = Ticket.objects.filter(kind=Ticket.Kind.NETWORK).exclude(state=Ticket.State.CLOSED)
    return sum(close_obeyed(account_id) is not None for account_id in rows.values_list("account_id", flat=True))


def _running(account_id: int) -> Ticket | None:
    rows = Ticket.objects.filter(account=account_id, kind=Ticket.Kind.NETWORK)
    return rows.exclude(state=Ticket.State.CLOSED).first()


def _words(task: EnforcementTask) -> str:
    last = EnforcementAttempt.objects.filter(task=task).order_by("-at", "-pk").first()
    reason = last.detail if last and last.detail else "it gave no reason."
    made = f"Device {task.device} did not make line {task.line} {task.get_level_display()!r}"
    after = "The line should be free: restore it by hand until the device obeys." if task.level == OPEN else ""
    return f"{made}, tried {task.attempts} times: {reason[:WORDS_LENGTH]} {after}".strip()


def _say(ticket: Ticket, words: str, priority: int) -> None:
    if ticket.comments.filter(text=words).exists():
        return
    ticket.priority = Ticket.Priority(max(ticket.priority, priority))
    desk.save_ticket(ticket, None, "a device does not obey", "priority")
    desk.add_line(ticket, words, None)
