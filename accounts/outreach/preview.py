"""How a text would read for real accounts: rendered by the code that sends, from what is known about them now."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any

from django.db.models import Count, QuerySet
from django.dispatch import Signal

from accounts import signals
from accounts.models import Account, Contact, Notice
from accounts.queries import billing_contacts
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused

from .editing import Place, example_context, left_to_examples
from .html import html_of
from .rendering import Letter, Text, account_texts, render_text
from .segments import Measure, billed_minutes, measure, spoken_seconds

SHOWN = 3
SENT_WITHIN = timedelta(days=30)
WORDS_COMPARED_MAX = 5_000
SPANISH = "Reads Spanish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A letter as one account would get it; ``refused`` says why it cannot be written instead."""

    account: Account
    contact: Contact | None
    situation: str = ""
    letter: Letter | None = None
    refused: str = ""
    html: str = ""
    length: Measure | None = None
    cost: Decimal | None = None
    seconds: int = 0
    minutes: int = 0
    examples: tuple[str, ...] = ()


def preview(
    place: Place, text: Text, account: Account, *, situation: str = "", price: Decimal | None = None
) -> Preview:
    """Return a text as the account's billing contact would get it; variables it has none for show their example."""
    contact = billing_contacts([account.pk]).get(account.pk)
    known = known_texts(place, account, contact)
    try:
        letter = render_text(
            text, channel=place.channel, template=place.kind.key, language=place.language,
            context=example_context(place) | known,
        )  # fmt: skip
    except Refused as refusal:
        return Preview(account=account, contact=contact, situation=situation, refused=refusal.words)
    length = measure(letter.body) if place.channel == "sms" else None
    seconds = spoken_seconds(letter.body) if place.channel == "voice" else 0
    minutes = billed_minutes(seconds) if place.channel == "voice" else 0
    return Preview(
        account=account, contact=contact, situation=situation, letter=letter,
        html=html_of(
            letter.body, company_name=account.company.name, pay_url=known.get("pay_url", ""),
            language=place.language, subject=letter.subject,
        ) if place.channel == "email" else "",
        length=length, cost=price * max(length.segments if length else minutes, 1) if price is not None else None,
        seconds=seconds, minutes=minutes,
        examples=tuple(left_to_examples(place, known, text)),
    )  # fmt: skip


def known_texts(place: Place, account: Account, contact: Contact | None) -> dict[str, str]:
    """Return the variables that are known of an account: as its last such letter had them, and as they stand now."""
    now: dict[str, str] = {}
    for answer in _answers(signals.preview_wanted, account_id=account.pk, template=place.kind.key):
        now |= answer
    return account_texts(account, contact) | _last_texts(place, account) | now


def _last_texts(place: Place, account: Account) -> dict[str, str]:
    """Return what the newest such letter to an account said of its own matter: the fee, the ticket, the promise."""
    rows = Notice.objects.filter(account=account, template=place.kind.key).order_by("-created_at", "-pk")
    last: Mapping[str, str] = rows.values_list("context", flat=True).first() or {}
    return {name: value for name, value in last.items() if name in place.kind.extra and isinstance(value, str)}


def telling_accounts() -> list[tuple[str, Account]]:
    """Return up to three real accounts in different situations, such as late, restricted and Spanish-speaking."""
    wanted: list[tuple[str, int]] = [pair for answer in _answers(signals.preview_accounts_wanted) for pair in answer]
    heard = set(_spanish_speakers().filter(account__in=[pk for _words, pk in wanted]).values_list("account", flat=True))
    if not heard:
        other = _spanish_speakers().values_list("account", flat=True).first()
        wanted = wanted[: SHOWN - 1] + ([(SPANISH, other)] if other else []) + wanted[SHOWN - 1 :]
    chosen = {pk for _words, pk in wanted}
    short = SHOWN - len(chosen)
    if short > 0:
        others = Account.objects.filter(closed_on__isnull=True).exclude(pk__in=chosen).order_by("number")
        wanted += [("", pk) for pk in others.values_list("pk", flat=True)[:short]]
    accounts = Account.objects.select_related("company__outreach_rules").in_bulk([pk for _words, pk in wanted])
    found: dict[int, tuple[str, Account]] = {}
    for words, pk in wanted:
        if pk in accounts:
            found.setdefault(pk, (words, accounts[pk]))
    return list(found.values())[:SHOWN]


def _spanish_speakers() -> QuerySet[Contact]:
    rows = Contact.objects.filter(language="es", is_billing_contact=True, account__closed_on__isnull=True)
    return rows.order_by("account__number")


def accounts_numbered(numbers: Iterable[str]) -> dict[str, Account]:
    """Return the accounts of some numbers."""
    rows = Account.objects.select_related("company__outreach_rules").filter(number__in=list(numbers))
    return {account.number: account for account in rows}


def uses_of_letters() -> dict[str, list[str]]:
    """Return who writes which letter: the steps of policies that are live, in words."""
    found: dict[str, list[str]] = {}
    for answer in _answers(signals.template_uses_wanted):
        for key, words in answer.items():
            found.setdefault(key, []).extend(words)
    return found


def _answers(signal: Signal, **question: Any) -> list[Any]:
    """Return what the rooms above answer to a question; those that know nothing are left out."""
    return [answer for _receiver, answer in signal.send(sender=Account, **question) if answer]


def sent_lately() -> dict[tuple[str, str, str], int]:
    """Return how many letters went out in the last thirty days, by letter, channel and language."""
    rows = (
        Notice.objects.filter(accepted_at__gt=clock.now() - SENT_WITHIN)
        .order_by()
        .values_list("template", "channel", "language")
        .annotate(total=Count("pk"))
    )
    return {(key, channel, language): total for key, channel, language, total in rows}


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words of a text: kept, added or taken out."""

    kind: str
    text: str


def difference(before: str, after: str) -> list[Piece]:
    """Return a text with what was taken out and what was added, word by word."""
    old, new = _words(before), _words(after)
    if len(old) + len(new) > WORDS_COMPARED_MAX:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    pieces = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append(Piece("kept", "".join(old[a:b])))
            continue
        if a < b:
            pieces.append(Piece("out", "".join(old[a:b])))
        if c < d:
            pieces.append(Piece("in", "".join(new[c:d])))
    return pieces


def _words(text: str) -> list[str]:
    """Return the words, each with the space after it, so that joining them gives the text again."""
    return re.findall(r"\S+\s*|\s+", text)
