"""Move accounts to another policy version: the only way in which one ever changes its own (A36, X12).

A move never reaches back. The account is first decided up to now under the version it has, and what was decided
stands: its invoices stay delinquent, cuts in force stay until they are released, and a step that has run for an
invoice or an episode is not run again by the new version's step of the same key. Dates of the new version that have
passed already act at the next check. Steps that the new version does not have never run.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.bulk import copy_rows, update_with_history
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_rows

from ..models import MoveBatch, PolicyMove, PolicyVersion, Standing
from .reassess import reassess_many

CHUNK = 500
REASON_LENGTH = 200


@dataclass(slots=True)
class Moved:
    """What became of accounts that were to be moved."""

    moves: list[PolicyMove] = field(default_factory=list)
    left_out: list[tuple[str, Refused]] = field(default_factory=list)  # the account's number, and why

    def take(self, other: "Moved") -> None:
        """Add what became of others."""
        self.moves += other.moves
        self.left_out += other.left_out


def move_account(
    account: Account, *, version: PolicyVersion, reason: str, by: User | None = None, at: datetime | None = None
) -> PolicyMove:
    """Move one account to a published version; raises Refused without a reason, and where nothing can be moved."""
    moved = move_accounts([account.pk], version=version, reason=reason, by=by, at=at)
    if moved.left_out:
        raise moved.left_out[0][1]
    return moved.moves[0]


def move_accounts(
    account_ids: Iterable[int],
    *,
    version: PolicyVersion,
    reason: str,
    by: User | None = None,
    at: datetime | None = None,
) -> Moved:
    """Move accounts to a published version, in chunks of one transaction each; those that cannot are said so.

    Raises Refused without a reason and for a draft.
    """
    ids, moved = sorted(set(account_ids)), Moved()
    for start in range(0, len(ids), CHUNK):
        chunk = dict.fromkeys(ids[start : start + CHUNK], version)
        moved.take(move_chunk(chunk, reason=reason, by=by, at=at))
    return moved


@transaction.atomic
def move_chunk(
    targets: Mapping[int, PolicyVersion],
    *,
    reason: str,
    by: User | None = None,
    batch: MoveBatch | None = None,
    at: datetime | None = None,
) -> Moved:
    """Move a chunk of accounts, each to its version, in one transaction and a constant number of queries.

    Parked accounts are moved too, but not looked at: what they missed is decided when they are cleared.
    """
    words = reason.strip()[:REASON_LENGTH]
    if not words:
        raise Refused("reason_missing", "Say why these accounts move to another version; the reason is kept.")
    for version in targets.values():
        check_published(version)
    moment = at or clock.now()
    accounts = lock_rows(Account.objects.all(), targets)
    moved, going = Moved(), []
    versions = _versions(account.pk for account in accounts)
    for account in accounts:
        refusal = why_not(account, versions.get(account.pk), targets[account.pk])
        if refusal is None:
            going.append(account.pk)
        else:
            moved.left_out.append((account.number, refusal))
    if not going:
        return moved
    reassess_many(going, at=moment)
    standings = list(Standing.objects.filter(account__in=going).select_related("policy_version").order_by("account"))
    for standing in standings:
        move = PolicyMove(
            account_id=standing.account_id,
            from_version=standing.policy_version,
            to_version=targets[standing.account_id],
            moved_at=moment,
            moved_by=by,
            reason=words,
            batch=batch,
        )
        standing.policy_version = move.to_version
        moved.moves.append(move)
    update_with_history(standings, ["policy_version"], reason=words, by_id=by.pk if by else None)
    copy_rows(PolicyMove, moved.moves)
    # Under the new version, to find when it must next be looked at; nothing before this instant is decided again.
    reassess_many(going, at=moment)
    return moved


def check_published(version: PolicyVersion) -> None:
    """Pass if accounts may be moved to a version; raises Refused for a draft."""
    if version.state != PolicyVersion.State.PUBLISHED:
        raise Refused("not_published", f"{version} is a draft; publish it first, then move accounts to it.")


def why_not(account: Account, present: PolicyVersion | None, version: PolicyVersion) -> Refused | None:
    """Return why an account cannot be moved to a version; None if it can."""
    if account.closed_on is not None:
        return Refused(
            "closed", f"Account {account.number} was closed on {account.closed_on}; closed accounts keep their version."
        )
    if present is None:
        return Refused("no_policy", f"Account {account.number} is under no policy; give it a billing default first.")
    if present.pk == version.pk:
        return Refused("there_already", f"Account {account.number} is under {version} already.")
    return None


def _versions(account_ids: Iterable[int]) -> dict[int, PolicyVersion]:
    rows = Standing.objects.filter(account__in=list(account_ids)).select_related("policy_version__policy")
    return {row.account_id: row.policy_version for row in rows}
