"""For every cut, the proof: which notices about which invoices came before it, accepted when (A30, D9)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import StrEnum

from django.db.models import QuerySet

from accounts.models import Notice
from billing_project.kernel import clock
from delinquency.models import Event, PolicyStep, Ticket
from delinquency.rules.actions import Kind
from invoicing.models import Invoice
from netenforce.models import EnforcementTask

from .periods import Period

CUT_KINDS = (Kind.RESTRICTED, Kind.STATUS_SWITCH)
TAKEN_BACK = {str(Kind.RESTRICTED): str(Kind.RELEASED), str(Kind.STATUS_SWITCH): str(Kind.STATUS_RESTORED)}
LEVELS = {"throttle": "line slowed", "walled_garden": "payment page only", "suspend": "line suspended"}
A_DAY = timedelta(days=1)
# Letters that tell of something pleasant, or that somebody asked for, are no warning.
NO_WARNING = ("portal_link", "paid", "restored", "promise_kept", "ticket_reply", "ticket_answer")


CSV_HEAD = (
    "cut_on", "account", "name", "what", "step", "invoices", "verdict", "days_between", "ticket", "ticket_opened",
    "channel", "to", "notice", "accepted", "delivered", "provider_id",
)  # fmt: skip
CONTACT_COLUMNS = ("to",)


class Verdict(StrEnum):
    """Whether the customer was told before a cut."""

    TOLD = "told"
    SAME_DAY = "same_day"
    UNDONE = "undone"  # decided and taken back in one look: it reached no device, and nobody was billed for it
    NO_PROOF = "no_proof"


WORDS = {
    Verdict.TOLD: "told before",
    Verdict.SAME_DAY: "told the same day",
    Verdict.UNDONE: "taken back before it took effect",
    Verdict.NO_PROOF: "no proof",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A notice that was accepted, and when in the account's time."""

    notice: Notice
    accepted: datetime
    delivered: datetime | None


@dataclass(frozen=True, slots=True)
class Proof:
    """One cut, and what came before it."""

    event: Event
    what: str
    invoices: tuple[Invoice, ...]
    unpaid: tuple[tuple[str, str], ...]  # number and what was unpaid of it then
    letters: tuple[Letter, ...]  # oldest first
    tickets: tuple[Ticket, ...]
    required: str
    at: datetime  # when it was carried out, in the account's time
    verdict: Verdict

    @property
    def words(self) -> str:
        """Return the verdict in words."""
        return WORDS[self.verdict]

    @property
    def first(self) -> Letter | None:
        """Return the first warning."""
        return self.letters[0] if self.letters else None

    @property
    def days_between(self) -> int | None:
        """Return the days from the first warning to the cut; None without one."""
        return (self.event.on - self.first.accepted.date()).days if self.first else None

    @property
    def ticket(self) -> Ticket | None:
        """Return the ticket that was open first."""
        return self.tickets[0] if self.tickets else None


def proofs(period: Period) -> list[Proof]:
    """Return the cuts of a period with their proofs, newest first; a constant number of queries."""
    rows = Event.objects.filter(kind__in=CUT_KINDS, on__gte=period.first, on__lte=period.last)
    return prove(rows.order_by("-on", "-pk"))


def proof_of_event(event_id: int) -> Proof | None:
    """Return one cut with its proof, or None if that event is none."""
    found = prove(Event.objects.filter(pk=event_id, kind__in=CUT_KINDS))
    return found[0] if found else None


def prove(rows: QuerySet[Event]) -> list[Proof]:
    """Return the proofs of some cuts, in their order."""
    events = list(rows.select_related("account__company", "case", "policy_version__policy"))
    ids = {event.account_id for event in events}
    invoices, levels = _invoices(events), _levels(events)
    letters, tickets, undone = _letters(ids), _tickets(ids), _undone(events)
    found = [_proof(event, invoices, levels, letters, tickets) for event in events]
    return [replace(proof, verdict=Verdict.UNDONE) if proof.event.pk in undone else proof for proof in found]


def device_words(event: Event) -> list[str]:
    """Return when a device confirmed the cut, in words; a status switch reaches no device by itself."""
    zone = event.account.timezone
    tasks = EnforcementTask.objects.filter(
        line__account=event.account_id, restores=False, state=EnforcementTask.State.CONFIRMED,
        settled_at__gte=event.recorded_at - timedelta(minutes=1), settled_at__lt=event.recorded_at + 3 * A_DAY,
    ).select_related("device", "line").order_by("settled_at")[:3]  # fmt: skip
    return [
        f"{task.device.name} confirmed “{task.get_level_display()}” for {task.line} on"
        f" {clock.local(task.settled_at, zone):%Y-%m-%d at %H:%M}"
        for task in tasks
        if task.settled_at is not None
    ]


def csv_rows(found: Iterable[Proof]) -> Iterator[list[str]]:
    """Return proofs as rows of a file: a line for each notice, or one for a cut without any."""
    yield list(CSV_HEAD)
    for proof in found:
        event, ticket = proof.event, proof.ticket
        head = [
            str(event.on), event.account.number, event.account.name, proof.what, event.step,
            ", ".join(number for number, _unpaid in proof.unpaid), proof.words,
            "" if proof.days_between is None else str(proof.days_between), ticket.number if ticket else "",
            str(ticket.opened_on) if ticket else "",
        ]  # fmt: skip
        if not proof.letters:
            yield [*head, *[""] * 6]
        for letter in proof.letters:
            notice = letter.notice
            yield [
                *head, notice.channel, notice.to_address, notice.template,
                letter.accepted.isoformat(timespec="minutes"),
                letter.delivered.isoformat(timespec="minutes") if letter.delivered else "", notice.provider_id,
            ]  # fmt: skip


