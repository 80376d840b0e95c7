"""What is no account but has a mark of its own: invoices, payments, tickets, charges, letters, devices."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db.models import Model, Q

from accounts.models import InboundMessage, Notice
from delinquency.models import Ticket
from delinquency.rules.search_terms import Term
from invoicing.models import GatewayEvent, Invoice, Payment, PaymentAttempt, RefundAttempt, SourcePage
from netenforce.models import Device

from .hits import Hit, best_of, read

EXACT, BEGINNING, PART = range(3)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of rows that can be found, and how; ``fields`` are read with them for showing."""

    model: type[Model]
    title: str
    find: Callable[[Term], Iterator[Hit]]
    related: tuple[str, ...] = ("account",)

    def found(self, term: Term) -> dict[int, Hit]:
        """Return the rows found, the surest first."""
        return best_of(self.find(term))


def _invoices(term: Term) -> Iterator[Hit]:
    for pk, number in read(Invoice.objects.filter(number__istartswith=term.text), "pk", "number"):
        whole = number.upper() == term.text.upper()
        yield Hit(pk, EXACT if whole else BEGINNING, "invoice number", whole)


def _payments(term: Term) -> Iterator[Hit]:
    for pk, reference in read(Payment.objects.filter(reference__istartswith=term.text), "pk", "reference"):
        whole = reference.upper() == term.text.upper()
        yield Hit(pk, EXACT if whole else BEGINNING, "reference", whole)


def _tickets(term: Term) -> Iterator[Hit]:
    numbers = {term.text.lstrip("# ").upper()}
    if term.ticket is not None:
        numbers |= {f"T-{term.ticket:06d}", f"T-{term.ticket}"}
    for (pk,) in read(Ticket.objects.filter(number__in=numbers), "pk"):
        yield Hit(pk, EXACT, "ticket number", True)


def _attempts(term: Term) -> Iterator[Hit]:
    marks = Q(provider_id=term.text) | Q(page_id=term.text) | Q(key=term.text)
    for (pk,) in read(PaymentAttempt.objects.filter(marks), "pk"):
        yield Hit(pk, EXACT, "id at the gateway", True)


def _refunds(term: Term) -> Iterator[Hit]:
    for (pk,) in read(RefundAttempt.objects.filter(Q(provider_id=term.text) | Q(key=term.text)), "pk"):
        yield Hit(pk, EXACT, "id at the gateway", True)


def _source_pages(term: Term) -> Iterator[Hit]:
    for (pk,) in read(SourcePage.objects.filter(Q(page_id=term.text) | Q(key=term.text)), "pk"):
        yield Hit(pk, EXACT, "id at the gateway", True)


def _reports(term: Term) -> Iterator[Hit]:
    for pk, event in read(
        GatewayEvent.objects.filter(Q(event_id=term.text) | Q(object_id=term.text)), "pk", "event_id"
    ):
        # What a report is about is what was meant; the report itself is meant only by its own id.
        yield Hit(pk, EXACT if event == term.text else PART, "id at the gateway", event == term.text)


def _notices(term: Term) -> Iterator[Hit]:
    for (pk,) in read(Notice.objects.filter(provider_id=term.text).exclude(provider_id=""), "pk"):
        yield Hit(pk, EXACT, "id at the provider", True)


def _received(term: Term) -> Iterator[Hit]:
    for (pk,) in read(InboundMessage.objects.filter(provider_id=term.text), "pk"):
        yield Hit(pk, EXACT, "id at the provider", True)


def _devices(term: Term) -> Iterator[Hit]:
    named = Q(name__icontains=term.text) | Q(host__istartswith=term.text)
    for pk, name, host in read(Device.objects.filter(named), "pk", "name", "host"):
        whole = term.text.upper() in (name.upper(), host.upper())
        yield Hit(pk, EXACT if whole else PART, "name" if term.text.upper() in name.upper() else "address", whole)


KINDS = (
    Kind(Invoice, "Invoices", _invoices, ("account__company",)),
    Kind(Payment, "Payments", _payments, ("account__company",)),
    Kind(Ticket, "Tickets", _tickets, ("account", "owner")),
    Kind(PaymentAttempt, "Charge attempts", _attempts, ("account__company",)),
    Kind(RefundAttempt, "Refunds", _refunds, ("payment__account__company",)),
    Kind(SourcePage, "Pages to add a card", _source_pages),
    Kind(GatewayEvent, "Gateway reports", _reports, ()),
    Kind(Notice, "Notices", _notices),
    Kind(InboundMessage, "Messages received", _received),
    Kind(Device, "Devices", _devices, ()),
)
