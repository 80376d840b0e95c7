"""The list of addresses that are left alone, and what puts an address on it or takes it off (R-10)."""

from collections.abc import Iterable

from django.db import IntegrityError, transaction

from accounts.models import Suppression, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.nudge import nudge

Place = tuple[str, str]


def normal(channel: str, address: str) -> str:
    """Return an address as the list keeps it: an e-mail address in small letters, a number as it is."""
    return address.strip().lower() if channel == "email" else address.strip()


def suppress(channel: str, address: str, reason: str, words: str, *, by: User | None = None) -> bool:
    """Leave an address alone from now on; tell whether it was not on the list before."""
    try:
        with transaction.atomic():
            Suppression.objects.create(
                channel=channel, address=normal(channel, address), reason=reason, words=words[:300], by=by,
                since_at=clock.now(),
            )  # fmt: skip
    except IntegrityError:
        return False
    return True


@transaction.atomic
def lift(channel: str, address: str, why: str, *, by: User | None = None) -> int:
    """Take an address off the list, and return how many entries that were (0 or 1); raises Refused without a reason."""
    if not why.strip():
        raise Refused("no_reason", "Say why the address may be used again, such as “Caller asked for texts again”.")
    rows = Suppression.objects.filter(channel=channel, address=normal(channel, address), lifted_at__isnull=True)
    lifted = rows.update(lifted_at=clock.now(), lifted_by=by, lifted_why=why[:300])
    if lifted:
        nudge("accounts.dispatch_notices")
    return lifted


def suppressed(places: Iterable[Place]) -> dict[Place, str]:
    """Return why each of these (channel, address) is left alone, for those that are; one query."""
    wanted = {(channel, normal(channel, address)) for channel, address in places if address}
    if not wanted:
        return {}
    rows = Suppression.objects.filter(
        address__among={address for _channel, address in wanted}, lifted_at__isnull=True
    ).only("channel", "address", "reason", "words")
    return {
        (row.channel, row.address): f"{row.address} is left alone: {row.get_reason_display()}."
        for row in rows
        if (row.channel, row.address) in wanted
    }