def _proof(
    event: Event,
    invoices: dict[tuple[int, str], Invoice],
    levels: dict[tuple[int, str], str],
    letters: dict[tuple[int, str], list[Notice]],
    tickets: dict[int, list[Ticket]],
) -> Proof:
    zone = event.account.timezone
    unpaid = tuple(sorted((str(number), str(sum_)) for number, sum_ in (event.facts.get("invoices") or {}).items()))
    caused = tuple(
        invoices[event.account_id, number] for number, _s in unpaid if (event.account_id, number) in invoices
    )
    anchors = [f"invoice:{row.pk}" for row in caused] + ([f"case:{event.case.number}"] if event.case else [])
    # The decision's own moment; carried out later, after an outage, it is what was recorded.
    cut_at = max(clock.instant(datetime.fromisoformat(event.local_at), zone), event.recorded_at)
    day_ends_at = clock.instant(datetime.combine(clock.local(cut_at, zone).date() + A_DAY, time.min), zone)
    told = [
        notice
        for anchor in anchors
        for notice in letters.get((event.account_id, anchor), ())
        if notice.accepted_at is not None and notice.accepted_at < day_ends_at and _reached(notice, cut_at)
    ]
    told.sort(key=lambda notice: (notice.accepted_at, notice.pk))
    required = str(event.facts.get("requires") or "")
    return Proof(
        event=event, what=_what(event, levels), invoices=caused, unpaid=unpaid, required=required,
        letters=tuple(_letter(notice, zone) for notice in told),
        tickets=tuple(_open_then(tickets.get(event.account_id, ()), cut_at)),
        at=clock.local(cut_at, zone), verdict=_verdict(told, cut_at, required),
    )  # fmt: skip


def _verdict(told: Sequence[Notice], cut_at: datetime, required: str) -> Verdict:
    """Tell whether somebody was told in time; a step that requires a notice must have had one before (D9)."""
    if any(notice.accepted_at is not None and notice.accepted_at <= cut_at for notice in told):
        return Verdict.TOLD
    return Verdict.SAME_DAY if told and not required else Verdict.NO_PROOF


def _reached(notice: Notice, cut_at: datetime) -> bool:
    """Tell whether a notice counted as accepted when the line was cut: what bounced later was accepted then."""
    if notice.state in Notice.TOLD:
        return True
    return notice.ended_at is not None and notice.ended_at > cut_at


def _letter(notice: Notice, zone: str) -> Letter:
    assert notice.accepted_at is not None
    delivered = notice.ended_at if notice.state == Notice.State.DELIVERED else None
    return Letter(notice, clock.local(notice.accepted_at, zone), clock.local(delivered, zone) if delivered else None)


def _what(event: Event, levels: dict[tuple[int, str], str]) -> str:
    if event.kind == Kind.STATUS_SWITCH:
        return "billing and service stopped"
    return LEVELS.get(levels.get((event.policy_version_id or 0, event.step), ""), "line restricted")


def _undone(events: Sequence[Event]) -> set[int]:
    """Return the cuts that were taken back in the very look that decided them: what came and went leaves no trace."""
    back = Event.objects.filter(
        account__in={event.account_id for event in events}, kind__in=TAKEN_BACK.values(),
        recorded_at__in={event.recorded_at for event in events},
    ).values_list("account_id", "kind", "recorded_at", "sequence")  # fmt: skip
    last: dict[tuple[int, str, datetime], int] = {}
    for account_id, kind, recorded_at, sequence in back:
        place = account_id, kind, recorded_at
        last[place] = max(last.get(place, 0), sequence)
    return {
        event.pk
        for event in events
        if last.get((event.account_id, TAKEN_BACK[event.kind], event.recorded_at), 0) > event.sequence
    }


def _levels(events: Sequence[Event]) -> dict[tuple[int, str], str]:
    steps = PolicyStep.objects.filter(version__in={event.policy_version_id for event in events}, action="restrict")
    return {(version_id, key): level for version_id, key, level in steps.values_list("version_id", "key", "level")}


def _open_then(rows: Iterable[Ticket], cut_at: datetime) -> list[Ticket]:
    return [row for row in rows if row.opened_at <= cut_at and (row.closed_at is None or row.closed_at > cut_at)]


def _invoices(events: Sequence[Event]) -> dict[tuple[int, str], Invoice]:
    numbers = {str(number) for event in events for number in event.facts.get("invoices") or ()}
    rows = Invoice.objects.filter(account__in={event.account_id for event in events}, number__in=numbers)
    return {(row.account_id, row.number): row for row in rows}


def _letters(ids: Iterable[int]) -> dict[tuple[int, str], list[Notice]]:
    found: dict[tuple[int, str], list[Notice]] = defaultdict(list)
    rows = Notice.objects.filter(account__in=ids, accepted_at__isnull=False).exclude(template__in=NO_WARNING)
    for row in rows.defer("body", "context").order_by("accepted_at", "pk"):
        found[row.account_id, row.anchor_key].append(row)
    return found


def _tickets(ids: Iterable[int]) -> dict[int, list[Ticket]]:
    found: dict[int, list[Ticket]] = defaultdict(list)
    rows = Ticket.objects.filter(account__in=ids, kind=Ticket.Kind.DELINQUENCY).order_by("opened_at", "pk")
    for row in rows:
        found[row.account_id].append(row)
    return found
