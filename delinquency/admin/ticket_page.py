"""One ticket on one page: what was said, the box to answer in, and the account beside it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import Prefetch
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from accounts.admin.base import BAD, GOOD, NOTE, QUIET, WARN, badge, local_time, staff_user
from accounts.admin.confirm import DayField
from accounts.admin.field_help import DeskForm
from accounts.models import InboundAttachment, Notice, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import CannedReply, Macro, Ticket, TicketComment, TicketQueue
from delinquency.operations import desk
from delinquency.operations.desk_macros import may_run
from delinquency.operations.desk_merge import why_not_unmerged
from delinquency.operations.desk_replies import Then, Way, reply, usual_way, ways_to
from delinquency.operations.desk_texts import contact_of, count_use, filled
from delinquency.rules.desk import Pace, day_words, due
from delinquency.ticketing import others_on

from .panel import account_panel

STATE_TONES = {"open": WARN, "waiting": NOTE, "closed": QUIET}
PRIORITY_TONES = {1: QUIET, 2: QUIET, 3: WARN, 4: BAD}
PACE_TONES = {Pace.NONE: QUIET, Pace.IN_TIME: GOOD, Pace.SOON: WARN, Pace.LATE: BAD}
DELIVERY_TONES = {
    "queued": NOTE, "claimed": NOTE, "sending": NOTE, "accepted": GOOD, "delivered": GOOD, "ambiguous": WARN,
}  # fmt: skip
# The newest lines are shown at once; what came before can be unfolded.
LINES_SHOWN = 25
REPLY, NOTE_TO_SELF = "reply", "note"


@dataclass(frozen=True, slots=True)
class File:
    """A file that came with a letter; without an address it is only named."""

    name: str
    url: str
    size: str
    refused_why: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the conversation, ready to be shown."""

    side: str
    who: str
    what: str
    at: SafeString | str
    text: str
    delivery: SafeString | str
    notice_url: str
    moved_from: str
    files: tuple[File, ...]


class ComposeForm(DeskForm):
    """The box at the foot of a ticket."""

    kind = forms.ChoiceField(
        choices=[(REPLY, "Reply to the customer"), (NOTE_TO_SELF, "Internal note")],
        widget=forms.RadioSelect, initial=REPLY, label="What it is",
    )  # fmt: skip
    canned = forms.ModelChoiceField(
        CannedReply.objects.none(), required=False, empty_label="– none –", label="Canned reply",
        help_text="“Insert” puts it into the text below, filled for this account; change it as you like.",
    )  # fmt: skip
    text = forms.CharField(widget=forms.Textarea(attrs={"rows": 7}), required=False, label="Text")
    channel = forms.ChoiceField(widget=forms.RadioSelect, required=False, label="Goes by")
    wait_until = DayField(
        required=False, label="Wait until",
        help_text="Only for “and wait”: it opens again by itself on this day. Blank: until the customer writes.",
    )  # fmt: skip
    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, ticket: Ticket, user: User) -> None:
        self.ticket, self.user = ticket, user
        self.contact = contact_of(ticket)
        self.ways = ways_to(self.contact)
        usual = usual_way(ticket, self.ways)
        may_reply = user.has_perm("delinquency.reply_ticket") and usual is not None
        initial = {
            "version": ticket.version, "channel": usual.channel if usual else "",
            "kind": REPLY if may_reply else NOTE_TO_SELF,
        }  # fmt: skip
        super().__init__(data, initial=initial)
        fields: Any = self.fields
        fields["canned"].queryset = offered(CannedReply.objects.all(), ticket.queue)
        fields["channel"].choices = [(way.channel, way.words) for way in self.ways if not way.refused_why]
        if not may_reply:
            fields["kind"].choices = fields["kind"].choices[1:]

    @property
    def closed_ways(self) -> list[Way]:
        """Return the channels that cannot be used, each with its reason."""
        return [way for way in self.ways if way.refused_why]

    def inserted(self) -> "ComposeForm":
        """Return the form with the chosen canned reply at the end of its text."""
        data: Any = dict(self.data.items())
        canned = CannedReply.objects.filter(pk=desk_key(data.get("canned"))).first()
        if canned is not None:
            text = filled(canned, self.ticket, self.user)
            data["text"] = f"{data.get('text', '').rstrip()}\n\n{text}".strip()
            count_use(canned)
        return ComposeForm(data, ticket=self.ticket, user=self.user)

    def refreshed(self) -> "ComposeForm":
        """Return the form as it was sent, for the ticket's present version: what was written is kept."""
        data: Any = dict(self.data.items())
        data["version"] = self.ticket.version
        again = ComposeForm(data, ticket=self.ticket, user=self.user)
        again.is_valid()
        return again

    def carry_out(self, then: str) -> str:
        """Send the answer or add the note, and do what is to follow; return what was done. Raises Refused."""
        data = self.cleaned_data
        seen, text = data["version"], data["text"]
        if data["kind"] == REPLY:
            if not self.user.has_perm("delinquency.reply_ticket"):
                raise Refused("may_not_reply", "You may not write to customers; leave a note for whoever may.")
            line = reply(
                self.ticket, text, self.user, channel=data["channel"], then=then, wait_until_on=data["wait_until"],
                seen=seen,
            )  # fmt: skip
            address = line.notice.to_address if line.notice else "the customer"
            return f"Your answer to {address} is on its way{FOLLOWS[then]}."
        if then == Then.CLOSE:
            if not text.strip():
                raise Refused("empty_comment", "Say in the note why the ticket is closed.")
            desk.close_ticket_by_hand(self.ticket, text, self.user, seen=seen)
        elif then == Then.WAIT:
            desk.wait_for_customer(self.ticket, self.user, until_on=data["wait_until"], why=text, seen=seen)
        else:
            desk.comment_on_ticket(self.ticket, text, self.user, seen=seen)
        return f"Noted{FOLLOWS[then]}."


