"""Cuts and switches carried out: step runs, holds and the status brought in line with what is in force now."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from accounts.models import AccountStatus
from netenforce.models import Hold
from netenforce.operations import LiftHold, PlaceHold

from ..models import StepRun
from ..queries import window_opens_at
from ..reading import Position
from ..rules.actions import Event, Kind
from ..rules.facts import Cut
from ..rules.policy import HARD_LEVELS, Do, Step
from .effects import Effects, RestrictedDays, StatusChange
from .messages import WHY_LENGTH, Messages

OUTCOMES = StepRun.Outcome


class Cutting(Messages):
    """Compares the cuts in force before and after, so that what came and went leaves no trace on the network."""

    def __init__(
        self,
        position: Position,
        effects: Effects,
        *,
        at: datetime,
        outside: bool,
        statuses: Mapping[str, AccountStatus],
    ) -> None:
        """Remember what was in force before the account was played forward."""
        super().__init__(position, effects, at=at, outside=outside)
        self.standing, self.statuses = position.standing, statuses
        self.cuts_before = list(position.state.cuts)
        self.switched_before = position.state.switched

    def _run(self, event: Event, outcome: str, why: str) -> None:
        assert event.step is not None
        self._note_run(
            event.step, event.anchor, outcome, why, at=self._instant(event), on=event.on, invoices=ids(event.causes)
        )

    def _note_run(
        self, step: Step, anchor: str, outcome: str, why: str, *, at: datetime, on: date, invoices: list[int]
    ) -> None:
        place = (step.key, anchor)
        run = self.position.step_runs.get(place)
        if run is None:
            run = StepRun(
                account_id=self.account.pk,
                anchor_key=anchor,
                step_key=step.key,
                action=str(step.action),
                level=step.level,
            )
            self.position.step_runs[place] = run
            self.effects.runs_new.append(run)
        else:
            self._run_changed(run)
        run.outcome, run.why, run.at, run.on, run.invoices = outcome, why[:WHY_LENGTH], at, on, invoices

    def _run_changed(self, run: StepRun) -> None:
        if run.pk is not None:
            self.effects.runs_changed[run.pk] = run

    def _cuts(self, events: list[Event]) -> None:
        """Bring step runs, holds and status in line with what is in force now; what came and went leaves no trace."""
        state = self.position.state
        before = {(cut.step_key, cut.anchor): cut for cut in self.cuts_before}
        after = {(cut.step_key, cut.anchor): cut for cut in state.cuts}
        whys = {(e.step.key, e.anchor): e.why for e in events if e.step is not None}
        for place in before.keys() | after.keys():
            run = self.position.step_runs.get(place)
            if run is not None and (run.in_force != (place in after) or (place in after and place not in before)):
                run.in_force = place in after
                run.invoices = ids(after[place].causes) if place in after else run.invoices
                self._run_changed(run)
        released = next((e for e in reversed(events) if e.kind is Kind.RELEASED), None)
        for place in after.keys() - before.keys():
            if after[place].action == Do.RESTRICT:
                self._place(after[place], whys.get(place, ""))
        for place in before.keys() - after.keys():
            if before[place].action == Do.RESTRICT:
                self.effects.lifted.append(
                    LiftHold(
                        account_id=self.account.pk,
                        cause_key="/".join(reversed(place)),
                        why=released.why if released else "Nothing is owed for it any more.",
                        at=self._instant(released) if released else self.at,
                    )
                )
        self._credit_days([before[place] for place in before.keys() - after.keys()], released)
        self._status(events)
        for place, on in state.waiting.items():
            step = next((step for step in self.position.policy.steps if step.key == place[0]), None)
            if step is not None and place not in self.position.step_runs:
                self._note_run(
                    step,
                    place[1],
                    OUTCOMES.WAITING,
                    f"Waits until {step.requires_notice} is accepted.",
                    at=self.at,
                    on=on,
                    invoices=[],
                )

    def _credit_days(self, ended: list[Cut], released: Event | None) -> None:
        """Have the days credited on which the line was blocked while the status still billed (X7, A20)."""
        blocked = [cut for cut in ended if cut.level in HARD_LEVELS]
        if released is None or not blocked or self.switched_before:
            return
        first_on = min(self.position.step_runs[cut.step_key, cut.anchor].on for cut in blocked)
        if first_on < released.on:
            self.effects.restricted.append(
                RestrictedDays(
                    account_id=self.account.pk,
                    first_on=first_on,
                    last_on=released.on - timedelta(days=1),
                    key=f"{first_on}:{blocked[0].anchor}",
                    at=self._instant(released),
                )
            )

    def _place(self, cut: Cut, why: str) -> None:
        self.effects.placed.append(
            PlaceHold(
                account_id=self.account.pk,
                cause=Hold.Cause.NON_PAYMENT,
                cause_key=f"{cut.anchor}/{cut.step_key}",
                level=cut.level,
                why=why[:WHY_LENGTH],
                at=self.at,
                not_before=window_opens_at(self.position.policy.window, self.zone, self.now),
            )
        )

    def _status(self, events: list[Event]) -> None:
        switched = self.position.state.switched
        if switched == self.switched_before:
            return
        policy, standing = self.position.policy, self.standing
        last = next(e for e in reversed(events) if e.kind is (Kind.STATUS_SWITCH if switched else Kind.STATUS_RESTORED))
        if switched:
            name = policy.delinquency_status
            standing.switched_on, standing.status_before_switch_id = last.on, self.account.status_id
            target = self.statuses.get(name)
        else:
            target = self.statuses.get(policy.removal_status) or standing.status_before_switch
            name = policy.removal_status
            standing.switched_on, standing.status_before_switch_id = None, None
        self.effects.statuses.append(
            StatusChange(account=self.account, name=name, status=target, reason=last.why, at=self._instant(last))
        )


def ids(keys: frozenset[Any]) -> list[int]:
    """Return the keys of invoice rows, sorted."""
    return sorted(key for key in keys if isinstance(key, int))
