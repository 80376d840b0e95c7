"""Run macros: several things at once, all or none; and try them, to say beforehand what they will do (H7)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import transaction
from django.db.models import F

from accounts.models import User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import Macro, MacroAction, Promise, Ticket
from delinquency.rules.desk import day_words, next_weekday

from . import desk
from .desk_replies import Then, reply
from .desk_texts import count_use, filled
from .promises import promise_to_pay

Does = MacroAction.Does
# What a user must be allowed to do apart from working on tickets, by action.
NEEDS = {
    Does.REPLY: "delinquency.reply_ticket",
    Does.PROMISE_IN: "delinquency.grant_grace",
    Does.PROMISE_ON: "delinquency.grant_grace",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """What a macro would do, and why it would not."""

    words: tuple[str, ...]
    refused: str = ""


def may_run(macro: Macro, user: User) -> bool:
    """Tell whether a user may do everything that a macro does."""
    return all(user.has_perm(NEEDS[Does(step.does)]) for step in macro.actions.all() if Does(step.does) in NEEDS)


def promise_day(actions: Iterable[MacroAction], today: date) -> date | None:
    """Return the day that a macro's promise is for, if it notes one."""
    for step in actions:
        if step.does == Does.PROMISE_IN and step.days:
            return today + timedelta(days=step.days)
        if step.does == Does.PROMISE_ON and step.weekday is not None:
            return next_weekday(today, step.weekday)
    return None


@transaction.atomic
def run_macro(macro: Macro, ticket: Ticket, by: User, *, seen: int | None = None) -> tuple[str, ...]:
    """Do everything that a macro says to a ticket, in order, and return it in words; one refusal undoes all of it."""
    if not may_run(macro, by):
        raise Refused("macro_not_allowed", f"“{macro}” does something that you may not do; ask whoever may.")
    actions = list(macro.actions.select_related("canned", "queue"))
    if not actions:
        raise Refused("macro_empty", f"“{macro}” does nothing yet; give it actions.")
    # Closed tickets are opened first where the macro says so; all others must be running.
    locked = desk.lock_ticket(ticket) if actions[0].does == Does.OPEN else desk.lock_running(ticket, seen=seen, by=by)
    promised_on = promise_day(actions, clock.today(locked.account.timezone))
    done = tuple(_do(step, locked, by, promised_on) for step in actions)
    Macro.objects.filter(pk=macro.pk).update(used_count=F("used_count") + 1)
    return done


def try_macro(macro: Macro, ticket: Ticket, by: User) -> Trial:
    """Run a macro and take all of it back, to say what it would do, or why not."""
    try:
        with transaction.atomic():
            words = run_macro(macro, ticket, by)
            transaction.set_rollback(True)
    except Refused as refusal:
        return Trial((), refusal.words)
    return Trial(words)


def _do(step: MacroAction, ticket: Ticket, by: User, promised_on: date | None) -> str:
    """Do one action, and return it in words."""
    match step.does:
        case Does.REPLY:
            return _reply(step, ticket, by, promised_on)
        case Does.PROMISE_IN | Does.PROMISE_ON:
            assert promised_on is not None  # a constraint says that these have days or a weekday
            return _promise(ticket, by, promised_on)
        case Does.NOTE:
            desk.comment_on_ticket(ticket, step.text, by)
            return f"note “{step.text}”"
        case Does.PRIORITY:
            desk.set_priority(ticket, step.priority or Ticket.Priority.NORMAL, by)
            return f"set the priority to {step.get_priority_display()}"
        case Does.QUEUE:
            desk.hand_over(ticket, by, queue=step.queue, note=step.text)
            return f"hand it over to {step.queue}, with the account's state attached"
        case Does.TAKE:
            desk.take_ticket(ticket, by)
            return "make it yours"
        case Does.WAIT:
            return _wait(step, ticket, by, promised_on)
        case Does.OPEN:
            desk.open_again(ticket, step.text or "there is more to do.", by)
            return "open it again"
        case _:
            desk.close_ticket_by_hand(ticket, step.text, by)
            return f"close it: {step.text}"


def _reply(step: MacroAction, ticket: Ticket, by: User, promised_on: date | None) -> str:
    assert step.canned is not None  # a constraint says so
    text = filled(step.canned, ticket, by, promised_on)
    line = reply(ticket, text, by, then=Then.STAY)
    count_use(step.canned)
    channel = {"email": "e-mail", "sms": "SMS"}.get(line.channel, line.channel)
    address = line.notice.to_address if line.notice else ""
    return f"answer by {channel} to {address}: “{text}”"


def _promise(ticket: Ticket, by: User, promised_on: date) -> str:
    last = ticket.comments.filter(direction=desk.Direction.IN).order_by("-at", "-pk").first()
    channels = set(Promise.Channel.values)
    channel = last.channel if last is not None and last.channel in channels else Promise.Channel.PHONE
    promise = promise_to_pay(
        account=ticket.account, pay_by_on=promised_on, by=by, channel=channel, note=f"Ticket {ticket.number}"
    )
    return f"note a promise to pay {promise.promised:,.2f} by {day_words(promised_on)}"


def _wait(step: MacroAction, ticket: Ticket, by: User, promised_on: date | None) -> str:
    """Wait for so many days; after a promise, until the day after it."""
    today = clock.today(ticket.account.timezone)
    until = today + timedelta(days=step.days) if step.days else None
    if until is None and promised_on is not None:
        until = promised_on + timedelta(days=1)
    desk.wait_for_customer(ticket, by, until_on=until, why=step.text)
    return f"wait for the customer until {day_words(until)}" if until else "wait for the customer"
