"""Accounts, by whatever a caller gives: number, name, phone, e-mail, address of the line, card.

Each way is one query over one index; which ways are asked depends on what the text may be, never on the rows.
"""

from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.search import TrigramWordSimilarity
from django.db.models import Q
from django.db.models.functions import Reverse, Upper

from accounts.models import Account, Contact, FundingSource, ServiceLine
from accounts.models.service_line import bare
from delinquency.rules.search_terms import Term

from .hits import Hit, best_of, read

# How sure each way is: what identifies an account comes before what many may share.
NUMBER, MARK, WHOLE_NAME, BEGINNING, PART, CARD = range(6)
# A phone number without its country code is as good as the whole one from this length on.
WHOLE_PHONE = 10
CLOSE_MOST = 5


def find_accounts(term: Term) -> dict[int, Hit]:
    """Return the accounts found, the surest first."""
    if not term.text:
        return {}
    return best_of(
        hit
        for way in (_by_number, _by_name, _by_contact, _by_email, _by_phone, _by_line, _by_card)
        for hit in way(term)
    )


def close_accounts(term: Term) -> dict[int, Hit]:
    """Return a few accounts whose names are nearly what was typed, for when nothing was found."""
    if not term.words:
        return {}
    typed = term.text.upper()
    found: dict[int, Hit] = {}
    for model, account in ((Account, "pk"), (Contact, "account_id")):
        near: Any = model._default_manager.annotate(typed=Upper("name")).filter(typed__trigram_word_similar=typed)
        near = near.annotate(near=TrigramWordSimilarity(typed, "typed")).order_by("-near", account)
        for pk, name in near.values_list(account, "name")[:CLOSE_MOST]:
            found.setdefault(pk, Hit(pk, PART, f"a name like it: {name}"))
    return dict(list(found.items())[:CLOSE_MOST])


def _by_number(term: Term) -> Iterator[Hit]:
    for pk, number in read(_begins(Account, "number", term.text), "pk", "number"):
        whole = number.upper() == term.text.upper()
        yield Hit(pk, NUMBER if whole else BEGINNING, "account number", whole)


def _by_name(term: Term) -> Iterator[Hit]:
    asked = _named(term)
    if asked is not None:
        for pk, name in read(Account.objects.filter(asked), "pk", "name"):
            whole = _same(name, term.text)
            yield Hit(pk, WHOLE_NAME if whole else PART, "name", whole)


def _by_contact(term: Term) -> Iterator[Hit]:
    asked = _named(term)
    if asked is not None:
        for pk, name in read(Contact.objects.filter(asked), "account_id", "name"):
            whole = _same(name, term.text)
            yield Hit(pk, WHOLE_NAME if whole else PART, f"contact {name}", whole)


def _by_email(term: Term) -> Iterator[Hit]:
    if term.email:
        for pk, email in read(Contact.objects.filter(email__icontains=term.email), "account_id", "email"):
            whole = email.lower() == term.email.lower()
            yield Hit(pk, MARK if whole else PART, f"e-mail {email}", whole)


def _by_phone(term: Term) -> Iterator[Hit]:
    if term.phone:
        ends = Contact.objects.alias(backwards=Reverse("phone")).filter(backwards__startswith=term.phone[::-1])
        for pk, phone in read(ends, "account_id", "phone"):
            whole = len(term.phone) >= min(WHOLE_PHONE, len(phone) - 1)
            yield Hit(pk, MARK if whole else PART, f"phone {phone}", whole)


def _by_line(term: Term) -> Iterator[Hit]:
    if term.network is not None:
        yield from _by_address(term)
        return
    if term.mac:
        for pk, mac in read(ServiceLine.objects.filter(mac=term.mac), "account_id", "mac"):
            yield Hit(pk, MARK, f"MAC {mac}", True)
    marks = _begins_with("radius_username", term.text)
    if term.mac:
        marks |= Q(bare_user=term.mac)
    lines = ServiceLine.objects.alias(bare_user=bare("radius_username")).exclude(radius_username="").filter(marks)
    for pk, name in read(lines, "account_id", "radius_username"):
        whole = name.upper() == term.text.upper() or bool(term.mac)
        yield Hit(pk, MARK if whole else BEGINNING, f"RADIUS user name {name}", whole)


def _by_address(term: Term) -> Iterator[Hit]:
    """Find the line whose prefix holds an address; of a network, also the lines that lie in it."""
    assert term.network is not None
    column = f"ipv{term.network.version}"
    # Only our own column is written into the condition; the address is a parameter.
    shares = f"NULLIF({column}, '')::inet && %s::inet"
    lines = ServiceLine.objects.extra(where=[shares], params=[str(term.network)])  # noqa: S610
    for pk, held in read(lines, "account_id", column):
        whole = term.one_address or held == str(term.network)
        same = held.split("/")[0] == str(term.network.network_address)
        yield Hit(pk, MARK if whole else PART, f"line {held}" if same else f"line {held}, which holds it", whole)


def _by_card(term: Term) -> Iterator[Hit]:
    cards: Any = FundingSource.objects
    if term.last4:
        for pk, brand, last4 in read(cards.filter(last4=term.last4), "account_id", "brand", "last4"):
            yield Hit(pk, CARD, f"{brand or 'card'} •••• {last4}", shared=True)
    tokens = cards.filter(Q(source_token=term.text) | Q(customer_token=term.text))
    for pk in read(tokens, "account_id"):
        yield Hit(pk[0], MARK, f"{term.text} at the gateway", True)


def _named(term: Term) -> Q | None:
    if term.words:
        asked = Q()
        for word in term.words:
            asked &= Q(name__icontains=word)
        return asked
    return Q(name__istartswith=term.name_begins) if term.name_begins else None


def _same(name: str, typed: str) -> bool:
    return " ".join(name.split()).casefold() == typed.casefold()


def _begins_with(field: str, text: str) -> Q:
    return Q(**{f"{field}__istartswith": text})


def _begins(model: Any, field: str, text: str) -> Any:
    return model._default_manager.filter(_begins_with(field, text))
