"""Doors for Celery: ids and ISO instants in, a count out."""

from datetime import datetime

from celery import shared_task

from billing_project.kernel import clock

from .dispatch import dispatch_charges, resolve_unknown
from .operations.bank_files import apply_started
from .operations.expiring import announce_expiring
from .operations.gateway_events import process_events, purge_events, watch_silence
from .operations.payouts import fetch_payouts
from .operations.refunds import dispatch_refunds
from .sweep import bill, share


@shared_task(name="invoicing.tick", soft_time_limit=3000, time_limit=3300)
def tick() -> int:
    """Issue what has become due by now, and return how many invoices that were."""
    return bill(clock.now(), is_listed=False).invoices_issued


@shared_task(name="invoicing.share_tick", soft_time_limit=3000, time_limit=3300)
def share_tick(at: str, tick_at: str) -> int:
    """Take part in a large billing tick, and return how many invoices this worker issued."""
    return share(datetime.fromisoformat(at), datetime.fromisoformat(tick_at)).invoices_issued


@shared_task(name="invoicing.dispatch_charges", soft_time_limit=240, time_limit=300)
def dispatch() -> int:
    """Look up charges whose outcome is unknown, charge what is due, and return how many were settled; refunds alike."""
    now = clock.now()
    dispatch_refunds(now)
    return resolve_unknown(now).total() + dispatch_charges(now).total()


@shared_task(name="invoicing.process_event", soft_time_limit=240, time_limit=300)
def process_event() -> int:
    """Handle the gateway's reports that are due, notice when there are none, and return how many were handled."""
    now = clock.now()
    watch_silence(now)
    return process_events(now)


@shared_task(name="invoicing.announce_cards", soft_time_limit=240, time_limit=300)
def announce_cards() -> int:
    """Write the letters about expiring cards that are due where their customers are, and return how many."""
    return announce_expiring(clock.now())


@shared_task(name="invoicing.apply_bank_files", soft_time_limit=3000, time_limit=3300)
def apply_bank_files() -> int:
    """Record what waits of bank files that were started, and return how many rows that were."""
    return apply_started()


@shared_task(name="invoicing.purge_events", soft_time_limit=240, time_limit=300)
def purge() -> int:
    """Forget the gateway's reports of long ago, and return how many."""
    return purge_events(clock.now())


@shared_task(name="invoicing.report_payouts", soft_time_limit=540, time_limit=600)
def report_payouts() -> int:
    """Fetch what the gateway paid out lately, and return how many payouts were new."""
    return fetch_payouts(clock.now())
