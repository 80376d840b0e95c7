"""Who wrote to us: by our own mark, else by an address that leads to one account; in doubt, nobody (point 6)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from accounts.models import Contact, Notice
from billing_project.kernel import clock

from . import references

# Somebody of several accounts answers what was last written to them, if that is not too long ago.
ANSWERED_WITHIN = timedelta(days=30)
LOOKED_AT_MAX = 200


@dataclass(frozen=True, slots=True)
class Writer:
    """Whose message it is taken for, and why; without an account nobody knows."""

    account_id: int | None
    contact_id: int | None
    notice_id: int | None
    why: str


def by_mark(marks: str, from_address: str) -> Writer | None:
    """Return the writer by our signed mark, or by the provider's id of a mail of ours that is answered; else None."""
    notice_id = references.notice_in(marks)
    if notice_id is None:
        named = [word for word in marks.split() if word.startswith("<") and len(word) <= 120][:60]
        notice_id = (
            Notice.objects.filter(channel="email", provider_id__in=named).values_list("pk", flat=True).first()
            if named
            else None
        )
    notice = Notice.objects.select_related("contact").filter(pk=notice_id).first() if notice_id else None
    if notice is None:
        return None
    expected = notice.contact.email if notice.contact else ""
    if from_address.lower() in {expected.lower(), notice.to_address.lower()}:
        return Writer(notice.account_id, notice.contact_id, notice.pk, "It answers a notice of ours.")
    own = Contact.objects.filter(account=notice.account_id, email__iexact=from_address).first()
    if own is not None:
        return Writer(notice.account_id, own.pk, notice.pk, "It answers a notice of ours to somebody of that account.")
    return Writer(
        notice.account_id, notice.contact_id, notice.pk,
        f"It answers a notice of ours, but from another address: {from_address}, not {notice.to_address}.",
    )  # fmt: skip


def by_address(channel: str, address: str, companies: Iterable[int] = ()) -> Writer:
    """Return the writer by an address; of several accounts the one that was written to last within 30 days."""
    field = "email__iexact" if channel == "email" else "phone"
    people = Contact.objects.filter(**{field: address}).order_by("-is_billing_contact", "pk")
    pairs = people.values_list("account_id", "pk")
    within = list(companies)
    # The company whose number was texted comes first; one of another company may answer there, too.
    found = list(pairs.filter(account__company__in=within)[:LOOKED_AT_MAX]) if within else []
    found = found or list(pairs[:LOOKED_AT_MAX])
    accounts = {account_id for account_id, _pk in found}
    said = "Address" if channel == "email" else "Number"
    if not found:
        return Writer(None, None, None, f"No contact has this {said.lower()}.")
    last = _last_notice(channel, address, accounts)
    if len(accounts) == 1:
        account_id, contact_id = found[0]
        return Writer(account_id, contact_id, last.pk if last else None, f"{said} of one account's contact.")
    if last is None:
        return Writer(
            None, None, None, f"{len(accounts)} accounts have this {said.lower()}, and none was written to lately."
        )
    theirs = next((pk for account_id, pk in found if account_id == last.account_id), None)
    assert last.sending_at is not None
    on = clock.local(last.sending_at, last.account.timezone)
    why = f"{len(accounts)} accounts have this {said.lower()}; this one was written to last, on {on:%Y-%m-%d}."
    return Writer(last.account_id, theirs, last.pk, why)


def accounts_with(channel: str, address: str) -> list[int]:
    """Return the accounts with a contact at an address."""
    field = "email__iexact" if channel == "email" else "phone"
    rows = Contact.objects.filter(**{field: address}).order_by("account_id")
    return list(rows.values_list("account_id", flat=True).distinct()[:LOOKED_AT_MAX])


def _last_notice(channel: str, address: str, accounts: Iterable[int]) -> Notice | None:
    same = {"to_address__iexact": address} if channel == "email" else {"to_address": address}
    since = clock.now() - ANSWERED_WITHIN
    rows = Notice.objects.filter(channel=channel, account__in=list(accounts), sending_at__gte=since, **same)
    return rows.select_related("account").exclude(state=Notice.State.REJECTED).order_by("-sending_at", "-pk").first()
