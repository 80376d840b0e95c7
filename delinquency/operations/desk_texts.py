"""The texts that a canned reply may use, filled for one ticket; and the check that it uses no others."""

import re
from collections.abc import Mapping
from datetime import date

from django.db.models import F
from liquid.exceptions import LiquidError

from accounts.models import Account, Contact, User
from accounts.outreach.sandbox import compiled, used_variables
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import CannedReply, Ticket
from delinquency.reading import read_positions
from delinquency.rules.facts import CENT
from delinquency.rules.when import LOOK

from .desk import name_of
from .letters import letter

# What each variable is, as the help beside the text says it.
VARIABLES: Mapping[str, str] = {
    "contact_name": "who it is written to",
    "account_name": "the account's name",
    "account_number": "the account's number",
    "company_name": "the company",
    "company_phone": "the company's phone number; may be blank",
    "currency": "such as USD",
    "amount_due": "what is past due, or else what is unpaid",
    "restore_amount": "what must be paid so that service returns",
    "oldest_invoice": "the oldest unpaid invoice; may be blank",
    "oldest_due_on": "when it was due; may be blank",
    "next_step": "what comes next if nothing is paid; may be blank",
    "pay_url": "the customer's own link to see and pay",
    "promised_on": "in a macro that notes a promise: its day; else blank",
    "ticket_number": "the ticket's number",
    "agent_name": "who writes",
}


def check_text(text: str) -> None:
    """Pass if a canned reply can be filled in; raises Refused that names the variable that nobody fills."""
    unknown = sorted(set(used_variables(text)) - VARIABLES.keys())
    if unknown:
        raise Refused(
            "unknown_variable",
            f"There is no variable {unknown[0]}. These can be used: {', '.join(VARIABLES)}.",
        )
    for value in ("1", ""):
        _rendered(text, dict.fromkeys(VARIABLES, value))


def texts_for(ticket: Ticket, by: User | None, promised_on: date | None = None) -> dict[str, str]:
    """Return the variables of canned replies, filled for a ticket's account as it stands now."""
    account = Account.objects.select_related("company", "status").get(pk=ticket.account_id)
    contact = contact_of(ticket)
    return {
        **dict.fromkeys(VARIABLES, ""),
        **_money_of(account),
        "contact_name": contact.name if contact else account.name,
        "account_name": account.name,
        "account_number": account.number,
        "company_name": account.company.name,
        "company_phone": account.company.phone,
        "currency": account.company.currency,
        "promised_on": promised_on.isoformat() if promised_on else "",
        "ticket_number": ticket.number,
        "agent_name": name_of(by) if by else account.company.name,
    }


def contact_of(ticket: Ticket) -> Contact | None:
    """Return whom to answer: the ticket's contact, or else the account's billing contact."""
    return ticket.customer_contact or Contact.objects.filter(account=ticket.account_id, is_billing_contact=True).first()


def filled(canned: CannedReply, ticket: Ticket, by: User | None, promised_on: date | None = None) -> str:
    """Return a canned reply in the customer's language, filled for a ticket."""
    contact = contact_of(ticket)
    spanish = contact is not None and contact.language == "es" and bool(canned.text_es.strip())
    texts = texts_for(ticket, by, promised_on)
    if spanish:
        texts |= {name.removesuffix("_es"): words for name, words in texts.items() if name.endswith("_es")}
    return _rendered(canned.text_es if spanish else canned.text_en, texts)


def _rendered(text: str, texts: Mapping[str, str]) -> str:
    """Fill a text in; raises Refused if that cannot be done."""
    try:
        words = compiled(text).render(**texts)
    except LiquidError as error:
        reason = str(error.message or type(error).__name__)
        raise Refused("template_error", f"The text cannot be filled in: {reason}; mend it.") from error
    return re.sub(r"\n{3,}", "\n\n", words).strip()


def count_use(canned: CannedReply) -> None:
    """Count that a canned reply was used."""
    CannedReply.objects.filter(pk=canned.pk).update(used_count=F("used_count") + 1)


def _money_of(account: Account) -> dict[str, str]:
    """Return what a letter would say of the money that is owed; nothing for an account under no policy."""
    positions = read_positions([account])
    if not positions:
        return {}
    position = positions[0]
    today = clock.today(account.timezone)
    unpaid = [invoice for invoice in position.state.invoices.values() if invoice.remaining >= CENT]
    late = [invoice for invoice in unpaid if invoice.due_on < today]
    until = (clock.local(clock.now(), account.timezone), LOOK)
    return letter(position, [invoice.key for invoice in late or unpaid], until)
