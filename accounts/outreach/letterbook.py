"""Pure: every letter that the program writes, and every variable that its text may use.

Texts are flat: a variable is a name and a text, never an object. Amounts are digits without their currency
("84.50"), days are written as ISO dates, so that they read the same in every language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

CHANNELS = ("email", "sms", "voice")
LANGUAGES = {"en": "English", "es": "Spanish"}


class Urgency(StrEnum):
    """How much a letter matters, which decides what may hold it back."""

    ASKED_FOR = "asked_for"  # somebody asked for it a moment ago and waits: any hour will do
    COURTESY = "courtesy"  # pleasant to have; if one way is closed, no other is tried
    NEEDED = "needed"  # the customer must be told, by another way if one is closed


@dataclass(frozen=True, slots=True)
class Variable:
    """A text that a template may use: what it holds, and an example that looks like the real thing."""

    name: str
    words: str
    example: str
    example_es: str = ""

    def example_in(self, language: str) -> str:
        """Return the example as a customer of that language would read it."""
        return self.example_es if language == "es" and self.example_es else self.example


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterKind:
    """One letter: what staff call it, when it is written, and what its text may say.

    ``needs`` must be given by whoever writes the letter; every other variable may be left out and is then blank.
    """

    key: str
    title: str
    when: str
    urgency: Urgency = Urgency.NEEDED
    extra: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    channels: tuple[str, ...] = CHANNELS

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Return the variables its text may use: what every letter knows, then its own."""
        names = dict.fromkeys((*ALWAYS, *MONEY, *self.extra))
        return tuple(VARIABLES[name] for name in names)

    @property
    def names(self) -> frozenset[str]:
        """Return the names of the variables its text may use."""
        return frozenset((*ALWAYS, *MONEY, *self.extra))


_VARIABLES = (
    Variable("contact_name", "the person who is written to", "Maria Alvarez"),
    Variable("account_name", "the customer", "Alvarez Bakery"),
    Variable("account_number", "the customer's number", "10042"),
    Variable("company_name", "your company", "Valley Fibre"),
    Variable("company_phone", "your telephone number, as on the company's page", "+1 555 010 0199"),
    Variable("currency", "the currency all amounts are in", "USD"),
    Variable("amount_due", "what is unpaid of the invoices the letter is about", "84.50"),
    Variable("restore_amount", "what must be paid so that everything goes back to normal", "84.50"),
    Variable("oldest_invoice", "the number of the oldest unpaid invoice", "INV-1042"),
    Variable("oldest_due_on", "the day on which that invoice was due", "2026-03-16"),
    Variable(
        "next_step", "one or two whole sentences: what happens next if nothing is paid, and when",
        "If nothing is paid, your line is slowed on 2026-03-24.",
        "Si no se paga nada, su línea será más lenta el 2026-03-24.",
    ),
    Variable("pay_url", "the customer's own link to see and pay", "https://portal.example/portal/enter/a1b2c3/"),
    Variable("sign_in_code", "six digits that open the portal for ten minutes; blank if staff send the link", "402917"),
    Variable("due_on", "the day by which the invoice is to be paid", "2026-03-16"),
    Variable("invoice_number", "the invoice the letter is about", "INV-1042"),
    Variable("invoice_total", "the total of that invoice", "84.50"),
    Variable("fee_amount", "the fee that was charged", "10.00"),
    Variable("paid_amount", "the payment that came in", "84.50"),
    Variable("paid_on", "the day of that payment", "2026-03-18"),
    Variable("reference", "the payment's or the charge's reference", "P-20931"),
    Variable("ticket_number", "the number of the ticket", "318"),
    Variable(
        "reply_text", "what the member of staff wrote",
        "We have found your transfer of 12 March. Your line is open again, and there is nothing more you need to do.",
        "Encontramos su transferencia del 12 de marzo. Su línea vuelve a estar activa y no tiene que hacer nada más.",
    ),
    Variable("agent_name", "the member of staff who writes", "Casey"),
    Variable("promised_on", "the day by which the customer promised to pay", "2026-03-20"),
    Variable("promised_amount", "what the customer promised to pay", "84.50"),
    Variable("card_brand", "the kind of card or bank account", "Visa"),
    Variable("card_last4", "its last four digits", "4242"),
    Variable("card_expires_on", "the last day on which the card is good", "2026-04-30"),
    Variable("card_state", "the word good, or the word expired once that day has passed", "good"),
    Variable("asked_on", "in a reminder: the day on which it was asked for first; blank before", "2026-03-06"),
    Variable("deadline_on", "the day by which it is wanted", "2026-04-01"),
    Variable("charged_on", "the day on which the card is needed next", "2026-05-16"),
    Variable(
        "declined_reason", "why the payment was declined, as a short half sentence",
        "the card has expired", "la tarjeta ha caducado",
    ),
    Variable("retry_on", "the day on which the charge is tried again", "2026-03-19"),
)  # fmt: skip