FOLLOWS: dict[str, str] = {Then.STAY: "", Then.WAIT: ", and the ticket waits", Then.CLOSE: ", and the ticket is closed"}


def offered(rows: Any, queue: TicketQueue) -> Any:
    """Return the canned replies or macros that a queue's tickets are offered."""
    return (rows.filter(queues__isnull=True) | rows.filter(queues=queue)).distinct()


def desk_key(text: object) -> int:
    """Return the key that a form sent, or 0."""
    return int(str(text)) if str(text).isdigit() else 0


def due_badge(ticket: Ticket, now: datetime | None = None) -> SafeString:
    """Return how the ticket stands against its deadline, in words and colour."""
    if ticket.state == Ticket.State.CLOSED:
        return badge("closed", STATE_TONES["closed"])
    if ticket.state == Ticket.State.WAITING:
        until = f" until {day_words(ticket.waiting_until)}" if ticket.waiting_until else " for the customer"
        return badge(f"waits{until}", STATE_TONES["waiting"])
    if ticket.owed_since_at is not None and ticket.answer_due_at is None:
        return badge("open, no deadline", QUIET)
    found = due(ticket.answer_due_at, now or clock.now())
    return badge(found.words, PACE_TONES[found.pace])


def page_context(request: HttpRequest, ticket: Ticket, form: ComposeForm | None) -> dict[str, Any]:
    """Return what the page of a ticket shows."""
    user, now = staff_user(request), clock.now()
    may_open = user.has_perm("accounts.view_inboundmessage")
    lines = [_line(row, ticket.account.timezone, may_open) for row in _rows(ticket)]
    may_work = user.has_perm("delinquency.work_ticket")
    return {
        "ticket": ticket,
        "panel": account_panel(ticket.account, story_rows=5, user=user, back=request.path),
        "earlier": lines[:-LINES_SHOWN], "lines": lines[-LINES_SHOWN:],
        "form": form if may_work and not ticket.is_closed else None,
        "due": due_badge(ticket, now), "due_at": local_time(ticket.answer_due_at, ticket.account.timezone),
        "state": badge(ticket.get_state_display(), STATE_TONES[ticket.state]),
        "priority": badge(f"{ticket.get_priority_display()} priority", PRIORITY_TONES[ticket.priority]),
        "opened": local_time(ticket.opened_at, ticket.account.timezone),
        "closed": local_time(ticket.closed_at, ticket.account.timezone),
        "others": [presence_words(view, ticket) for view in others_on(ticket, user, now)],
        "may_work": may_work, "may_merge": user.has_perm("delinquency.merge_ticket"),
        "may_promise": user.has_perm("delinquency.grant_grace"),
        "mine": ticket.owner_id == user.pk,
        "watching": ticket.watchers.filter(pk=user.pk).exists(),
        "watchers": [desk.name_of(who) for who in ticket.watchers.all()],
        "priorities": Ticket.Priority.choices,
        "queues": TicketQueue.objects.all(),
        "colleagues": colleagues(),
        "macros": [
            macro
            for macro in offered(Macro.objects.prefetch_related("actions"), ticket.queue).order_by("position", "name")
            if may_run(macro, user)
        ],
        "merged": list(ticket.merged.all()),
        "may_unmerge": ticket.merged_into_id is not None and not why_not_unmerged(ticket),
        "promise_url": f"{reverse('admin:accounts_account_promise', args=[ticket.account_id])}?ticket={ticket.pk}",
        "zone": ticket.account.timezone,
    }  # fmt: skip


