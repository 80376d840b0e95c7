"""Coming in by a link or a code that is asked for: the request, the answer to it, and the tries at its code.

A request is one row, written the same way and in the same time whatever was typed; who is meant is found out later, by
a task, so that nobody learns from the answer or its time who is a customer (SEC-05). The limits are counted in the
database, under a lock: a cache forgets, and each process has its own.
"""

import logging
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.crypto import constant_time_compare, salted_hmac

from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import advisory_lock
from billing_project.kernel.nudge import nudge
from billing_project.kernel.texts import mask_cards, one_line

from .access import send_link
from .links import account_of, is_open_since
from .models import Account, Company, Contact, Notice, PortalEntry, SignInRequest
from .models.sign_in import TRIES_MAX
from .outreach.fallback import listed_places, open_ways
from .outreach.numbers import facts_of, in_international_form
from .outreach.secrets import forget_old_secrets
from .queries import billing_contacts

logger = logging.getLogger(__name__)

TASK = "accounts.answer_sign_ins"
CHANNELS = ("email", "sms")
REQUESTS_PER_HOUR = 20  # from one address of the Internet
AN_HOUR = timedelta(hours=1)
CODE_GOOD_FOR = timedelta(minutes=10)
KEPT_FOR, ENTRIES_KEPT_FOR = timedelta(days=1), timedelta(days=400)
BATCH = 200
# Somebody's address may stand on several accounts: so many links go out for one request, and no code.
ACCOUNTS_MAX = 3
TYPED_LENGTH = 254

