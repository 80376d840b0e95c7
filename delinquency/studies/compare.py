"""A backtest of two policies over the same facts, account by account: what differs, and whom it would have cut."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db.models import QuerySet

from accounts.models import Account
from billing_project.kernel import clock
from invoicing.rules.allocation import Fact, Issued, replay

from ..backtest import scenarios_of
from ..models import Standing, Study
from ..policy_file import policies_of
from ..rules import document
from ..rules.actions import Event
from ..rules.policy import Policy
from ..rules.timeline import Scenario, countable_timeline
from .differences import CUTS, differences, first_new_cut, paid_by_itself
from .tallies import Side
from .work import Found, in_scope

# More than this of one account is no longer read by anybody.
DIFFERENCES_MAX = 60


class Compare:
    """Replays accounts under the studied version and under what is live, and compares."""

    def __init__(self, study: Study) -> None:
        """Take up a study where it was left. Raises Refused for a policy file that can no longer be read."""
        self.study = study
        self.from_on, self.to_on = study.from_on, study.to_on
        self.draft_policy = document.parse(study.policy_file)
        self.live, self.draft = Side(self.from_on, self.to_on), Side(self.from_on, self.to_on)
        self.numbers: Counter[str] = Counter(study.partial.get("numbers", {}))
        self.live_policies: dict[int, Policy] = {}
        if study.partial:
            self.live.take_up(study.partial["live"])
            self.draft.take_up(study.partial["draft"])

    def accounts(self) -> QuerySet[Account]:
        """Return the accounts it plays: without a chosen version, those that are under one."""
        rows = in_scope(self.study)
        return rows if self.study.against_id else rows.filter(standing__isnull=False)

    def take(self, account_ids: Sequence[int]) -> list[Found]:
        """Replay a chunk of accounts under both; a constant number of queries."""
        accounts = list(Account.objects.filter(pk__in=account_ids).only("pk", "number", "timezone").order_by("pk"))
        scenarios, live_policies = scenarios_of(accounts), self._live_policies(account_ids)
        found = []
        for account in accounts:
            live_policy = live_policies[account.pk]
            scenario = scenarios[account.pk]
            # Of invoices that nothing ever looks at, neither the counts nor the differences tell more than their date.
            draft, draft_quiet = countable_timeline(scenario, self.draft_policy, self.to_on)
            live, live_quiet = draft, draft_quiet
            if live_policy != self.draft_policy:
                live, live_quiet = countable_timeline(scenario, live_policy, self.to_on)
            self.live.take(account.number, live, live_quiet)
            self.draft.take(account.number, draft, draft_quiet)
            if live is not draft:
                one = self._found(account, scenario, live, draft)
                if one is not None:
                    found.append(one)
        return found

    def put_by(self) -> dict[str, Any]:
        """Return the counts so far, as JSON takes them."""
        return {"live": self.live.put_by(), "draft": self.draft.put_by(), "numbers": dict(self.numbers)}

    def document(self) -> dict[str, Any]:
        """Return both backtests, and how many accounts differ and how."""
        names = ("differ", "newly_cut", "paid_by_itself", "not_known_yet", "spared")
        return {
            "live": self.live.document(),
            "draft": self.draft.document(),
            "numbers": {name: self.numbers[name] for name in names},
            "left_out": max(in_scope(self.study).count() - self.study.total, 0),
        }

    def _live_policies(self, account_ids: Sequence[int]) -> dict[int, Policy]:
        """Return what each account of a chunk is compared with."""
        if self.study.against_id:
            return dict.fromkeys(account_ids, self._policy(self.study.against_id))
        rows = Standing.objects.filter(account__in=account_ids).values_list("account_id", "policy_version_id")
        return {account_id: self._policy(version_id) for account_id, version_id in rows}

    def _policy(self, version_id: int) -> Policy:
        if version_id not in self.live_policies:
            self.live_policies |= policies_of([version_id])
        return self.live_policies[version_id]

    def _found(self, account: Account, scenario: Scenario, live: list[Event], draft: list[Event]) -> Found | None:
        """Return in what an account differs; None if it does not."""
        differing = differences(live, draft, self.from_on, self.to_on)
        if not differing:
            return None
        found = Found(account.pk, [difference.document() for difference in differing[:DIFFERENCES_MAX]])
        self.numbers["differ"] += 1
        cut = first_new_cut(live, draft, self.from_on, self.to_on)
        if cut is not None:
            now = clock.local(clock.now(), account.timezone)
            found.newly_cut = True
            found.paid_by_itself = paid_by_itself(cut, _facts(scenario, self.draft_policy), now)
            self.numbers["newly_cut"] += 1
            self.numbers["paid_by_itself"] += found.paid_by_itself is True
            self.numbers["not_known_yet"] += found.paid_by_itself is None
        elif _cuts_in(live, self.from_on, self.to_on) and not _cuts_in(draft, self.from_on, self.to_on):
            found.spared = True
            self.numbers["spared"] += 1
        return found


def _cuts_in(events: list[Event], from_on: date, to_on: date) -> bool:
    return any(event.kind in CUTS and from_on <= event.on <= to_on for event in events)


def _facts(scenario: Scenario, policy: Policy) -> list[Fact]:
    """Return what money did to the account's invoices, as the policy's due dates share it out (A21)."""
    invoices = [
        Issued(i.key, i.number, i.issued_on, policy.due_on(i.issued_on, i.due_on), i.amount, i.frozen)
        for i in scenario.invoices
    ]
    return replay(invoices, scenario.payments, scenario.reversals)
