"""One account's future beside another one that is supposed: the reading behind "what if". Nothing is written."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from accounts.models import Account
from billing_project.kernel.errors import Refused

from .ahead import prospect
from .models import PolicyVersion, Standing
from .policy_file import export_version, policy_of
from .rules import document
from .rules.ahead import Supposed
from .rules.difference import Mark, Milestones, Row, compare, milestones
from .rules.policy import Policy


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two futures of an account up to a day."""

    account: Account
    now: datetime
    until: date
    rows: tuple[Row, ...]
    before: Milestones
    after: Milestones
    owed_before: Decimal
    owed_after: Decimal
    delinquent_since: date | None = None  # what is so already
    switched_since: date | None = None

    @property
    def differs(self) -> bool:
        """Tell whether anything is not the same in both."""
        return any(row.mark is not Mark.SAME for row in self.rows) or self.owed_before != self.owed_after


def has_future(account: Account) -> Standing:
    """Return where an account stands, if it has a future; raises Refused if it is closed or under no policy."""
    if account.closed_on is not None:
        raise Refused(
            "closed",
            f"Account {account.number} was closed on {account.closed_on:%a %d %b %Y}; nothing is to come. What it owes"
            " stays owed and is collected by hand.",
        )
    standing = Standing.objects.filter(account=account).select_related("policy_version__policy").first()
    if standing is None:
        raise Refused(
            "no_policy",
            f"Account {account.number} is under no policy; give it a billing default that has a published one.",
        )
    return standing


def futures(
    account: Account, until: date, *, supposed: Supposed | None = None, instead: PolicyVersion | None = None
) -> Comparison:
    """Return an account's future beside the one that is supposed, and under another version if one is named.

    Raises Refused for accounts without a future, and for a draft that could not be published as it is.
    """
    standing = has_future(account)
    policy = policy_to_try(instead) if instead is not None else None
    before = prospect(account, until)
    after = prospect(account, until, supposed=supposed, instead=policy)
    assert before is not None
    assert after is not None
    return Comparison(
        account=account,
        now=before.now,
        until=until,
        rows=tuple(compare(before.events, after.events)),
        before=milestones(before.events, before.policy),
        after=milestones(after.events, after.policy),
        owed_before=before.owed,
        owed_after=after.owed,
        delinquent_since=standing.delinquent_since,
        switched_since=standing.switched_on,
    )


def policy_to_try(version: PolicyVersion) -> Policy:
    """Return a version's policy; raises Refused with the path of what is wrong in a draft."""
    if version.state == PolicyVersion.State.DRAFT:
        try:
            document.parse(export_version(version))
        except Refused as refusal:
            raise Refused(
                refusal.code, f"{version} cannot be tried yet. {refusal.words} Mend the draft, then look again."
            ) from refusal
    return policy_of(version)
