"""How a customer wants to be reached: each way on or off, language and time zone, saved at once, with history (P13).

The billing contact's last way to be written to stays on: before a line is limited the customer must have been told
(A30). Two tabs cannot undo each other: whoever saves says which state was seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row

from .models import Account, Contact, Suppression
from .operations import REASON_LENGTH
from .outreach.fallback import open_ways
from .outreach.gathering import reach_of
from .outreach.reach import use_again
from .outreach.suppressions import Place, normal, suppress

CHANNELS = ("email", "sms", "voice")
WRITTEN = frozenset({"email", "sms"})
WORDS = {
    "email": gettext_lazy("E-mail"), "sms": gettext_lazy("Text messages"), "voice": gettext_lazy("Recorded calls"),
}  # fmt: skip
# The zones that customers choose from; whoever needs another one asks, and staff can set any.
ZONES = (
    ("America/New_York", gettext_lazy("Eastern time, New York")),
    ("America/Chicago", gettext_lazy("Central time, Chicago")),
    ("America/Denver", gettext_lazy("Mountain time, Denver")),
    ("America/Phoenix", gettext_lazy("Arizona, Phoenix")),
    ("America/Los_Angeles", gettext_lazy("Pacific time, Los Angeles")),
    ("America/Anchorage", gettext_lazy("Alaska, Anchorage")),
    ("Pacific/Honolulu", gettext_lazy("Hawaii, Honolulu")),
    ("America/Puerto_Rico", gettext_lazy("Puerto Rico, San Juan")),
    ("America/Halifax", gettext_lazy("Atlantic time, Halifax")),
    ("America/Mexico_City", gettext_lazy("Mexico, Mexico City")),
    ("America/Bogota", gettext_lazy("Colombia, Bogotá")),
    ("America/Argentina/Buenos_Aires", gettext_lazy("Argentina, Buenos Aires")),
    ("Europe/London", gettext_lazy("United Kingdom, London")),
    ("Europe/Madrid", gettext_lazy("Spain, Madrid")),
    ("UTC", gettext_lazy("Universal time (UTC)")),
)
LANGUAGES = frozenset(Contact.Language.values)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the customer, as their page shows it.

    ``state``: on, off, missing (no address), broken (nothing arrives there, or it cannot be used). ``is_last``: it is
    the only one by which we can write, and stays on.
    """

    channel: str
    address: str
    state: str
    is_last: bool = False

    @property
    def words(self) -> str:
        """Return what the way is called."""
        return str(WORDS[self.channel])


def billing_contact(account: Account) -> Contact | None:
    """Return the person whose preferences these are."""
    people = Contact.objects.select_related("account__company__outreach_rules")
    return people.filter(account=account, is_billing_contact=True).first()


def ways_of(contact: Contact) -> list[Way]:
    """Return the ways to a person, each with its state."""
    listed = _listed(contact)
    usable = set(open_ways(contact, dict.fromkeys(listed, "")))
    return [_way(contact, channel, listed, usable) for channel in CHANNELS]


def seen_of(contact: Contact) -> str:
    """Return a mark of how all of it stands now; a page gives it back with what is to change."""
    listed = _listed(contact)
    state = (
        contact.pk, contact.email, contact.phone, contact.email_allowed, contact.sms_allowed, contact.voice_allowed,
        contact.consented_at, contact.language, contact.timezone, sorted(row.pk for row in listed.values()),
    )  # fmt: skip
    return salted_hmac("portal.preferences", repr(state), algorithm="sha256").hexdigest()[:20]


