"""Take in what customers write: file it with its account, or keep it for somebody who knows whose it is (point 6).

Each message is kept once. A filed one is announced in the same transaction, so that it is on its ticket or not here.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from django.db import IntegrityError, transaction

from accounts import signals
from accounts.models import Account, Company, Contact, InboundAttachment, InboundMessage, OutreachRules, Suppression
from billing_project.kernel import clock
from billing_project.kernel.texts import mask_cards, one_line, storable

from . import inbound_who, reach
from .inbound_files import Vetted, vetted
from .inbound_letter import Letter, why_ignored
from .inbound_text import TEXT_MAX, plain, trimmed
from .inbound_who import Writer
from .suppressions import suppress, suppressed

State = InboundMessage.State
WHY_LENGTH = 300
SMS_MAX = 2_000
REPEATED = "repeated"
# The constraint that a repeat breaks.
ONCE = "inbound_message_once"
STOP_WORDS = frozenset({
    "stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "alto", "parar", "baja",
    "stoptexting", "stoptextingme", "pleasestop", "stopplease", "cancelar", "nomás", "nomas",
})  # fmt: skip
START_WORDS = frozenset({"start", "unstop", "comenzar"})
# From a number that is sent nothing this means START; from any other it is an answer like any other.
YES_WORDS = frozenset({"yes", "sí", "si"})
HELP_WORDS = frozenset({"help", "info", "ayuda"})
HELP = {
    "en": "{company}: we text about your account and payments.{phone} Reply STOP to get no more texts.",
    "es": "{company}: le escribimos sobre su cuenta y sus pagos.{phone} Responda ALTO para no recibir más mensajes.",
}
HELP_PHONE = {"en": " Call us at {phone}.", "es": " Llámenos al {phone}."}
_SIGNS = re.compile(r"[\W_]+")


def take_in_letter(letter: Letter) -> str:
    """Take in one e-mail and return in words what was done with it; a repeat changes nothing."""
    with transaction.atomic():
        ignored = why_ignored(letter, own_addresses())
        writer = None if ignored else inbound_who.by_mark(letter.marks, letter.from_address)
        if writer is None and not ignored:
            writer = inbound_who.by_address("email", letter.from_address)
        message = _row(letter)
        message.state = State.IGNORED if ignored else State.UNKNOWN
        message.why = ignored[:WHY_LENGTH]
        if not _kept(message, writer):
            return REPEATED
        if not ignored:  # nobody looks at what a machine sent
            _keep_files(message, vetted(letter.files))
        return _announced(message)


def take_in_text(
    *, provider: str, provider_id: str, from_number: str, to_number: str, text: str, media: int = 0
) -> str:
    """Take in one text message and return what to answer; empty for nothing.

    STOP and START act on the number at once, for every account that has it; their confirmation is the provider's own.
    """
    said = mask_cards(storable(text, SMS_MAX)).strip()
    word = keyword(said)
    if word in YES_WORDS and suppressed([("sms", from_number)]):
        word = "start"
    companies = _texted_at(to_number)
    if media:
        what = "A picture or file" if media == 1 else f"{media} pictures or files"
        said = f"{said}\n\n[{what} came with it; only words are taken by text message.]".strip()
    message = InboundMessage(
        provider=provider[:20], provider_id=one_line(provider_id, 190), channel="sms",
        from_address=one_line(from_number, 254), to_address=one_line(to_number, 254), text=said,
        received_at=clock.now(), state=State.UNKNOWN,
    )  # fmt: skip
    with transaction.atomic():
        if word in STOP_WORDS or word in START_WORDS or word in HELP_WORDS:
            return _obey(message, word, companies)
        if _kept(message, inbound_who.by_address("sms", message.from_address, companies)):
            _announced(message)
    return ""


def keyword(text: str) -> str:
    """Return a text as one word in small letters: “ ＳＴＯＰ! ” and “stop texting me.” are words, too."""
    return _SIGNS.sub("", unicodedata.normalize("NFKC", text[:100]).casefold()) if len(text) <= 40 else ""


def own_addresses() -> set[str]:
    """Return the addresses that we write from and are answered at."""
    senders = [_bare(sender) for sender in Company.objects.values_list("email_sender", flat=True)]
    mailboxes = OutreachRules.objects.exclude(inbound_email="").values_list("inbound_email", flat=True)
    return {address.lower() for address in (*senders, *mailboxes) if address}


def _bare(sender: str) -> str:
    found = re.search(r"<([^<>]{1,254})>\s*$", sender)
    return found[1] if found else sender.strip()


# --- Letters ---


def _row(letter: Letter) -> InboundMessage:
    whole = mask_cards(storable(letter.text.strip() or plain(storable(letter.html)), TEXT_MAX)).strip()
    own = trimmed(whole)
    return InboundMessage(
        provider=letter.provider[:20], provider_id=one_line(letter.key, 200), channel="email",
        from_address=one_line(letter.from_address, 254), from_name=mask_cards(one_line(letter.from_name, 200)),
        to_address=one_line(next(iter(letter.to_addresses), ""), 254),
        subject=mask_cards(one_line(letter.subject, 200)), text=own, whole_text="" if own == whole else whole,
        received_at=min(letter.received_at, clock.now()),
    )  # fmt: skip


def _keep_files(message: InboundMessage, files: Iterable[Vetted]) -> None:
    InboundAttachment.objects.bulk_create(
        InboundAttachment(
            message=message, name=file.name, content_type=file.content_type, size=file.size, content=file.content,
            refused_why=file.refused_why,
        )
        for file in files
    )  # fmt: skip


def _kept(message: InboundMessage, writer: Writer | None) -> bool:
    """Store a message with whom it is taken for; tell whether it was not there before."""
    if writer is not None:
        message.why = writer.why[:WHY_LENGTH]
        if writer.account_id is not None:
            message.state = State.FILED
            message.account_id, message.contact_id = writer.account_id, writer.contact_id
            message.notice_id = writer.notice_id
            message.filed_at = clock.now()
    return _stored([message])


def _stored(messages: Sequence[InboundMessage]) -> bool:
    """Store messages unless the first of them is there already; tell whether they were stored."""
    try:
        with transaction.atomic():
            for message in messages:
                message.save(force_insert=True)
    except IntegrityError as error:
        if ONCE not in str(error):
            raise
        return False
    return True


def _announced(message: InboundMessage) -> str:
    if message.state == State.FILED:
        signals.message_received.send(sender=InboundMessage, inbound_id=message.pk)
    return f"{message.get_state_display()}: {message.why}"


# --- Texts ---


def _texted_at(to_number: str) -> list[int]:
    """Return the companies whose number was texted; none if that tells nothing."""
    return list(Company.objects.filter(sms_sender=to_number).values_list("pk", flat=True)) if to_number else []


def _obey(message: InboundMessage, word: str, companies: list[int]) -> str:
    """Do what a keyword says, and note it with every account that has the number."""
    number, said = message.from_address, message.text[:40].upper()
    owners = inbound_who.accounts_with("sms", number)
    if word in STOP_WORDS:
        message.why = f"{said} by text: {number} is sent no more texts."
    elif word in START_WORDS:
        message.why = f"{said} by text: {number} may be sent texts again."
    else:
        message.why = f"{said} by text: answered with who we are and how to reach us."
    if not _stored(_copies(message, owners)):
        return ""
    if word in STOP_WORDS:
        suppress("sms", number, Suppression.Reason.OPTED_OUT, f"{said} by text")
    elif word in START_WORDS:
        reach.use_again("sms", number, f"{said} by text")
    else:
        return _help(owners, number, companies)
    return ""


def _copies(message: InboundMessage, owners: Sequence[int]) -> list[InboundMessage]:
    """Return a row for each account, so that every one of them shows what its number asked for."""
    message.state, message.filed_at = State.HANDLED, clock.now()
    message.account_id = owners[0] if owners else None
    rows = [message]
    for account_id in owners[1:]:
        rows.append(
            InboundMessage(
                provider=message.provider, provider_id=f"{message.provider_id}/{len(rows) + 1}", channel="sms",
                from_address=message.from_address, to_address=message.to_address, text=message.text,
                received_at=message.received_at, state=State.HANDLED, why=message.why, account_id=account_id,
                filed_at=message.filed_at,
            )
        )  # fmt: skip
    return rows


def _help(owners: Sequence[int], number: str, companies: Sequence[int]) -> str:
    known = Contact.objects.filter(phone=number, account__in=owners).order_by("-is_billing_contact", "pk").first()
    language = known.language if known and known.language in HELP else "en"
    account = Account.objects.select_related("company").filter(pk=known.account_id).first() if known else None
    company = account.company if account else Company.objects.filter(pk__in=companies).first()
    if company is None:
        company = Company.objects.order_by("pk").first()
    if company is None:
        return ""
    phone = HELP_PHONE[language].format(phone=company.phone) if company.phone else ""
    return HELP[language].format(company=company.name, phone=phone)