VARIABLES: Mapping[str, Variable] = {variable.name: variable for variable in _VARIABLES}
# Known of every account, and added by the outbox itself.
ALWAYS = ("contact_name", "account_name", "account_number", "company_name", "company_phone", "currency")
# How the account stands with its money.
MONEY = (
    "amount_due", "restore_amount", "oldest_invoice", "oldest_due_on", "next_step", "pay_url",
)  # fmt: skip
_CARD = ("card_brand", "card_last4")

_LETTERS = (
    LetterKind(
        key="issued", title="New invoice", when="an invoice is issued", urgency=Urgency.COURTESY,
        extra=("invoice_number", "invoice_total", "due_on"), needs=("amount_due",),
    ),
    LetterKind(
        key="due_soon", title="Due soon", when="an invoice is due in a few days", urgency=Urgency.COURTESY,
        extra=("invoice_number", "invoice_total", "due_on"), needs=("amount_due",),
    ),
    LetterKind(key="past_due", title="Past due", when="an invoice was not paid in time", needs=("amount_due",)),
    LetterKind(
        key="ticket_opened", title="Ticket opened", when="a person begins to look after the account",
        extra=("ticket_number", "agent_name"), needs=("amount_due",),
    ),
    LetterKind(key="delinquent", title="Delinquent", when="the grace days are over", needs=("amount_due",)),
    LetterKind(
        key="late_fee", title="Late fee charged", when="a late fee is charged", extra=("fee_amount",),
        needs=("amount_due",),
    ),
    LetterKind(key="slowed", title="Line slowed", when="the line is slowed", needs=("amount_due",)),
    LetterKind(
        key="last_warning", title="Last warning", when="the line is about to be cut", needs=("amount_due",)
    ),
    LetterKind(key="suspended", title="Service suspended", when="the line is cut", needs=("amount_due",)),
    LetterKind(
        key="paid", title="Payment received", when="a payment comes in", urgency=Urgency.COURTESY,
        extra=("paid_amount", "paid_on", "reference"),
    ),
    LetterKind(
        key="restored", title="Service restored", when="what was overdue is paid and the line opens again",
        urgency=Urgency.COURTESY, extra=("paid_amount", "paid_on"),
    ),
    LetterKind(
        key="card_expiring", title="Card expires soon", when="the card on file is about to expire",
        extra=(*_CARD, "card_expires_on", "card_state", "charged_on"), needs=("card_expires_on",),
    ),
    LetterKind(
        key="payment_failed", title="Payment failed", when="a card or bank account could not be charged",
        extra=(*_CARD, "declined_reason", "retry_on"), needs=("amount_due",),
    ),
    LetterKind(
        key="second_source_asked", title="Second way to pay",
        when="an account that often pays late is asked for one, and once more before the day by which it is wanted",
        extra=(*_CARD, "asked_on", "deadline_on"),
    ),
    LetterKind(
        key="promise_kept", title="Promise kept", when="what was promised has been paid", urgency=Urgency.COURTESY,
        extra=("promised_on", "promised_amount", "paid_amount", "paid_on"),
    ),
    LetterKind(
        key="promise_broken", title="Promise not kept", when="the promised day has passed and something is unpaid",
        extra=("promised_on", "promised_amount"), needs=("promised_on",),
    ),
    LetterKind(
        key="ticket_reply", title="Answer on a ticket", when="a member of staff answers a customer",
        extra=("ticket_number", "reply_text", "agent_name"), needs=("reply_text",),
        channels=("email", "sms"),
    ),
    LetterKind(
        key="ticket_answer", title="Answer at once", when="a customer who wrote within the last hour is answered",
        urgency=Urgency.ASKED_FOR, extra=("ticket_number", "reply_text", "agent_name"), needs=("reply_text",),
        channels=("email", "sms"),
    ),
    LetterKind(
        key="call_script", title="Script of a call", when="a member of staff calls; it is read out, and not sent",
        urgency=Urgency.COURTESY, channels=("voice",),
    ),
    LetterKind(
        key="portal_link", title="Portal link", when="a customer asks for a link to the portal",
        urgency=Urgency.ASKED_FOR, extra=("sign_in_code",), needs=("pay_url",), channels=("email", "sms"),
    ),
)  # fmt: skip

LETTERS: Mapping[str, LetterKind] = {letter.key: letter for letter in _LETTERS}


def letter_kind(key: str) -> LetterKind | None:
    """Return a letter of the book, or None if there is none of that key."""
    return LETTERS.get(key)


def keys_of(urgency: Urgency) -> frozenset[str]:
    """Return the letters of an urgency; one that is not in the book counts as needed."""
    return frozenset(key for key, letter in LETTERS.items() if letter.urgency is urgency)
