"""Charge what is queued: claim, reserve, call the gateway with no transaction open, settle (R-05, R-07).

Before each charge the global pause is asked for: while it is on, no money is taken. What customers pay by themselves in
the portal does not come through here.
"""

import logging
from collections import Counter
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.queries import open_pause
from billing_project.kernel.claims import claim_due, release_claimed, release_expired
from billing_project.kernel.errors import OutcomeUnknown, Rejected, StaleState, Unavailable

from .gateways.port import ChargeRequest, Gateway, Pending
from .gateways.registry import gateway
from .models import PaymentAttempt
from .operations import collect, inquire

logger = logging.getLogger(__name__)

ROWS_MAX = 50

State = PaymentAttempt.State


def dispatch_charges(at: datetime) -> Counter[str]:
    """Charge everything that is due by an instant and return how many ended in which state.

    A secondary source waits until the primary has given its final answer; so rounds are made until nothing
    new is ready.
    """
    outcomes: Counter[str] = Counter()
    release_expired(PaymentAttempt.objects.all(), at=at)
    collect.leave_lost_calls_unknown(at)
    while not open_pause() and (claimed := claim_due(_ready(), at=at, lease=collect.LEASE, rows_max=ROWS_MAX)):
        for attempt_id in claimed:
            if open_pause():
                release_claimed(PaymentAttempt.objects.all(), claimed)
                break
            outcomes[_charge(attempt_id, at)] += 1
    return outcomes


def resolve_unknown(at: datetime) -> Counter[str]:
    """Look up the charges that are unknown or under way and whose time has come, repeat none, and count the ends.

    That is five minutes and an hour after they became so, and then every day.
    """
    outcomes: Counter[str] = Counter()
    collect.leave_lost_calls_unknown(at)
    rows = PaymentAttempt.objects.filter(state__in=[State.UNKNOWN, State.PENDING], due_at__lte=at)
    for attempt_id in list(rows.order_by("due_at", "pk").values_list("pk", flat=True)):
        try:
            outcomes[inquire.look_up(attempt_id, at)] += 1
        except StaleState as busy:
            logger.info("charge %d is looked up later: %s", attempt_id, busy)
    return outcomes


def _ready() -> QuerySet[PaymentAttempt]:
    """Return the queued attempts that no other attempt for the same money holds back.

    That is one on the same invoice; and on any of the account, where one of the two covers all that is due.
    """
    # One at a time per invoice (the database refuses a second), and in order of rank while a lower one is
    # unsettled.
    under_way = Q(state__in=[State.CLAIMED, *PaymentAttempt.ASKED])
    before = Q(state=State.QUEUED) & (Q(rank__lt=OuterRef("rank")) | Q(rank=OuterRef("rank"), pk__lt=OuterRef("pk")))
    same_invoice = PaymentAttempt.objects.filter(invoice=OuterRef("invoice"))
    same_account = PaymentAttempt.objects.filter(account=OuterRef("account"))
    return PaymentAttempt.objects.filter(
        ~Exists(same_invoice.filter(under_way | before)),
        ~Exists(same_account.filter(under_way | before, whole=True)),
        ~(Q(whole=True) & Exists(same_account.filter(under_way | before))),
    )


def _charge(attempt_id: int, at: datetime) -> str:
    try:
        reserved = collect.reserve(attempt_id, at)
    except StaleState as busy:
        # The account is in use; the lease runs out and the row comes back by itself.
        logger.info("charge %d waits: %s", attempt_id, busy)
        return "busy"
    if reserved is None:
        return _state_of(attempt_id)
    attempt, request = reserved
    own = gateway()
    source = attempt.funding_source
    if source is None or source.gateway != own.name:
        named = source.gateway if source else "no gateway"
        refused = Rejected(f"The funding source belongs to {named}, but {own.name} is configured.", "wrong_gateway")
        return collect.settle_declined(attempt_id, refused)
    return _call(own, attempt_id, request, at)


def _call(own: Gateway, attempt_id: int, request: ChargeRequest, at: datetime) -> str:
    try:
        receipt = own.charge(request)
    except Rejected as rejected:
        return collect.settle_declined(attempt_id, rejected)
    except Unavailable as unavailable:
        return collect.settle_not_happened(attempt_id, str(unavailable), at)
    except Pending as pending:
        return collect.settle_pending(attempt_id, pending, at)
    except OutcomeUnknown as unknown:
        return collect.settle_unknown(attempt_id, str(unknown), at)
    return inquire.record(attempt_id, receipt, at)


def _state_of(attempt_id: int) -> str:
    return PaymentAttempt.objects.values_list("state", flat=True).get(pk=attempt_id)
