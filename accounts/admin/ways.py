"""By which ways people can be reached, and the buttons that close a way or open it again (H9)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString, mark_safe
from unfold.decorators import action

from accounts.models import Contact, Suppression, User
from accounts.models.notice import Channel
from accounts.outreach.gathering import reach_of
from accounts.outreach.reach import use_again
from accounts.outreach.suppressions import normal, suppress
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.together import Reading, in_turn

from .base import BAD, GOOD, QUIET, badge, local_time, staff_user
from .confirm import ReasonForm, confirm_one

CHANNELS = (Channel.EMAIL.value, Channel.SMS.value, Channel.VOICE.value)
NAMES = {"email": "E-mail", "sms": "Texts", "voice": "Calls"}
STOPS = {"email": "Stop e-mail", "sms": "Stop texting", "voice": "Stop calling"}
ACTIONS = {"email": "stop_email", "sms": "stop_texting", "voice": "stop_calling"}
KEYS = {"sms": "s"}  # of the wish heard most often on the phone
AGAIN = {"email": "email_again", "sms": "text_again", "voice": "call_again"}
# Whose own wish it was must say so before they are written to again.
BY_WISH = (Suppression.Reason.OPTED_OUT, Suppression.Reason.COMPLAINT, Suppression.Reason.BY_HAND)


@dataclass(frozen=True, slots=True)
class Way:
    """One channel to one person: where it leads, whether it is open, and the button that changes that."""

    name: str
    address: str
    state: SafeString
    since: SafeString | str
    words: str
    button: str
    url: str
    key: str = ""  # the key that presses it (static/desk/keys.js)


@dataclass(frozen=True, slots=True)
class Person:
    """A contact, their ways, and whose addresses they share."""

    contact: Contact
    ways: tuple[Way, ...]
    shared: tuple[str, ...]


def people_of(contacts: Sequence[Contact], *, user: User | None = None, back: str = "") -> list[Person]:
    """Return the ways to some people in two queries; ``back`` is the page that the buttons return to.

    Buttons are shown to users who may press them.
    """
    return in_turn(people_reading(contacts, user=user, back=back))


def people_reading(contacts: Sequence[Contact], *, user: User | None = None, back: str = "") -> Reading[list[Person]]:
    """Read the ways to some people, as `people_of` returns them; one round."""
    places = {(channel, normal(channel, reach_of(one).address(channel))) for one in contacts for channel in CHANNELS}
    rows, same = yield (
        Suppression.objects.filter(address__in={address for _channel, address in places}, lifted_at=None),
        _alike(contacts),
    )
    listed = {(row.channel, row.address): row for row in rows}
    shared = _shared(contacts, same)
    may_stop = user is not None and user.has_perm("accounts.stop_channel")
    may_open = may_stop and user is not None and user.has_perm("accounts.lift_suppression")
    return [
        Person(
            one,
            tuple(_way(one, channel, listed, may_stop=may_stop, may_open=may_open, back=back) for channel in CHANNELS),
            tuple(sorted(shared[one.pk])),
        )
        for one in contacts
    ]


def ways_table(people: Sequence[Person]) -> SafeString:
    """Return the ways to people as a table."""
    return mark_safe(render_to_string("admin/ways.html", {"people": people}))  # noqa: S308 (a template of ours escapes)


def _way(
    contact: Contact, channel: str, listed: dict[tuple[str, str], Suppression], *, may_stop: bool, may_open: bool,
    back: str,
) -> Way:  # fmt: skip
    reach = reach_of(contact)
    address = reach.address(channel)
    row = listed.get((channel, normal(channel, address))) if address else None
    since: SafeString | str = ""
    button = url = words = key = ""
    if not address:
        state = badge("no address" if channel == "email" else "no number", QUIET)
    elif row is not None:
        state, since = badge("left alone", BAD), local_time(row.since_at, contact.account.timezone)
        words = "; ".join(filter(None, (row.get_reason_display(), row.words)))
        if may_open:
            button, url = "Use again", _url(AGAIN[channel], contact, back)
    elif not reach.allowed.get(channel, False):
        state, words = badge("not allowed", QUIET), "Their consent on the contact page does not allow it."
    else:
        state = badge("open", GOOD)
        if may_stop:
            button, url, key = STOPS[channel], _url(ACTIONS[channel], contact, back), KEYS.get(channel, "")
    return Way(NAMES[channel], address, state, since, words, button, url, key)


def _url(name: str, contact: Contact, back: str) -> str:
    url = reverse(f"admin:accounts_contact_{name}", args=[contact.pk])
    return f"{url}?{urlencode({'back': back})}" if back else url


def _alike(contacts: Sequence[Contact]) -> QuerySet[Contact]:
    """Return the contacts, of whichever account, with the same addresses or numbers."""
    emails = {one.email.lower() for one in contacts if one.email}
    phones = {one.phone for one in contacts if one.phone}
    same = Contact.objects.annotate(small=Lower("email")).filter(Q(small__in=emails) | Q(phone__in=phones))
    return same.select_related("account").order_by("account__number")[:200]


def _shared(contacts: Sequence[Contact], same: Iterable[Contact]) -> dict[int, set[str]]:
    """Return which other accounts have a contact with the same address or number, by contact."""
    found: dict[int, set[str]] = defaultdict(set)
    for other in same:
        for one in contacts:
            if other.account_id == one.account_id:
                continue
            if one.email and other.email.lower() == one.email.lower():
                found[one.pk].add(f"{one.email} is also an address of account {other.account.number}")
            if one.phone and other.phone == one.phone:
                found[one.pk].add(f"{one.phone} is also a number of account {other.account.number}")
    return found


class StopForm(ReasonForm):
    """Ask why; most often the caller said so."""

    reason = forms.CharField(
        max_length=200, initial="Asked for by phone.", help_text="Kept with the address. Change it if it was otherwise."
    )


class AgainForm(ReasonForm):
    """Ask why an address may be used again, and whether its owner agreed."""

    field_order = ("agreed", "reason")
    agreed = forms.BooleanField(required=False, label="The person agreed to it", help_text="Kept as their consent.")


class WaysActions:
    """The buttons on a contact's page that close a way to the person, or open it again."""

    ways_actions: ClassVar[tuple[str, ...]] = (*ACTIONS.values(), *AGAIN.values())

    @action(description="Stop texting", icon="speaker_notes_off", permissions=["operate"])
    def stop_texting(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send no more texts to the contact's number."""
        return self._stop(request, object_id, "sms")

    @action(description="Stop calling", icon="phone_disabled", permissions=["operate"])
    def stop_calling(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make no more calls to the contact's number."""
        return self._stop(request, object_id, "voice")

    @action(description="Stop e-mail", icon="unsubscribe", permissions=["operate"])
    def stop_email(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send no more mails to the contact's address."""
        return self._stop(request, object_id, "email")

    @action(description="Text again", icon="sms", permissions=["reopen"])
    def text_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the number be texted again."""
        return self._again(request, object_id, "sms")

    @action(description="Call again", icon="call", permissions=["reopen"])
    def call_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the number be called again."""
        return self._again(request, object_id, "voice")

    @action(description="E-mail again", icon="mark_email_read", permissions=["reopen"])
    def email_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the address be written to again."""
        return self._again(request, object_id, "email")

    def has_reopen_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may let an address be used again."""
        return staff_user(request).has_perms(("accounts.stop_channel", "accounts.lift_suppression"))

    def _stop(self: Any, request: HttpRequest, object_id: str, channel: str) -> HttpResponse:
        if not self.has_operate_permission(request):
            raise PermissionDenied

        def carry_out(contact: Contact, data: dict[str, Any]) -> str:
            address = _address(contact, channel)
            reason = Suppression.Reason.OPTED_OUT
            if not suppress(channel, address, reason, f"{data['reason']} ({request.user})", by=staff_user(request)):
                raise Refused("stopped_already", f"{address} is left alone already; nothing was changed.")
            return f"{address} is left alone: no more {NAMES[channel].lower()}. “Use again” takes that back."

        return confirm_one(
            self, request, object_id, title=STOPS[channel], submit=STOPS[channel], form_class=StopForm,
            words=lambda contact: f"{_address(contact, channel)} gets nothing more by this way, from this moment on."
            " What must reach them goes another way; if there is none, you are told.",
            carry_out=carry_out, back=lambda contact: _back(request, contact), facts=_also,
        )  # fmt: skip

    def _again(self: Any, request: HttpRequest, object_id: str, channel: str) -> HttpResponse:
        if not self.has_reopen_permission(request):
            raise PermissionDenied

        def carry_out(contact: Contact, data: dict[str, Any]) -> str:
            address = _address(contact, channel)
            row = _listed(contact, channel)
            if row is None:
                raise Refused("not_listed", f"{address} is not left alone; nothing was changed.")
            if row.reason in BY_WISH and not data["agreed"]:
                raise Refused("not_agreed", "They asked to be left alone. Ask them first, then tick that they agreed.")
            use_again(channel, address, data["reason"], by=staff_user(request))
            if data["agreed"]:
                contact.consented_at = clock.now()
                contact._change_reason = f"agreed again: {data['reason']}"[:100]  # type: ignore[attr-defined]
                contact.save(update_fields=["consented_at"])
            return f"{address} may be used again."

        def words(contact: Contact) -> str:
            row = _listed(contact, channel)
            if row is None:
                return "It is not left alone."
            at = clock.local(row.since_at, contact.account.timezone)
            by_stop = " After STOP the network itself keeps texts back, until they text START."
            carrier = by_stop if channel == "sms" else ""
            said = "; ".join(filter(None, (row.get_reason_display(), row.words)))
            return f"{row.address} is left alone since {at:%Y-%m-%d %H:%M}: {said}.{carrier}"

        return confirm_one(
            self, request, object_id, title="Use again", submit="Use again", form_class=AgainForm, words=words,
            carry_out=carry_out, back=lambda contact: _back(request, contact), facts=_also,
        )  # fmt: skip


def fitting(contact: Contact, buttons: Iterable[Any]) -> list[Any]:
    """Return the buttons that make sense for a contact: a way that is closed can only be opened, and the reverse."""
    [person] = people_of([contact])
    closed = {channel: "left alone" in str(way.state) for channel, way in zip(CHANNELS, person.ways, strict=True)}
    useless = set()
    for channel, way in zip(CHANNELS, person.ways, strict=True):
        if closed[channel] or not way.address:
            useless.add(ACTIONS[channel])
        if not closed[channel]:
            useless.add(AGAIN[channel])
    return [button for button in buttons if button.path.replace("-", "_") not in useless]


def _address(contact: Contact, channel: str) -> str:
    address = reach_of(contact).address(channel)
    if not address:
        raise Refused("no_address", f"{contact.name} has no address for it; there is nothing to stop.")
    return address


def _listed(contact: Contact, channel: str) -> Suppression | None:
    address = normal(channel, reach_of(contact).address(channel))
    return Suppression.objects.filter(channel=channel, address=address, lifted_at=None).first()


def _also(contact: Contact) -> list[str]:
    return [f"{words}: it holds there, too." for words in sorted(_shared([contact], _alike([contact]))[contact.pk])]


def _back(request: HttpRequest, contact: Contact) -> str:
    """Return the page the button stood on, if that is one of ours; else the account's."""
    asked = request.GET.get("back", "")
    if asked.startswith("/") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None):
        return asked
    return reverse("admin:accounts_account_change", args=[contact.account_id])
