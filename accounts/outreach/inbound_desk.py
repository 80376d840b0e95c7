"""What staff do with a message whose sender nobody knew: file it with an account, leave it aside, take that back."""

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts import signals
from accounts.models import Account, Contact, InboundMessage, User
from accounts.operations import REASON_LENGTH
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row

State = InboundMessage.State
WHY_LENGTH = 300
# What nobody has filed yet may be filed; also what the program took for a machine's, or somebody left aside.
WAITING = (State.UNKNOWN, State.IGNORED)


@transaction.atomic
def file_with(
    message: InboundMessage, account: Account, *, by: User, why: str = "", as_contact: str = ""
) -> InboundMessage:
    """File a message with an account, and announce it as if its sender had been known.

    ``as_contact`` is a name under which the address is added to the account's contacts, so that the next one files
    itself. Raises StaleState if somebody filed it before, Refused if the contact cannot be added.
    """
    locked = _waiting(message)
    contact = Contact.objects.filter(account=account, **_address_is(locked)).first()
    if contact is None and as_contact.strip():
        contact = _new_contact(locked, account, as_contact.strip()[:200], by)
    locked.state, locked.account, locked.contact = State.FILED, account, contact
    locked.filed_by, locked.filed_at = by, clock.now()
    locked.why = (why.strip() or f"Filed by {by}.")[:WHY_LENGTH]
    locked.save(update_fields=["state", "account", "contact", "filed_by", "filed_at", "why"])
    signals.message_received.send(sender=InboundMessage, inbound_id=locked.pk)
    return locked


@transaction.atomic
def leave_aside(message: InboundMessage, why: str, *, by: User) -> InboundMessage:
    """Leave a message aside: it is no customer's. Raises Refused without a reason, StaleState if it is filed."""
    if not why.strip():
        raise Refused("no_reason", "Say why nobody has to look at it, such as “advertising”.")
    locked = _waiting(message)
    locked.state, locked.why, locked.filed_by, locked.filed_at = State.IGNORED, why[:WHY_LENGTH], by, clock.now()
    locked.save(update_fields=["state", "why", "filed_by", "filed_at"])
    return locked


@transaction.atomic
def look_again(message: InboundMessage, why: str, *, by: User) -> InboundMessage:
    """Put a message that was left aside back among those that wait. Raises StaleState if it is not left aside."""
    locked = _waiting(message)
    if locked.state != State.IGNORED:
        raise StaleState("It waits already; nothing was changed.")
    locked.state, locked.filed_by, locked.filed_at = State.UNKNOWN, None, None
    locked.why = f"Put back by {by}: {why}"[:WHY_LENGTH]
    locked.save(update_fields=["state", "why", "filed_by", "filed_at"])
    return locked


def _waiting(message: InboundMessage) -> InboundMessage:
    locked = lock_row(InboundMessage.objects.select_related("account"), message.pk)
    if locked.state not in WAITING:
        where = f" with account {locked.account.number}" if locked.account else ""
        raise StaleState(f"It is {locked.get_state_display()}{where} already; nothing was changed.")
    return locked


def _address_is(message: InboundMessage) -> dict[str, str]:
    by_email = message.channel == "email"
    return {"email__iexact" if by_email else "phone": message.from_address}


def _new_contact(message: InboundMessage, account: Account, name: str, by: User) -> Contact:
    field = "email" if message.channel == "email" else "phone"
    # Not to be written to of our own accord: that this person agreed to it, nobody has said.
    contact = Contact(
        account=account, name=name, sms_allowed=False, voice_allowed=False, **{field: message.from_address}
    )
    contact._change_reason = "wrote to us"[:REASON_LENGTH]  # type: ignore[attr-defined]
    contact._history_user = by  # type: ignore[attr-defined]
    try:
        contact.full_clean()
    except ValidationError as error:
        words = " ".join(error.messages)
        raise Refused("contact_invalid", f"{name!r} cannot be added as a contact: {words}") from error
    contact.save()
    return contact
