"""Celery's doors into the room."""

from datetime import datetime

from celery import shared_task

from billing_project.kernel import clock
from invoicing.sweep import bill

from .operations import reassess_many
from .operations.airbag import guard
from .sweep import sweep


@shared_task(name="delinquency.tick")
def tick(at: str | None = None) -> int:
    """Bill what is pending, then look at every account at which something is due."""
    moment = datetime.fromisoformat(at) if at else clock.now()
    bill(moment, recorded=False)
    return sweep(moment).accounts_looked_at


@shared_task(name="delinquency.reassess_accounts")
def reassess_accounts(account_ids: list[int]) -> int:
    """Look again at accounts whose money, notices or status changed; many at once are compared with the usual first."""
    guard(account_ids, at=clock.now())
    return reassess_many(account_ids).accounts