def colleagues() -> list[tuple[int, str]]:
    """Return who tickets can be handed to: staff who may work on them."""
    rows = User.objects.filter(is_active=True, is_staff=True).order_by("first_name", "username")
    return [(row.pk, desk.name_of(row)) for row in rows if row.has_perm("delinquency.work_ticket")]


def presence_words(view: Any, ticket: Ticket) -> str:
    """Say who else has the ticket open, since when, and what they are writing."""
    since = clock.local(view.since_at, ticket.account.timezone)
    draft = f" and is writing: “{view.draft}”" if view.draft else ""
    return f"{desk.name_of(view.user)} has had this open since {since:%H:%M}{draft}"


def changed_words(ticket: Ticket, seen: int, user: User) -> list[str]:
    """Say what others have added to a ticket since the version that a user has seen."""
    return [
        f"{desk.name_of(row.author) if row.author else row.contact or 'The program'}: {row.text[:300]}"
        for row in desk.changes_since(ticket, seen, user)
    ]


def _rows(ticket: Ticket) -> Any:
    rows = ticket.comments.select_related("author", "contact", "notice", "moved_from", "inbound")
    files = InboundAttachment.objects.defer("content")  # names only: the contents stay where they are
    return rows.prefetch_related(Prefetch("inbound__attachments", files))


def _line(row: TicketComment, zone: str, may_open: bool) -> Line:
    by = {"email": "e-mail", "sms": "SMS", "portal": "the portal", "voice": "phone"}.get(row.channel, row.channel)
    match row.direction:
        case TicketComment.Direction.IN:
            who, what = str(row.contact or "The customer"), f"wrote by {by}" if by else "wrote"
        case TicketComment.Direction.OUT:
            who, what = desk.name_of(row.author), f"answered by {by}" if by else "answered"
        case TicketComment.Direction.NOTE:
            who = desk.name_of(row.author)
            what = "noted, for staff only" if row.internal else "noted; the customer may read it"
        case _:
            who, what = "", ""
    notice = row.notice
    return Line(
        side=row.direction, who=who, what=what, at=local_time(row.at, zone), text=row.text,
        delivery=_delivery(notice, zone) if notice else "",
        notice_url=reverse("admin:accounts_notice_change", args=[notice.pk]) if notice else "",
        moved_from=row.moved_from.number if row.moved_from else "",
        files=_files(row, may_open),
    )  # fmt: skip


def _files(row: TicketComment, may_open: bool) -> tuple[File, ...]:
    """Return the files that came with a letter: where each is downloaded, or why it was not kept."""
    if row.inbound is None:
        return ()
    found = []
    for file in row.inbound.attachments.all():
        url = reverse("admin:accounts_inboundmessage_file", args=[row.inbound_id, file.pk])
        shown = url if may_open and not file.refused_why else ""
        found.append(File(file.name, shown, f"{max(file.size // 1024, 1)} kB", file.refused_why))
    return tuple(found)


def _delivery(notice: Notice, zone: str) -> SafeString:
    """Say what became of a letter; one that waits for a decent hour says until when."""
    words = f"{notice.get_state_display()}, to {notice.to_address}"
    if notice.state == Notice.State.QUEUED and notice.due_at > clock.now():
        words = f"goes out {clock.local(notice.due_at, zone):%a %d %b %H:%M}, to {notice.to_address}"
    return badge(words, DELIVERY_TONES.get(notice.state, BAD))
