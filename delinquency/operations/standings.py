"""Standings: who is under which policy, and who is to be looked at again."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Least

from accounts.models import Account
from accounts.operations import AttentionRequest, raise_attentions
from billing_project.kernel.bulk import insert_with_history
from billing_project.kernel.nudge import nudge

from ..models import PolicyVersion, Standing

NUDGED_MAX = 500
# Nobody waits for more than these but who has just paid: the next tick, minutes away, looks at them all.
NUDGED_CALMLY_MAX = 50
# An account that was never looked at has all of its past to be decided, however long ago the tick is set.
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

_looking: ContextVar[bool] = ContextVar("looking", default=False)


@contextmanager
def not_again() -> Iterator[None]:
    """Ignore, inside a look, that the look's own effects change balances."""
    token = _looking.set(True)
    try:
        yield
    finally:
        _looking.reset(token)


@transaction.atomic
def ensure_standings(account_ids: Iterable[int]) -> int:
    """Put accounts without a standing under the newest published version of their billing default's policy (S32, A36).

    Returns how many were made. Accounts whose billing default has no policy are put before the clerks.
    """
    accounts = list(
        Account.objects.filter(
            pk__in=list(account_ids), standing__isnull=True, billing_parameters__isnull=False
        ).select_related("billing_parameters")
    )
    newest: dict[int, int] = {}
    versions = PolicyVersion.objects.filter(state=PolicyVersion.State.PUBLISHED, policy__billing_default__isnull=False)
    for version in versions.select_related("policy").order_by("number"):
        newest[version.policy.billing_default_id or 0] = version.pk
    made, without = [], []
    for account in accounts:
        version_id = newest.get(account.billing_parameters.billing_default_id)
        if version_id is None:
            without.append(
                AttentionRequest(
                    code="no-policy",
                    key=f"account:{account.pk}",
                    account_id=account.pk,
                    words=f"Account {account.number} has a billing default without a published policy: nothing happens"
                    " when it does not pay. Publish a policy for that default.",
                )
            )
        else:
            made.append(Standing(account=account, policy_version_id=version_id, next_look_at=LONG_AGO))
    insert_with_history(made, reason="placed under its policy")
    raise_attentions(without)
    return len(made)


def look_again(account_ids: Iterable[int], *, at_once: bool = False) -> None:
    """Have accounts looked at by the next tick, and wake a worker for it; ``at_once`` the one that nobody is before.

    That is kept in the row, as due since the last look; the wake-up is only a doorbell.
    """
    wanted = sorted(set(account_ids))
    if not wanted or _looking.get():
        return
    last = Coalesce(F("looked_until_at"), Value(LONG_AGO))
    rows = Standing.objects.filter(account__among=wanted)
    rows.update(next_look_at=Least(Coalesce(F("next_look_at"), last), last))
    if len(wanted) <= (NUDGED_MAX if at_once else NUDGED_CALMLY_MAX):
        nudge("delinquency.release_accounts" if at_once else "delinquency.reassess_accounts", wanted)
