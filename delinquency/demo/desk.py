"""A lively ticket desk: what customers wrote these days, and what staff made of it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.contrib.auth.models import Group

from accounts.models import Account, User
from accounts.outreach.dispatch import dispatch_notices
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import Macro, Ticket, TicketQueue
from delinquency.operations import desk
from delinquency.operations.desk_macros import run_macro
from delinquency.operations.desk_merge import merge_ticket
from delinquency.operations.desk_replies import Then, customer_wrote, reply
from delinquency.operations.desk_unreachable import note_unreachable

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PEOPLE = {"Billing": "Billing clerks", "Support": "Support"}
Kind, Priority = Ticket.Kind, Ticket.Priority


def staff_the_queues(zone: str) -> None:
    """Put the groups into the queues that ship with the program, and these into the town's zone."""
    for name, group_name in PEOPLE.items():
        for queue in TicketQueue.objects.filter(name=name):
            queue.timezone = zone
            queue.save(update_fields=["timezone"])
            queue.groups.set(Group.objects.filter(name=group_name))


class Desk:
    """Plays what happened at the desk up to now."""

    def __init__(self, now: datetime) -> None:
        """Take the town's staff, and the tickets that its policies opened."""
        self.now = now
        self.casey, self.sandy = User.objects.get(username="clerk"), User.objects.get(username="support")
        opened = Ticket.objects.filter(state=Ticket.State.OPEN, kind=Kind.DELINQUENCY).select_related("account")
        # Those that have been open for some days come first: about them something was said.
        rows = list(opened.order_by("-opened_at", "pk"))
        self.unpaid = sorted(rows, key=lambda ticket: ticket.opened_at > now - 5 * DAY)
        quiet = Account.objects.filter(contacts__email__gt="", tickets__isnull=True).order_by("number")
        self.others = list(quiet[:12])

    def play(self) -> None:
        """Let everything happen, each thing at its time; a small town has fewer of them."""
        stories: list[tuple[list[Ticket], Callable[[Ticket], None]]] = [
            (self.unpaid[:1], self._promises), (self.unpaid[1:2], self._paid_by_bank),
            (self.unpaid[2:3], self._asks_again), (self.unpaid[3:4], self._taken),
        ]  # fmt: skip
        for tickets, story in stories:
            for ticket in tickets:
                story(ticket)
        for place, ticket in enumerate(self.unpaid[4:]):
            self._called(ticket, self.sandy if place % 3 else self.casey)
        for account, question in zip(self.others, self._questions(), strict=False):
            question(account)
        with clock.at(self.now):
            dispatch_notices(self.now)

    def _at(self, ago: timedelta, do: Callable[[], object]) -> None:
        with clock.at(self.now - ago):
            do()
            dispatch_notices(self.now - ago)

    # --- about unpaid accounts --------------------------------------------------------------------------------

    def _promises(self, ticket: Ticket) -> None:
        self._at(20 * HOUR, lambda: customer_wrote(
            ticket, "Hi, I get paid on Friday and will pay all of it then. Please don't slow the line down further.",
            contact=ticket.customer_contact, channel="email"))  # fmt: skip
        macro = Macro.objects.filter(name="Promises to pay Friday").first()
        if macro is not None:
            self._at(18 * HOUR, lambda: _unless_refused(lambda: run_macro(macro, ticket, self.casey)))

    def _paid_by_bank(self, ticket: Ticket) -> None:
        self._at(30 * HOUR, lambda: desk.take_ticket(ticket, self.casey))
        self._at(29 * HOUR, lambda: customer_wrote(
            ticket, "I sent the transfer on Tuesday, it should be there any day.",
            contact=ticket.customer_contact, channel="sms"))  # fmt: skip
        macro = Macro.objects.filter(name="Paid by bank, waiting").first()
        if macro is not None:
            self._at(28 * HOUR, lambda: _unless_refused(lambda: run_macro(macro, ticket, self.casey)))

    def _asks_again(self, ticket: Ticket) -> None:
        self._at(4 * DAY, lambda: customer_wrote(
            ticket, "Why is my internet slow? I paid last month.", contact=ticket.customer_contact, channel="email",
        ))  # fmt: skip
        self._at(2 * DAY, lambda: customer_wrote(
            ticket, "Hello? Nobody has answered. I work from home and need this.",
            contact=ticket.customer_contact, channel="email"))  # fmt: skip
        self._at(2 * DAY, lambda: desk.set_priority(ticket, Priority.URGENT, self.sandy))

    def _taken(self, ticket: Ticket) -> None:
        self._at(5 * HOUR, lambda: desk.take_ticket(ticket, self.casey))
        self._at(4 * HOUR, lambda: desk.comment_on_ticket(
            ticket, "Called twice, nobody picked up. Trying again after 17:00.", self.casey))  # fmt: skip

    def _called(self, ticket: Ticket, by: User) -> None:
        """Let staff call about a ticket some hours after it was opened; what opened today still waits for them."""
        called_at = ticket.opened_at + 4 * HOUR
        if called_at > self.now - DAY:
            return
        with clock.at(called_at):
            desk.take_ticket(ticket, by)
            desk.comment_on_ticket(ticket, "Called and left a message with the amount and the link to pay.", by)
            desk.wait_for_customer(ticket, by)

    # --- everything else --------------------------------------------------------------------------------------

    def _questions(self) -> list[Callable[[Account], None]]:
        return [
            self._wants_paper, self._disputes, self._merged, self._answered_and_closed, self._moving,
            self._unreachable, self._plain("Can the invoice go to my accountant as well?", 3 * HOUR),
            self._plain("What would 1 Gbit/s cost me?", 50 * HOUR), self._handed_over,
            self._plain("The invoice shows my old address.", 26 * HOUR),
        ]  # fmt: skip

    def _asked(self, account: Account, subject: str, text: str, ago: timedelta, kind: str = Kind.QUESTION) -> Ticket:
        with clock.at(self.now - ago):
            ticket = desk.open_ticket(account=account, subject=subject, kind=kind)
            customer_wrote(ticket, text, contact=ticket.customer_contact, channel="email")
        return ticket

    def _plain(self, subject: str, ago: timedelta) -> Callable[[Account], None]:
        def ask(account: Account) -> None:
            self._asked(account, subject, f"{subject} Thanks, {account.name}", ago)

        return ask

    def _wants_paper(self, account: Account) -> None:
        ticket = self._asked(account, "Wants the invoice by post", "Could you post me the invoice? I have no printer.",
                             7 * HOUR)  # fmt: skip
        self._at(6 * HOUR, lambda: desk.take_ticket(ticket, self.sandy))
        self._at(5 * HOUR, lambda: reply(
            ticket, "Of course. It goes out with tomorrow's post. Is the address on the account right?", self.sandy,
            then=Then.WAIT, wait_until_on=clock.today(account.timezone) + 6 * DAY))  # fmt: skip

    def _disputes(self, account: Account) -> None:
        ticket = self._asked(
            account, "Charged for a router that was sent back",
            "The last invoice has a router on it. I sent it back in May and have the receipt.", 9 * HOUR, Kind.DISPUTE,
        )  # fmt: skip
        self._at(8 * HOUR, lambda: desk.set_priority(ticket, Priority.HIGH, self.casey))
        self._at(8 * HOUR, lambda: desk.comment_on_ticket(
            ticket, "Warehouse confirms that it came back. Credit it, or ask Avery first?", self.casey))  # fmt: skip
        self._at(8 * HOUR, lambda: desk.watch(ticket, self.sandy))

    def _merged(self, account: Account) -> None:
        first = self._asked(account, "Cannot log in to the portal", "The link you sent does not work.", 28 * HOUR)
        again = self._asked(account, "Portal link", "Tried again today: the link says it is too old.", 4 * HOUR)
        self._at(3 * HOUR, lambda: desk.take_ticket(first, self.sandy))
        self._at(3 * HOUR, lambda: merge_ticket(again, first, self.sandy))

    def _answered_and_closed(self, account: Account) -> None:
        ticket = self._asked(account, "When is the next bill?", "When will I be billed next?", 3 * DAY)
        self._at(3 * DAY - HOUR, lambda: reply(
            ticket, "On your usual bill day; you can see it in the portal as well.", self.sandy,
            then=Then.CLOSE))  # fmt: skip

    def _moving(self, account: Account) -> None:
        ticket = self._asked(account, "Moves house in three weeks", "We move. Can we take the line with us?", 5 * DAY)
        self._at(4 * DAY, lambda: reply(
            ticket, "Yes. Tell us the new address and the day, and we will do the rest.", self.sandy,
            then=Then.WAIT))  # fmt: skip

    def _unreachable(self, account: Account) -> None:
        contact = account.contacts.filter(is_billing_contact=True).first()
        if contact is None:
            return
        contact.email_allowed = contact.sms_allowed = contact.voice_allowed = False
        contact.save()
        self._at(6 * HOUR, lambda: note_unreachable(
            [account.pk], f"{contact.name} has asked not to be written to by any channel: find another contact.",
        ))  # fmt: skip

    def _handed_over(self, account: Account) -> None:
        ticket = self._asked(account, "Two invoices in one month?", "Why did I get two invoices this month?", 2 * HOUR)
        billing = TicketQueue.objects.filter(name="Billing").first()
        if billing is not None:
            self._at(HOUR, lambda: desk.hand_over(ticket, self.sandy, queue=billing, note="about a double invoice"))


def _unless_refused(do: Callable[[], object]) -> None:
    """Do something that a limit may stand against: in a small town some account may be used up already."""
    try:
        do()
    except Refused:
        return