@transaction.atomic
def switch(account: Account, channel: str, *, on: bool, seen: str) -> None:
    """Switch a way on or off at the customer's own wish, as STOP and START do; once, if asked twice.

    Raises StaleState if the page was older than what stands now, Refused if the way cannot be switched.
    """
    contact = _locked(account)
    way = next((way for way in ways_of(contact) if way.channel == channel), None)
    if way is None or way.state in ("missing", "broken"):
        raise Refused("no_such_way", _("This cannot be changed here. Please ask us."))
    if (way.state == "on") == on:
        return
    _check_seen(contact, seen)
    address = reach_of(contact).address(channel)
    if on:
        use_again(channel, address, "switched on in the portal")
        changes: dict[str, Any] = {f"{channel}_allowed": True}
        if channel != "email":
            changes["consented_at"] = clock.now()
        _save(contact, f"in the portal: {channel} on", changes)
        return
    if way.is_last:
        raise Refused("last_way", why_last())
    suppress(channel, address, Suppression.Reason.OPTED_OUT, "switched off in the portal")
    # The consent itself stays as it is; the history tells that the wish came from here.
    _save(contact, f"in the portal: {channel} off", {f"{channel}_allowed": getattr(contact, f"{channel}_allowed")})


@transaction.atomic
def set_reading(account: Account, *, language: str, timezone: str, seen: str) -> None:
    """Set language and time zone of what is written; a blank zone is the account's.

    Raises StaleState if the page was older than what stands now, Refused if either is impossible.
    """
    contact = _locked(account)
    if (contact.language, contact.timezone) == (language, timezone):
        return
    if language not in LANGUAGES:
        raise Refused("bad_language", _("Language: please choose one of the list."))
    if timezone and timezone != contact.timezone and timezone not in dict(ZONES):
        raise Refused("bad_zone", _("Time zone: please choose one of the list."))
    _check_seen(contact, seen)
    _save(contact, "in the portal: language or time zone", {"language": language, "timezone": timezone})


def why_last() -> str:
    """Return why the last way stays on."""
    return _(
        "This is the only way we can write to you. We must be able to write before a line is limited, so it stays on."
        " Switch another way on first, or ask us."
    )


def masked(channel: str, address: str) -> str:
    """Return an address so that its owner knows it again and nobody else learns it: an•••@c•••.example, ••• 0123."""
    if channel != "email":
        return f"••• {address[-4:]}" if address else ""
    name, _at, domain = address.rpartition("@")
    first, _dot, rest = domain.partition(".")
    return f"{name[:2] if len(name) > 2 else name[:1]}•••@{first[:1]}•••.{rest}" if name else ""


# --- Inside ---


def _way(contact: Contact, channel: str, listed: Mapping[Place, Suppression], usable: set[str]) -> Way:
    reach = reach_of(contact)
    address = reach.address(channel)
    shown = masked(channel, address)
    if not address:
        return Way(channel, "", "missing")
    row = listed.get((channel, normal(channel, address)))
    if row is not None and row.reason == Suppression.Reason.HARD_BOUNCE:
        return Way(channel, shown, "broken")
    unasked = channel == "voice" and contact.consented_at is None
    if row is not None or not reach.allowed[channel] or unasked:
        return Way(channel, shown, "off")
    if channel not in usable:
        return Way(channel, shown, "broken")
    others = usable - {channel}
    return Way(channel, shown, "on", is_last=not (others & WRITTEN if channel in WRITTEN else others))


def _listed(contact: Contact) -> dict[Place, Suppression]:
    """Return which of a person's addresses are left alone, and the entry of each."""
    reach = reach_of(contact)
    places = {(channel, normal(channel, reach.address(channel))) for channel in CHANNELS}
    rows = Suppression.objects.filter(address__in={address for _channel, address in places if address}, lifted_at=None)
    return {(row.channel, row.address): row for row in rows if (row.channel, row.address) in places}


def _locked(account: Account) -> Contact:
    """Return the billing contact, with the account locked; raises Refused if there is none."""
    lock_row(Account.objects.all(), account.pk)
    contact = billing_contact(account)
    if contact is None:
        raise Refused("no_contact", _("We have no contact on file for this account. Please ask us to add one."))
    return contact


def _check_seen(contact: Contact, seen: str) -> None:
    if seen != seen_of(contact):
        raise StaleState(
            _("This was changed elsewhere meanwhile, so nothing was changed now. Here is how it stands; choose again.")
        )


def _save(contact: Contact, reason: str, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        setattr(contact, name, value)
    contact._change_reason = reason[:REASON_LENGTH]  # type: ignore[attr-defined]
    contact._history_date = clock.now()  # type: ignore[attr-defined]
    contact.save(update_fields=list(changes))
