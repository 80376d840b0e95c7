"""Judge orders to restrict right before they leave: only what can be proven due is sent (D9, D6, I9).

Holds of other causes carry what they ask for themselves, and no more: the part of non-payment is proven, or it is not
sent. Abuse and a customer's own request are acted on at any hour; whatever else restricts a line waits for the day.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from accounts.operations import AttentionRequest, raise_attentions
from billing_project.kernel import clock
from netenforce.models import EnforcementTask, Hold
from netenforce.queries import active_holds
from netenforce.rules.desired import rank

from .queries import ASKED_AGAIN_AFTER, NOTICE_MISSING, OUT_OF_REACH, CutProof, all_cuts_wait_until, cut_proofs

# Somebody has decided these, knowing what the hour is.
AT_ANY_HOUR = {Hold.Cause.ABUSE, Hold.Cause.REQUEST}


def why_not_sent(task_ids: Iterable[int]) -> dict[int, str | datetime]:
    """Return why orders to restrict must not be sent, or not before when; those that may be sent are left out.

    The number of queries does not grow with the orders. Where only a notice is missing, the clerks are told.
    """
    tasks = list(EnforcementTask.objects.filter(pk__in=list(task_ids)).select_related("line__account"))
    holds = active_holds({task.line.account_id for task in tasks})
    causes = {task.pk: _other_causes(task, holds.get(task.line.account_id, [])) for task in tasks}
    proofs = cut_proofs({task.line.account_id for task in tasks if not causes[task.pk]})
    nights = all_cuts_wait_until({task.line.account_id for task in tasks})
    answers: dict[int, str | datetime] = {}
    for task in tasks:
        account_id = task.line.account_id
        answer = _judge(task, causes[task.pk], proofs.get(account_id), nights.get(account_id))
        if answer:
            answers[task.pk] = answer
    raise_attentions(_held(task, str(answers[task.pk])) for task in tasks if _is_for_clerks(answers.get(task.pk)))
    return answers


def _other_causes(task: EnforcementTask, holds: Iterable[Hold]) -> set[str]:
    """Return the causes other than non-payment for which a line should be restricted at least as hard."""
    return {
        hold.cause for hold in holds if hold.cause != Hold.Cause.NON_PAYMENT and rank(hold.level) >= rank(task.level)
    }


def _judge(
    task: EnforcementTask, causes: Collection[str], proof: CutProof | None, night: datetime | None
) -> str | datetime | None:
    if causes:
        return None if task.recloses or AT_ANY_HOUR.intersection(causes) else night
    if proof is None:
        return "The account is not there any more."
    if task.recloses:
        return proof.why_not_again(task.level)
    if proof.unsettled:
        # If the charge fails nobody orders the cut anew, so the order stays and is asked about again.
        return clock.now() + ASKED_AGAIN_AFTER
    return proof.why_not(task.level) or night


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
