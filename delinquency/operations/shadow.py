"""Go live: end shadow mode in one transaction, after which nothing that was decided in shadow leaves any more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import OperationalError, connection, transaction
from django.db.models import Count, Sum

from accounts.models import Notice, Shadow, User
from accounts.operations import WAKE_ON_RESUME
from accounts.shadowing import DECIDED_IN_SHADOW, cancel_letters, end_shadow, letters_of_shadow, lock_shadow
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.nudge import nudge
from invoicing.models import PaymentAttempt
from invoicing.operations.shadow import cancel_charges, charges_of_shadow
from netenforce.models import EnforcementTask as Order
from netenforce.operations.shadow import (
    cancel_cuts,
    cuts_of_shadow,
    lines_to_take_over,
    restores_waiting,
    take_over,
)

from ..models import AcceptedDifference
from ..shadow_compare import Comparison, Difference, restricted_there
from .webhooks import cancel_calls

WORD = "GO LIVE"
TRIES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What going live does with what waits in the queues."""

    letters: dict[str, int]
    charges: list[tuple[str, int, Decimal]]  # by currency
    cuts: int
    taken_over: int
    restores: int


def what_would_leave(since: datetime) -> Leaving:
    """Return what was decided in shadow and waits, and what goes out in spite of that; a constant number of queries."""
    letters = letters_of_shadow(since).order_by().values_list("channel").annotate(n=Count("pk"))
    charges = charges_of_shadow(since).order_by().values_list("account__company__currency")
    return Leaving(
        letters=dict(letters), charges=list(charges.annotate(n=Count("pk"), amount=Sum("amount"))),
        cuts=cuts_of_shadow(since).count(), taken_over=lines_to_take_over(restricted_there()).count(),
        restores=restores_waiting(),
    )  # fmt: skip


@transaction.atomic
def go_live(*, typed: str, reason: str, by: User | None = None) -> Shadow:
    """End shadow mode: what it decided is taken back, what is cut in the old network is noted as cut.

    Raises Refused without the typed word or a reason, and if shadow mode is not on.
    """
    if typed.strip() != WORD:
        raise Refused("not_typed", f"Type {WORD} to say that you mean it.")
    if not reason.strip():
        raise Refused("no_reason", "Say why the program goes live now; the reason is kept.")
    shadow = lock_shadow()
    _wait_for_writers()
    # Taken over first: a line that is cut in the old network already needs no order of ours.
    cancelled = {
        "taken_over": take_over(restricted_there()),
        "letters": cancel_letters(shadow.started_at),
        "charges": cancel_charges(shadow.started_at),
        "cuts": cancel_cuts(shadow.started_at),
        "webhooks": cancel_calls(shadow.started_at, DECIDED_IN_SHADOW),
    }
    end_shadow(shadow, reason=reason, cancelled=cancelled, by=by)
    for task in WAKE_ON_RESUME:
        nudge(task)
    return shadow


def _wait_for_writers() -> None:
    """Let everybody who writes into the queues at this moment finish, and nobody begin until we are done.

    So no letter that was decided in shadow comes into a queue after it was emptied. Raises Refused if they do not
    finish within some seconds.
    """
    names = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in (Notice, PaymentAttempt, Order))
    for _ in range(TRIES):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                # Shorter than the time after which the database looks for who waits for whom: we give way, not they.
                cursor.execute("SELECT set_config('lock_timeout', '700ms', true)")
                cursor.execute(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
                cursor.execute("SELECT set_config('lock_timeout', '0', true)")
        except OperationalError:
            continue
        return
    raise Refused("busy", "A check or a mass action is at work just now; nothing was changed. Try again in a minute.")


def accept_differences(found: Comparison, keys: Sequence[str], *, reason: str, by: User | None = None) -> int:
    """Accept differences as they are shown, and return how many; raises Refused without a reason or a choice."""
    if not reason.strip():
        raise Refused("no_reason", "Say why these differences are right; the reason is kept.")
    chosen: list[Difference] = [one for one in found.open if one.key in set(keys) and one.field != "absent"]
    if not chosen:
        raise Refused("nothing_chosen", "Tick at least one difference that is still open.")
    AcceptedDifference.objects.bulk_create(
        [
            AcceptedDifference(
                account_id=one.account_id, field=one.field, ours=one.ours, theirs=one.theirs,
                reason=reason.strip()[:200], accepted_by=by, accepted_at=clock.now(),
            )
            for one in chosen
        ],
        ignore_conflicts=True,
    )  # fmt: skip
    return len(chosen)
