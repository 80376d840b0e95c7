"""Free an account's lines for some hours as a courtesy, within the limit of whoever does it.

A release is a window of kind RELEASE: holds over money rest, those for abuse or at the customer's own request do not.
It ends by itself at an exact time, by a button, or as soon as nothing is held over money any more. What is still
unpaid then is cut anew in the account's daytime (D6), not at whatever hour the release happened to begin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from django.db import transaction

from accounts.models import Account, User
from accounts.queries import open_pause
from accounts.second_person import covers
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row

from ..models import Hold, PaymentWindow, ReleaseLimit, ReleaseRequest
from ..queries import NEVER_REST, active_holds
from ..rules.desired import hardest, rank
from .orders import WHY_LENGTH
from .windows import levels_now, retarget_account

Ended = PaymentWindow.Ended
Kind = PaymentWindow.Kind
HOURS_MAX = 168
COUNTED = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How far somebody may release: hours at most, and how often one account in 30 days; None is without a limit."""

    hours_max: int
    releases_a_month: int | None

    @property
    def words(self) -> str:
        """Return the limit as it is told."""
        often = f", {self.releases_a_month} in 30 days for one account" if self.releases_a_month is not None else ""
        return f"up to {self.hours_max} hours{often}"


def limit_of(user: User) -> Limit | None:
    """Return how far somebody may release, by the widest of their groups; None if they may not at all."""
    if user.is_superuser:
        return Limit(hours_max=HOURS_MAX, releases_a_month=None)
    rows = list(ReleaseLimit.objects.filter(group__user=user))
    if not rows:
        return None
    return Limit(
        hours_max=max(row.hours_max for row in rows), releases_a_month=max(row.releases_a_month for row in rows)
    )


def resting_holds(account_id: int) -> tuple[list[Hold], list[Hold]]:
    """Return the active holds of an account that a release lets rest, and those that go on during one."""
    rest: list[Hold] = []
    stay: list[Hold] = []
    for hold in active_holds([account_id]).get(account_id, []):
        (stay if hold.cause in NEVER_REST else rest).append(hold)
    return rest, stay


def why_no_release(
    account: Account, by: User, *, hours: int = 1, approval: ReleaseRequest | None = None
) -> Refused | None:
    """Return why somebody may not release an account for so long now; None if they may."""
    approved = (
        approval is not None
        and covers(approval, account_id=account.pk, by=by)
        and hours <= approval.hours
        and approval.window_id is None
    )
    if not approved and (refusal := _beyond_limit(account, by, hours)) is not None:
        return refusal
    rest, stay = resting_holds(account.pk)
    if not rest:
        return Refused(
            "not_restricted",
            f"Account {account.number} is not restricted over money, so there is nothing to release."
            + (f" What holds it, a release does not end: {_causes(stay)}." if stay else ""),
        )
    if stay and rank(hardest(hold.level for hold in stay)) >= rank(hardest(hold.level for hold in rest)):
        return Refused(
            "held_otherwise",
            f"A release ends restrictions over money only. Account {account.number} is as restricted for another"
            f" reason ({_causes(stay)}), so nothing would change; lift that hold first.",
        )
    if open_pause() is not None:
        return Refused("paused", "Everything is paused, so no line can be changed now. Release it after the pause.")
    running = _running(account.pk)
    if running is not None and running.kind == Kind.RELEASE:
        return Refused(
            "released",
            f"It is released until {_local(running.closes_at, account)} already. Close that release first, or wait"
            " until it has ended.",
        )
    return None


@transaction.atomic
def release_account(
    *, account_id: int, hours: int, why: str, by: User, approval: ReleaseRequest | None = None
) -> PaymentWindow:
    """Free all lines of an account for so many hours, and return the window.

    A payment window that runs is taken over. Raises Refused, with the limit and who may do more, beyond the limit of
    whoever asks, unless a second person approved it; and where nothing is restricted over money, or nothing would
    change.
    """
    account = lock_row(Account.objects.order_by(), account_id)
    if not why.strip():
        raise Refused("no_reason", "Say why; it is kept with the release.")
    if (refusal := why_no_release(account, by, hours=hours, approval=approval)) is not None:
        raise refusal
    now = clock.now()
    levels = levels_now(account)
    running = _running(account_id)
    if running is not None:
        levels = {**running.levels_before, **levels}
        running.ended_at, running.ended_how = max(now, running.opened_at), Ended.BY_HAND
        running.save(update_fields=["ended_at", "ended_how"])
    window = PaymentWindow.objects.create(
        kind=Kind.RELEASE, account=account, key=f"release:{uuid4()}", why=why.strip()[:WHY_LENGTH], opened_at=now,
        closes_at=now + timedelta(hours=hours), opened_by=by, levels_before=levels,
    )  # fmt: skip
    retarget_account(account_id, why=f"Released until {window.closes_at:%Y-%m-%d %H:%M} UTC by {by}: {why}")
    return window


def _running(account_id: int) -> PaymentWindow | None:
    return PaymentWindow.objects.filter(account_id=account_id, ended_at__isnull=True).first()


def _beyond_limit(account: Account, by: User, hours: int) -> Refused | None:
    limit = limit_of(by)
    if limit is None:
        return Refused("no_right", f"{by} may not release lines. {_who_may()}")
    if not 1 <= hours <= limit.hours_max:
        return Refused(
            "too_long",
            f"{hours} hours is beyond what {by} may give: 1 to {limit.hours_max} hours. {_who_may(hours)}",
        )
    if limit.releases_a_month is None:
        return None
    since = clock.now() - COUNTED
    given = PaymentWindow.objects.filter(account=account, kind=Kind.RELEASE, opened_at__gt=since)
    moments = sorted(given.values_list("opened_at", flat=True))
    if len(moments) < limit.releases_a_month:
        return None
    if not limit.releases_a_month:
        return Refused("too_often", f"{by} may give no release. {_who_may()}")
    again = moments[-limit.releases_a_month] + COUNTED
    days = ", ".join(f"{clock.local(at, account.timezone):%Y-%m-%d}" for at in moments)
    return Refused(
        "too_often",
        f"Account {account.number} was released {len(moments)} times in the last 30 days ({days}), and {by} may give"
        f" {limit.releases_a_month}. Again from {_local(again, account)}. {_who_may()}",
    )


def _who_may(hours: int = 1) -> str:
    """Return who may release for so long, by the roles in which somebody works."""
    rows = (
        ReleaseLimit.objects.filter(hours_max__gte=hours, group__user__is_active=True)
        .select_related("group")
        .order_by("group__name")
        .distinct()
    )
    groups = [f"{row.group} ({row.hours_max} h, {row.releases_a_month} in 30 days)" for row in rows]
    return f"Who may: {', '.join([*groups, 'administrators'])}."


def _causes(holds: Sequence[Hold]) -> str:
    return ", ".join(sorted({str(hold.get_cause_display()) for hold in holds}))


def _local(moment: datetime, account: Account) -> str:
    return f"{clock.local(moment, account.timezone):%Y-%m-%d %H:%M} ({account.timezone})"
