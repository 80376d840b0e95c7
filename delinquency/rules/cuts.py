"""Cutting: restrictions and status switches, and what they wait for (D9, A6, A30)."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from .actions import Kind
from .facts import CENT, Cut, InvoiceState, Proof
from .messages import Messages
from .policy import HARD_LEVELS, Do, Step
from .when import cut_date, flag_allows, proof_of


class Cuts(Messages):
    """Runs the steps that take service away."""

    def cut(self, step: Step, *, early: bool = False) -> None:
        """Run a step that takes service away, for each invoice or once for the episode (E5, E8, S12, S16)."""
        state = self.state
        if not step.per_invoice:
            if state.episode is not None and self.cut_is_time(step, state.case_anchor, self.episode_date(step), early):
                causes = [
                    i
                    for i in state.delinquent()
                    if i.remaining >= self.policy.threshold and not i.frozen and flag_allows(state, step, i)
                ]
                if causes and sum(i.remaining for i in causes) >= self.policy.least[step.key]:
                    self.try_cut(step, state.case_anchor, causes)
            return
        for invoice in self.reached(step):
            if invoice.remaining < CENT or (step.key, invoice.anchor) in state.done:
                continue
            on = cut_date(state, step, invoice)
            if on is None or invoice.frozen or not self.cut_is_time(step, invoice.anchor, on, early):
                continue
            if invoice.remaining >= self.policy.least[step.key] and flag_allows(state, step, invoice):
                self.try_cut(step, invoice.anchor, [invoice])

    def cut_is_time(self, step: Step, anchor: str, on: date | None, early: bool) -> bool:
        """Tell whether a cut may be made now: its date, its time of day, and no exclusion that it honours (A6)."""
        if on is None or (step.honours_exclusions and not self.policy.calendar.is_open(self.on)):
            return False
        if step.action is Do.STATUS_SWITCH and not self.state.may_switch:
            return False
        if early:
            return on <= self.on and (step.key, anchor) not in self.state.done
        return self.is_time(step, anchor, on)

    def try_cut(self, step: Step, anchor: str, causes: list[InvoiceState]) -> None:
        """Cut, unless the notice it requires has not been accepted: then hold, and say so (D9, A30)."""
        state, place = self.state, (step.key, anchor)
        proof = proof_of(state, step, causes)
        if proof is Proof.WAITING and state.waiting.setdefault(place, self.on) == self.on:
            return
        if proof is not Proof.ACCEPTED:
            if place not in state.held:
                state.held.add(place)
                self.emit(
                    Kind.HELD,
                    self.cut_facts(step, causes) | {"requires": step.requires_notice, "proof": str(proof)},
                    rule="A30",
                    step=step,
                    anchor=anchor,
                    **_one(causes),
                )
            return
        state.waiting.pop(place, None)
        state.held.discard(place)
        state.done.add(place)
        cut = Cut(step.key, anchor, step.action, step.level, frozenset(i.key for i in causes))
        facts = self.cut_facts(step, causes)
        if step.requires_notice:
            facts |= {"requires": step.requires_notice, "proof": str(proof)}
        if step.action is Do.STATUS_SWITCH:
            self.do_switch(step, cut, facts, **_one(causes if step.per_invoice else []))
            return
        state.cuts.append(cut)
        state.reached_cut = state.reached_cut or step.level in HARD_LEVELS
        self.emit(
            Kind.RESTRICTED,
            facts,
            rule="S16",
            step=step,
            anchor=anchor,
            causes=cut.causes,
            **_one(causes if step.per_invoice else []),
        )

    def cut_facts(self, step: Step, causes: list[InvoiceState]) -> dict[str, Any]:
        """Return what decides a cut: what is unpaid on which invoices, and since when."""
        own = self.invoice_facts(causes[0], causes[0].delinquent_on) if step.per_invoice and causes else {}
        grace = {"grace_until_on": self.state.grace_until} if step.only_flagged else {}
        return (
            own
            | grace
            | self.flag_facts(step)
            | {
                "since_on": self.state.delinquent_since,
                "unpaid": sum((i.remaining for i in causes), start=Decimal("0.00")),
                "least": self.policy.least[step.key],
                "invoices": {i.number: i.remaining for i in causes},
                "excluded": self.policy.calendar.why_closed(self.on) if step.honours_exclusions else "",
            }
        )

    def do_switch(self, step: Step, cut: Cut, facts: Mapping[str, Any], **rest: object) -> None:
        """Switch the status, if it is not switched already; either way the cause is kept."""
        state = self.state
        kind = Kind.STEP_DONE if state.switched else Kind.STATUS_SWITCH
        state.cuts.append(cut)
        state.switched = state.reached_cut = True
        self.emit(kind, facts, rule="S12", step=step, anchor=cut.anchor, causes=cut.causes, **rest)

    def switch_again(self) -> None:
        """Make the switches that hold again, in their place among the cuts of the check."""
        for step, cut in self.returning:
            held = [self.state.invoices[key] for key in cut.causes if key in self.state.invoices]
            self.do_switch(
                step, cut, self.cut_facts(step, held) | {"again": True}, **_one(held if step.per_invoice else [])
            )

    def hold_again(self, entering: list[InvoiceState], *, resumed: bool) -> None:
        """Put back released cuts that are due again: after a reversal, or a grant that ran out (A23, E11)."""
        state = self.state
        anchors = {invoice.anchor for invoice in entering} | ({state.case_anchor} if resumed else set())
        for cut in [cut for cut in state.released_cuts if cut.anchor in anchors]:
            state.released_cuts.remove(cut)
            causes = cut.causes | ({i.key for i in entering} if cut.anchor == state.case_anchor else set())
            if all(
                self.state.invoices[key].remaining < self.policy.threshold for key in causes if key in state.invoices
            ):
                continue
            again = Cut(cut.step_key, cut.anchor, cut.action, cut.level, causes)
            step = next((step for step in self.steps if step.key == cut.step_key), None)
            if step is None:
                continue
            if step.action is Do.STATUS_SWITCH:
                self.returning.append((step, again))
            else:
                state.cuts.append(again)
                state.reached_cut = state.reached_cut or cut.level in HARD_LEVELS
                self.emit(Kind.HOLD_AGAIN, {"again": True}, rule="A23", step=step, anchor=cut.anchor, causes=causes)


def _one(causes: list[InvoiceState]) -> dict[str, object]:
    return {"invoice": causes[0].key, "number": causes[0].number} if len(causes) == 1 else {}
