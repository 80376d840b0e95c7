"""Celery's doors into the room."""

from datetime import datetime

from celery import shared_task

from billing_project.kernel import clock
from invoicing.sweep import bill

from .asked_runs import keep_preview, run_all_asked
from .imports import desk as imports
from .operations import mass, reassess_many, work_on, work_on_all
from .operations.airbag import guard
from .operations.api_tokens import forget_old
from .operations.papers import send_invoices, send_receipts
from .operations.studies import run_studies, store_forecast
from .reports.mailing import send_due, write_down
from .reports.months import count_months
from .runs import clear_log
from .sweep import share, sweep
from .telling import tell


@shared_task(name="delinquency.tick")
def tick(at: str | None = None) -> int:
    """Bill what is pending, then look at every account at which something is due."""
    moment = datetime.fromisoformat(at) if at else clock.now()
    bill(moment, recorded=False, is_listed=False)
    return sweep(moment, is_listed=False).accounts_looked_at


@shared_task(name="delinquency.share_tick", soft_time_limit=3000, time_limit=3300)
def share_tick(at: str) -> int:
    """Take part in a large delinquency tick, and return how many accounts this worker looked at."""
    return share(datetime.fromisoformat(at))


@shared_task(name="delinquency.reassess_accounts")
def reassess_accounts(account_ids: list[int]) -> int:
    """Look again at accounts whose money, notices or status changed; many at once are compared with the usual first."""
    guard(account_ids, at=clock.now())
    return reassess_many(account_ids).accounts


@shared_task(name="delinquency.release_accounts")
def release_accounts(account_ids: list[int]) -> int:
    """Look again at accounts that a payment came in for, on the worker that frees lines (R-13)."""
    return int(reassess_accounts(account_ids))


@shared_task(name="delinquency.send_invoices", soft_time_limit=1500, time_limit=1800)
def send_new_invoices() -> int:
    """Write the letters with the invoices that billing has just issued; return how many."""
    return send_invoices(clock.now())


@shared_task(name="delinquency.send_receipts")
def send_new_receipts() -> int:
    """Write the letters with the receipts of payments that have just been recorded; return how many."""
    return send_receipts(clock.now())


@shared_task(name="delinquency.report_studies")
def report_studies() -> int:
    """Take a turn at a study that waits; return how many accounts were played."""
    return run_studies()


@shared_task(name="delinquency.report_forecast", soft_time_limit=1500, time_limit=1800)
def report_forecast() -> int:
    """Forecast the next days and keep it; return how many days."""
    return len(store_forecast())


@shared_task(name="delinquency.run_asked", soft_time_limit=3000, time_limit=3300)
def run_asked() -> int:
    """Take up the runs that people have asked for; return how many."""
    return run_all_asked()


@shared_task(name="delinquency.report_months", soft_time_limit=1500, time_limit=1800)
def report_months() -> int:
    """Count the figures of the last months anew and clear the log of runs; return how many months."""
    clear_log()
    return len(count_months())


@shared_task(name="delinquency.report_preview", soft_time_limit=1500, time_limit=1800)
def report_preview() -> int:
    """Play the coming day ahead where that takes long; return how many things are to come."""
    return keep_preview()


@shared_task(name="delinquency.move_batch")
def move_batch(batch_id: int) -> int:
    """Compare or move the accounts of a batch that is too large to wait for (A36)."""
    return work_on(batch_id)


@shared_task(name="delinquency.move_batches")
def move_batches() -> int:
    """Take up the batches that a lost wake-up or a killed worker left unfinished."""
    return work_on_all()


@shared_task(name="delinquency.report_webhooks")
def report_webhooks() -> int:
    """Call the endpoints that are to hear of events; return how many calls were answered well."""
    return tell()


@shared_task(name="delinquency.report_old_calls")
def report_old_calls() -> int:
    """Forget what the API kept of a month ago; return how many rows."""
    return forget_old()


@shared_task(name="delinquency.mass_action")
def mass_action(action_id: int) -> int:
    """Look at, or carry out, an action on many that is too large to wait for (U05)."""
    return mass.work_on(action_id)


@shared_task(name="delinquency.mass_actions")
def mass_actions() -> int:
    """Take up the actions on many that a lost wake-up or a killed worker left unfinished."""
    return mass.work_on_all()


@shared_task(name="delinquency.import_file", soft_time_limit=1500, time_limit=1800)
def import_file(file_id: int) -> str:
    """Check or import an uploaded file that is too large to wait for."""
    return imports.work_on(file_id)


@shared_task(name="delinquency.import_files", soft_time_limit=1500, time_limit=1800)
def import_files() -> int:
    """Take up the uploaded files that a lost wake-up or a killed worker left, and delete old contents."""
    return imports.work_on_all()


@shared_task(name="delinquency.report_mailings", soft_time_limit=900, time_limit=1000)
def report_mailings() -> int:
    """Send the reports by e-mail that are due; return how many were sent."""
    now = clock.now()
    write_down(now)
    return send_due(now)
