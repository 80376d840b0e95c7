"""Judge orders to restrict right before they leave: only what can be proven due is sent (D9, D6, I9).

Holds of other causes carry what they ask for themselves, and no more: the part of non-payment is proven, or it is not
sent. Abuse and a customer's own request are acted on at any hour; whatever else restricts a line waits for the day.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from accounts.operations import AttentionRequest, raise_attentions
from billing_project.kernel import clock
from netenforce.models import EnforcementTask, Hold
from netenforce.queries import active_holds, all_lists
from netenforce.rules.desired import rank
from netenforce.rules.lists import ListView, meets
from netenforce.rules.lists import Standing as ListStanding

from .queries import ASKED_AGAIN_AFTER, NOTICE_MISSING, OUT_OF_REACH, CutProof, all_cuts_wait_until, cut_proofs

# Somebody has decided these, knowing what the hour is.
AT_ANY_HOUR = {Hold.Cause.ABUSE, Hold.Cause.REQUEST}
# How the holds begin that an address list has placed, before the list's key.
BY_LIST = "list:"
LEFT_THE_LIST = "The account does not belong into the address list any more that restricted it."


def why_not_sent(task_ids: Iterable[int]) -> dict[int, str | datetime]:
    """Return why orders to restrict must not be sent, or not before when; those that may be sent are left out.

    The number of queries does not grow with the orders. Where only a notice is missing, the clerks are told.
    """
    tasks = list(EnforcementTask.objects.filter(pk__in=list(task_ids)).select_related("line__account"))
    holds = active_holds({task.line.account_id for task in tasks})
    lists = {one.key: one for one in all_lists()}
    others = {task.pk: _as_hard(task, holds.get(task.line.account_id, [])) for task in tasks}
    causes = {task.pk: {hold.cause for hold in others[task.pk] if _stands(hold, task, lists)} for task in tasks}
    proofs = cut_proofs({task.line.account_id for task in tasks if not causes[task.pk]})
    nights = all_cuts_wait_until({task.line.account_id for task in tasks})
    answers: dict[int, str | datetime] = {}
    answer: str | datetime | None
    for task in tasks:
        night = nights.get(task.line.account_id)
        if causes[task.pk]:
            answer = None if task.recloses or AT_ANY_HOUR.intersection(causes[task.pk]) else night
        else:
            answer = _why_not_for_money(task, proofs[task.line.account_id], night)
            if answer and others[task.pk] and isinstance(answer, str) and not _is_for_clerks(answer):
                answer = LEFT_THE_LIST
        if answer:
            answers[task.pk] = answer
    raise_attentions(_held(task, str(answers[task.pk])) for task in tasks if _is_for_clerks(answers.get(task.pk)))
    return answers


def _as_hard(task: EnforcementTask, holds: Iterable[Hold]) -> list[Hold]:
    """Return the holds of other causes than non-payment that ask for as hard a restriction."""
    return [hold for hold in holds if hold.cause != Hold.Cause.NON_PAYMENT and rank(hold.level) >= rank(task.level)]


def _stands(hold: Hold, task: EnforcementTask, lists: Mapping[int, ListView]) -> bool:
    """Tell whether a hold still has its ground: a hold by an address list only while that takes such accounts (X10)."""
    key = hold.cause_key.removeprefix(BY_LIST)
    if hold.cause != Hold.Cause.STATUS or key == hold.cause_key or not key.isdigit():
        return True
    one, account = lists.get(int(key)), task.line.account
    who = ListStanding(status_id=account.status_id, account_type_id=account.account_type_id)
    return one is not None and one.by_account and meets(who, one)


def _why_not_for_money(task: EnforcementTask, proof: CutProof, night: datetime | None) -> str | datetime | None:
    if proof.held_until_at is not None:
        return proof.held_until_at
    if task.recloses:
        return proof.why_not_again(task.level)
    if proof.unsettled:
        # If the charge fails nobody orders the cut anew, so the order stays and is asked about again.
        return clock.now() + ASKED_AGAIN_AFTER
    return proof.why_not(task.level) or max(filter(None, [night, proof.waits_until(task.level)]), default=None)


def _is_for_clerks(answer: str | datetime | None) -> bool:
    return answer in (NOTICE_MISSING, OUT_OF_REACH)


def _held(task: EnforcementTask, why: str) -> AttentionRequest:
    return AttentionRequest(
        code="cut-held",
        key=f"line:{task.line_id}",
        account_id=task.line.account_id,
        words=f"The line {task.line} of account {task.line.account.number} should be restricted, but is not: {why}"
        " Write to the customer, or settle it by hand.",
    )