Outcome = SignInRequest.Outcome
Door = PortalEntry.Door


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a try at a code: the account, or else whether another try makes sense."""

    account: Account | None = None
    may_try_again: bool = False


def ask(typed: str, channel: str, address: str, *, account: Account | None = None) -> str:
    """Write down that somebody asks for a link and a code, and return the mark for the browser's cookie.

    ``typed`` is an account number, an e-mail address or a phone number; ``address`` is where the browser is. With an
    ``account`` (a genuine link of it that is too old) nothing needs to be typed.
    """
    mark = secrets.token_urlsafe(24)
    SignInRequest.objects.create(
        mark_hash=_hash("mark", mark), ip_hash=_hash("address", address), account=account,
        typed=mask_cards(one_line(typed, TYPED_LENGTH)), channel=channel if channel in CHANNELS else CHANNELS[0],
        asked_at=clock.now(),
    )  # fmt: skip
    nudge(TASK)
    return mark


def asked_in(mark: str, account: Account) -> bool:
    """Tell whether the browser with a mark asked for a link of this account within the last ten minutes."""
    if not mark:
        return False
    since = clock.now() - CODE_GOOD_FOR
    return SignInRequest.objects.filter(
        mark_hash=_hash("mark", mark), account=account, outcome=Outcome.SENT, asked_at__gt=since
    ).exists()


def enter(account: Account, door: str, mark: str) -> bool:
    """Note that a customer comes in with a mark; tell whether the mark was not used before."""
    try:
        with transaction.atomic():
            PortalEntry.objects.create(account=account, door=door, mark_hash=_hash(door, mark), at=clock.now())
    except IntegrityError:
        return False
    return True


@transaction.atomic
def try_code(mark: str, typed: str) -> Tried:
    """Try a code in the browser that asked for it: five times, within ten minutes, good for once.

    Whoever asked for an account that does not exist is answered the same.
    """
    row = (
        SignInRequest.objects.select_for_update(of=("self",)).filter(mark_hash=_hash("mark", mark)).first()
        if mark
        else None
    )
    if row is None or row.used_at or row.tries >= TRIES_MAX or clock.now() - row.asked_at > CODE_GOOD_FOR:
        return Tried()
    row.tries += 1
    digits = "".join(sign for sign in typed[:40] if sign.isdecimal() and sign.isascii())
    right = constant_time_compare(row.code_hash, _hash("code", f"{row.pk}:{digits}"))
    account = account_of(row.account_id) if row.account_id else None
    if right and account is not None and is_open_since(account, row.asked_at):
        row.used_at, row.code_hash = clock.now(), ""
        row.save(update_fields=["tries", "used_at", "code_hash"])
        return Tried(account=account)
    row.save(update_fields=["tries"])
    return Tried(may_try_again=row.tries < TRIES_MAX)


# --- The answer ---


def answer_requests() -> Counter[str]:
    """Answer what was asked for, oldest first, and forget what is old; return how many ended how."""
    outcomes: Counter[str] = Counter()
    waiting = SignInRequest.objects.filter(outcome=Outcome.WAITING).order_by("pk")
    pks = list(waiting.values_list("pk", flat=True)[:BATCH])
    for pk in pks:
        try:
            outcomes[_answer(pk)] += 1
        except Exception:  # a request that cannot be handled must not stop those behind it
            logger.exception("request %s to sign in could not be handled", pk)
            SignInRequest.objects.filter(pk=pk).update(outcome=Outcome.FAILED, answered_at=clock.now(), typed="")
            outcomes[str(Outcome.FAILED)] += 1
    if len(pks) == BATCH:
        nudge(TASK)
    forget_old()
    return outcomes


def forget_old() -> None:
    """Delete requests of more than a day ago and entries of more than a year ago; mask what letters still tell."""
    SignInRequest.objects.filter(asked_at__lt=clock.now() - KEPT_FOR).delete()
    PortalEntry.objects.filter(at__lt=clock.now() - ENTRIES_KEPT_FOR).delete()
    forget_old_secrets()


@transaction.atomic
def _answer(pk: int) -> str:
    # One at a time, in all workers: what is counted below must not change meanwhile.
    advisory_lock("accounts.sign-in")
    row = SignInRequest.objects.select_for_update(of=("self",)).filter(pk=pk, outcome=Outcome.WAITING).first()
    if row is None:
        return "taken"
    found = [row.account] if row.account else accounts_named(row.typed)
    row.outcome = _outcome(row, found)
    row.typed, row.answered_at = "", clock.now()
    row.save(update_fields=["typed", "outcome", "answered_at", "account", "code_hash"])
    return str(row.outcome)


def _outcome(row: SignInRequest, found: Sequence[Account]) -> Outcome:
    """Send what may be sent, and return how the request ended."""
    if clock.now() - row.asked_at > AN_HOUR:
        return Outcome.LATE
    same = SignInRequest.objects.filter(ip_hash=row.ip_hash, answered_at__gt=clock.now() - AN_HOUR)
    if same.exclude(outcome=Outcome.LIMITED).count() >= REQUESTS_PER_HOUR:
        return Outcome.LIMITED
    if not found:
        return Outcome.UNKNOWN
    outcomes = []
    people = billing_contacts([account.pk for account in found])
    for account in found:
        code = f"{secrets.randbelow(10**6):06d}" if len(found) == 1 else ""
        outcome = _send(account, people.get(account.pk), row.channel, code)
        if outcome == Outcome.SENT and code:
            row.account, row.code_hash = account, _hash("code", f"{row.pk}:{code}")
        outcomes.append(outcome)
    return Outcome.SENT if Outcome.SENT in outcomes else outcomes[0]


def _send(account: Account, contact: Contact | None, wanted: str, code: str) -> Outcome:
    """Write to the billing contact by the wanted way, or by the other if that one is closed."""
    ways = open_ways(contact, listed_places([contact]), "portal_link") if contact else []
    if not ways:
        return Outcome.UNREACHABLE
    written = send_link(account, (wanted if wanted in ways else ways[0],), code=code)
    if not written:
        return Outcome.LIMITED
    return Outcome.SENT if written[0].state == Notice.State.QUEUED else Outcome.UNREACHABLE


def accounts_named(words: str) -> list[Account]:
    """Return the accounts that a number, their billing contact's e-mail address or phone number names; at most three.

    A phone number may be written in any way, with or without the country's code. More than three are nobody.
    """
    words = words.strip()[:TYPED_LENGTH]
    if not words:
        return []
    found = list(_accounts().filter(number=words)[:1])
    if found:
        return found
    billing = Contact.objects.filter(is_billing_contact=True)
    if "@" in words:
        people = billing.filter(email__iexact=words)
    else:
        people = billing.filter(phone__in=_numbers(words))
    found = list(_accounts().filter(contacts__in=people).order_by("number").distinct()[: ACCOUNTS_MAX + 1])
    return found if len(found) <= ACCOUNTS_MAX else []


def _accounts() -> QuerySet[Account]:
    return Account.objects.select_related("company__outreach_rules", "status")


def _numbers(words: str) -> list[str]:
    """Return the international forms of a number as somebody dials it where one of the companies is."""
    phones = Company.objects.exclude(phone="").values_list("phone", flat=True)
    countries = {facts_of(phone).country for phone in phones} - {""} or {"US"}
    found = set()
    for country in sorted(countries):
        try:
            found.add(in_international_form(words, country=country))
        except Refused:
            continue
    return sorted(found)


def _hash(kind: str, words: str) -> str:
    """Return the keyed hash under which a secret is kept: without our key nobody can try out what it was made of."""
    return salted_hmac(f"portal.sign-in.{kind}", words, algorithm="sha256").hexdigest()
