"""Calls of the last days, so that the list shows every hour and outcome; and a question asked in the portal."""

import uuid
from collections.abc import Callable
from datetime import datetime, time, timedelta

from accounts.models import Account, Contact, User
from accounts.outreach.dispatch import dispatch_notices
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import CallTask, Ticket
from delinquency.operations.calls import log_call
from delinquency.operations.desk_portal import answer, ask
from delinquency.operations.desk_replies import Then, reply

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AFTERNOON = time(15, 10)
BOOKKEEPERS = (
    ("Ida Larkmead, bookkeeper", "America/Los_Angeles"), ("Keoni Hale, bookkeeper", "Pacific/Honolulu"),
    ("Pilar Soto, bookkeeper", "Europe/Madrid"),
)  # fmt: skip


class Calls:
    """Plays what staff said and heard on the phone up to now."""

    def __init__(self, now: datetime) -> None:
        """Take the calls that policies asked for, oldest first, and who makes them."""
        self.now = now
        self.sandy = User.objects.get(username="support")
        waiting = CallTask.objects.filter(outcome=CallTask.Outcome.WAITING, contact__isnull=False)
        self.tasks = list(waiting.select_related("contact__account__company", "account").order_by("due_on", "pk"))

    def play(self) -> None:
        """Let the calls be made that were, each at its time; some wait, and some were missed."""
        self._far_away()
        stories: tuple[tuple[str, str, int], ...] = (
            ("voicemail", "Asked to be called back.", 2),
            ("reached", "Says the invoice is with the accountant; pays next week.", 3),
            ("no_answer", "", 1),
        )
        # The last asked for come first: what was missed long ago stays missed.
        for task, (outcome, note, days_ago) in zip(reversed(self.tasks[2:]), stories, strict=False):
            self._call(task, outcome, note, days_ago)
        self._called_us()
        self._asked_in_portal()
        with clock.at(self.now):
            dispatch_notices(self.now)

    def _far_away(self) -> None:
        """Let some calls be to a bookkeeper in another part of the world: theirs is another hour."""
        for task, (name, zone) in zip(self.tasks, BOOKKEEPERS, strict=False):
            phone = task.contact.phone if task.contact else ""
            task.contact = Contact.objects.create(
                account=task.account, name=name, phone=phone, timezone=zone, sms_allowed=False
            )
            task.save(update_fields=["contact"])

    def _call(self, task: CallTask, outcome: str, note: str, days_ago: int) -> None:
        contact, zone = task.contact, task.account.timezone
        if contact is not None:
            day = clock.local(self.now, zone).date() - days_ago * DAY
            at = clock.instant(datetime.combine(day, AFTERNOON), zone)
            _unless_refused(
                lambda: self._at(self.now - at, lambda: log_call(contact, outcome, by=self.sandy, note=note))
            )

    def _called_us(self) -> None:
        """Let two late customers call, who were not on the list."""
        late = Ticket.objects.filter(kind=Ticket.Kind.DELINQUENCY, state=Ticket.State.OPEN)
        rows = late.filter(customer_contact__phone__gt="").exclude(account__call_tasks__in=self.tasks)
        for ticket, note in zip(rows.select_related("customer_contact__account__company").order_by("-number"),
                                ("Paid by bank this morning.", "Asked what is open; sent a link."),
                                strict=False):  # fmt: skip
            contact = ticket.customer_contact
            if contact is not None:
                log = _noted(contact, self.sandy, note, ticket)
                self._at(5 * HOUR, log)

    def _asked_in_portal(self) -> None:
        account = (
            Account.objects.filter(tickets__isnull=True, contacts__is_billing_contact=True, contacts__email__gt="")
            .order_by("-number")
            .first()
        )
        if account is None:
            return
        asked: list[Ticket] = []
        self._at(28 * HOUR, lambda: asked.append(ask(
            account, "Slower in the evening", "Between eight and ten films stop. Is that my line or yours?",
            once=uuid.uuid4())))  # fmt: skip
        ticket = asked[0]
        self._at(26 * HOUR, lambda: _unless_refused(lambda: reply(
            ticket, "There was work on the mast until Tuesday. Is it better since then?", self.sandy, then=Then.WAIT,
        )))  # fmt: skip
        self._at(2 * HOUR, lambda: answer(ticket, "Much better, thank you.", once=uuid.uuid4()))

    def _at(self, ago: timedelta, do: Callable[[], object]) -> None:
        with clock.at(self.now - ago):
            do()
            dispatch_notices(self.now - ago)


def _noted(contact: Contact, by: User, note: str, ticket: Ticket) -> Callable[[], object]:
    return lambda: log_call(contact, "reached", by=by, note=note, inbound=True, ticket=ticket)


def _unless_refused(do: Callable[[], object]) -> None:
    """Do something that a limit may stand against, such as a call in the middle of the night."""
    try:
        do()
    except Refused:
        return
