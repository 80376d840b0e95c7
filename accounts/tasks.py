"""Doors of the post room for Celery."""

from celery import shared_task

from . import exports
from .admin.exporting import make_file
from .audit.checks import run_checks
from .audit.sealing import seal_entries
from .outreach.dispatch import dispatch_notices as send_due_notices
from .sign_in import answer_requests


@shared_task(name="accounts.dispatch_notices", soft_time_limit=60, time_limit=90)
def dispatch_notices() -> int:
    """Send the notices that are due; return how many were handled."""
    return send_due_notices(seconds_max=40).total()


@shared_task(name="accounts.answer_sign_ins", soft_time_limit=60, time_limit=90)
def answer_sign_ins() -> int:
    """Answer those who ask for a link to the portal, and forget old requests; return how many were answered."""
    return answer_requests().total()


@shared_task(name="accounts.seal_audit", soft_time_limit=60, time_limit=90)
def seal_audit() -> int:
    """Seal what the audit record noted since; return how many entries."""
    return seal_entries()


@shared_task(name="accounts.report_audit", soft_time_limit=3_600, time_limit=3_660)
def report_audit() -> int:
    """Do the checks of the audit record that somebody asked for; return how many."""
    return run_checks()


@shared_task(name="accounts.report_export", soft_time_limit=2100, time_limit=2400)
def report_export(export_id: int) -> int:
    """Make a large file that somebody asked for; return its rows."""
    return make_file(export_id)


@shared_task(name="accounts.report_exports", soft_time_limit=2100, time_limit=2400)
def report_exports() -> int:
    """Make the files whose bell was lost, and delete those whose week is over; return the rows."""
    exports.delete_old()
    return sum(make_file(export_id) for export_id in exports.waiting())
