"""What customers choose and type on the pages about money, read with care: every mistake has its own kind words."""

import uuid
from dataclasses import dataclass
from decimal import Decimal

from django.http import QueryDict
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from accounts.models import Account, FundingSource
from billing_project.kernel import money
from billing_project.kernel.errors import Refused
from billing_project.kernel.texts import mask_cards, one_line
from invoicing.models import Invoice
from invoicing.queries import Position
from invoicing.rules.typed_amount import Unread, Wrong, read_amount

NEW = "new"
SOURCE_GONE, NO_INVOICE = "source_gone", "no_such_invoice"
TYPED_MAX = 40


@dataclass(frozen=True, slots=True)
class Choice:
    """What a customer wants to pay, from where, and which invoice first if they named one."""

    amount: Decimal
    source: FundingSource | None  # None: a new card, entered on the provider's page
    keep: bool = False
    invoice: Invoice | None = None


class Mistake(Refused):
    """Say no to one field of a form; ``field`` is its name."""

    def __init__(self, field: str, code: str, words: str) -> None:
        super().__init__(code, words)
        self.field = field


def read_choice(account: Account, position: Position, sent: QueryDict) -> Choice:
    """Return what was chosen; raises Mistake, in the customer's language, for what cannot be paid."""
    invoice = _named(account, sent)
    amount = _amount(account, position, sent, invoice)
    source = _source(account, sent)
    return Choice(amount=amount, source=source, keep=source is None and "keep" in sent, invoice=invoice)


def sources_of(account: Account) -> list[FundingSource]:
    """Return the cards and bank accounts that may be charged, first one first."""
    return list(FundingSource.objects.filter(account=account, barred_at__isnull=True).order_by("rank"))


def typed(sent: QueryDict) -> str:
    """Return what was typed as another amount, to be shown again: no card number, and not endless."""
    return mask_cards(one_line(sent.get("other", "")))[:TYPED_MAX]


def whole_number(text: str) -> int:
    """Return a number that stands in an address or a form, or 0."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


def _amount(account: Account, position: Position, sent: QueryDict, invoice: Invoice | None) -> Decimal:
    chosen, most, currency = sent.get("amount", ""), position.pay_all, account.company.currency
    if chosen == "invoice" and invoice is not None:
        return _only(min(invoice.remaining, most), sent, currency)
    if chosen == "other" or (not chosen and sent.get("other", "").strip()):
        amount = _typed_amount(sent.get("other", ""), currency)
    elif chosen in ("", "invoice"):
        raise Mistake("amount", "no_amount", _("Please choose how much you would like to pay."))
    else:
        amount = _only(_written_amount(chosen), sent, currency)
    if amount > most:
        raise Mistake("other", "bad_amount", _more_than(amount, most, currency))
    return amount


def _only(amount: Decimal, sent: QueryDict, currency: str) -> Decimal:
    """Return the amount that was chosen, unless another one was written beside it: nobody can tell which is meant."""
    try:
        written = read_amount(sent.get("other", "")[: TYPED_MAX * 2], currency)
    except Unread:
        return amount
    if written != amount:
        words = _("You chose %(chosen)s and wrote %(written)s. Choose “another amount” to pay what you wrote.")
        raise Mistake("other", "two_amounts", words % {"chosen": _shown(amount), "written": _shown(written)})
    return amount


def _written_amount(chosen: str) -> Decimal:
    """Return an amount that a page of ours wrote."""
    try:
        amount = money.parse(chosen)
    except Refused:
        raise Mistake("amount", "no_amount", _("Please choose how much you would like to pay.")) from None
    if amount <= 0:
        raise Mistake("amount", "no_amount", _("Please choose how much you would like to pay."))
    return amount


def _typed_amount(text: str, currency: str) -> Decimal:
    try:
        return read_amount(text[: TYPED_MAX * 2], currency)
    except Unread as unread:
        raise Mistake("other", "bad_amount", _words(unread, currency)) from None


def _words(unread: Unread, currency: str) -> str:
    match unread.wrong:
        case Wrong.EMPTY:
            return _("Please write the amount you would like to pay.")
        case Wrong.OTHER_CURRENCY:
            words = _("Your account is in %(own)s, and this amount is in %(other)s. Please write it in %(own)s.")
            return words % {"own": currency, "other": unread.currency}
        case Wrong.NEGATIVE | Wrong.ZERO:
            return _("Please write an amount of at least 0.01.")
        case Wrong.TOO_FINE:
            return _("Please write no more than two digits for the cents, such as 40.00.")
        case Wrong.UNCLEAR:
            small, large = (money.text(reading) for reading in unread.readings)
            words = _("This could mean %(small)s or %(large)s. Please write one of them.")
            return words % {"small": small, "large": large}
        case Wrong.TOO_LARGE:
            return _("This amount is too large. Please look at it again.")
        case Wrong.NO_NUMBER:
            return _("This is not an amount that we can read. Please write it like 40.00.")


def _more_than(amount: Decimal, most: Decimal, currency: str) -> str:
    if most <= 0:
        return _("Nothing is owed any more, so nothing was charged.")
    words = _("You owe %(most)s %(currency)s in all, and this is %(amount)s. Please choose an amount up to that.")
    return words % {"most": _shown(most), "amount": _shown(amount), "currency": currency}


def _shown(amount: Decimal) -> str:
    return number_format(amount, 2, force_grouping=True)


def invoice_of(account: Account, public_id: str) -> Invoice | None:
    """Return the account's open invoice of an id that stands in a form or an address."""
    try:
        rows = Invoice.objects.filter(account=account, public_id=uuid.UUID(public_id))
    except ValueError:
        return None
    return rows.filter(state=Invoice.State.OPEN).first()


def _named(account: Account, sent: QueryDict) -> Invoice | None:
    """Return the invoice that is to be paid first: chosen by name, or named by the page that was just looked at."""
    name = sent.get("about" if sent.get("amount") == "invoice" else "invoice", "")
    if not name:
        return None
    found = invoice_of(account, name)
    if found is None:
        raise Mistake("amount", NO_INVOICE, _("This invoice is not open any more; there is nothing to pay on it."))
    if found.frozen:
        words = _("This invoice is disputed. Nothing has to be paid on it until that is settled.")
        raise Mistake("amount", "invoice_disputed", words)
    return found


def _source(account: Account, sent: QueryDict) -> FundingSource | None:
    chosen = sent.get("source", "")
    if chosen == NEW:
        return None
    if not chosen:
        raise Mistake("source", "no_source", _("Please choose a card, or a new one."))
    found = next((source for source in sources_of(account) if source.pk == whole_number(chosen)), None)
    if found is None:
        words = _("This card is not stored any more. Please choose another one, or a new card.")
        raise Mistake("source", SOURCE_GONE, words)
    return found
