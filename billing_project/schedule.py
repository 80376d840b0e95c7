"""The whole timetable of beat, on one page, and which queue each task waits in.

Each entry only wakes a task, which then looks in the database for what is due;
dates and hours of business are decided there, in the account's own zone. So a
tick that is late, doubled or lost changes nothing. All times are UTC. When beat
starts it also sends each of them once, so nothing waits for the next full hour.
"""

from typing import Any

from celery.schedules import crontab, schedule

MINUTE = 60.0

TIMETABLE: dict[str, dict[str, Any]] = {
    # Issue what has become due. Five past, so that local midnights of all zones lie behind.
    "invoicing.tick": {"task": "invoicing.tick", "schedule": crontab(minute="5")},
    # Send receipts, and the invoices that were issued.
    "delinquency.send_receipts": {"task": "delinquency.send_receipts", "schedule": schedule(5 * MINUTE)},
    "delinquency.send_invoices": {"task": "delinquency.send_invoices", "schedule": crontab(minute="20")},
    # Look after late accounts. It first bills whatever is still pending.
    "delinquency.tick": {"task": "delinquency.tick", "schedule": schedule(5 * MINUTE)},
    # Take up the runs that people asked for, if their bell was lost.
    "delinquency.run_asked": {"task": "delinquency.run_asked", "schedule": schedule(MINUTE)},
    # Go on with studies of policies whose bell was lost.
    "delinquency.report_studies": {"task": "delinquency.report_studies", "schedule": schedule(MINUTE)},
    # Say what tomorrow should bring, while it is tomorrow.
    "delinquency.report_forecast": {"task": "delinquency.report_forecast", "schedule": crontab(minute="0", hour="20")},
    # Keep the preview of the coming day fresh.
    "delinquency.report_preview": {"task": "delinquency.report_preview", "schedule": crontab(minute="35")},
    # Count what the charts of the home page show, when Europe and America sleep; and clear the log of runs.
    "delinquency.report_months": {"task": "delinquency.report_months", "schedule": crontab(minute="20", hour="4")},
    # Make large files whose bell was lost, and delete those whose week is over.
    "accounts.report_exports": {"task": "accounts.report_exports", "schedule": schedule(5 * MINUTE)},
    # Send the reports by e-mail that are due; fetch what the gateway has paid out.
    "delinquency.report_mailings": {"task": "delinquency.report_mailings", "schedule": schedule(5 * MINUTE)},
    "invoicing.report_payouts": {"task": "invoicing.report_payouts", "schedule": crontab(minute="50", hour="*/6")},
    # Go on with moves of accounts to another policy version that were left unfinished.
    "delinquency.move_batches": {"task": "delinquency.move_batches", "schedule": schedule(MINUTE)},
    # Tell other programs what happened, and forget what the API kept of a month ago.
    "delinquency.report_webhooks": {"task": "delinquency.report_webhooks", "schedule": schedule(MINUTE / 4)},
    "delinquency.report_old_calls": {
        "task": "delinquency.report_old_calls",
        "schedule": crontab(minute="50", hour="3"),
    },
    # Go on with actions on many that were left unfinished.
    "delinquency.mass_actions": {"task": "delinquency.mass_actions", "schedule": schedule(MINUTE)},
    # Go on with uploaded files that were left unfinished; contents of more than 30 days ago are deleted.
    "delinquency.import_files": {"task": "delinquency.import_files", "schedule": schedule(MINUTE)},
    # The post room, the till and the network: drain what a lost nudge left in the queues.
    "accounts.dispatch_notices": {"task": "accounts.dispatch_notices", "schedule": schedule(MINUTE)},
    # Seal the audit record: what was noted is part of the chain within a minute.
    "accounts.seal_audit": {"task": "accounts.seal_audit", "schedule": schedule(MINUTE / 2)},
    # Go on with checks of the audit record whose bell was lost.
    "accounts.report_audit": {"task": "accounts.report_audit", "schedule": schedule(MINUTE)},
    # Customers who asked for a link while the bell was lost; old requests are forgotten.
    "accounts.answer_sign_ins": {"task": "accounts.answer_sign_ins", "schedule": schedule(MINUTE)},
    "invoicing.dispatch_charges": {"task": "invoicing.dispatch_charges", "schedule": schedule(MINUTE)},
    # Announce cards that will have expired when they are needed, from 09:00 where each customer is.
    "invoicing.announce_cards": {"task": "invoicing.announce_cards", "schedule": crontab(minute="1")},
    # Go on with bank files that were left unfinished.
    "invoicing.apply_bank_files": {"task": "invoicing.apply_bank_files", "schedule": schedule(MINUTE)},
    # Handle what the gateway has reported, and notice its silence.
    "invoicing.process_event": {"task": "invoicing.process_event", "schedule": schedule(MINUTE)},
    # Twice as often as the rest: a device that is tried again after 30 s frees lines first.
    "netenforce.restore": {"task": "netenforce.restore", "schedule": schedule(MINUTE / 2)},
    # Forget the gateway's reports of more than 90 days ago.
    "invoicing.purge_events": {"task": "invoicing.purge_events", "schedule": crontab(minute="40", hour="3")},
    "netenforce.dispatch": {"task": "netenforce.dispatch", "schedule": schedule(MINUTE)},
    # Follow address lists whose bell was lost after a change.
    "netenforce.follow_lists": {"task": "netenforce.follow_lists", "schedule": schedule(5 * MINUTE)},
    # Notice a device that was started anew, and who has paid and is blocked still.
    "netenforce.watch": {"task": "netenforce.watch", "schedule": schedule(MINUTE)},
    "netenforce.raise_alarms": {"task": "netenforce.raise_alarms", "schedule": schedule(MINUTE)},
    # Read the devices back and repair what has drifted.
    "netenforce.reconcile": {"task": "netenforce.reconcile", "schedule": schedule(5 * MINUTE)},
}

# In order of who goes first. "restore" and "webhooks" have a worker of their own (serve.py): whoever has paid must not
# wait behind a sweep.
QUEUES: dict[str, dict[str, Any]] = {
    name: {} for name in ("restore", "payments", "webhooks", "notices", "sweeps", "reports")
}
ROUTES = {
    "netenforce.restore": {"queue": "restore"},
    "delinquency.release_accounts": {"queue": "restore"},
    "invoicing.*charge*": {"queue": "payments"},
    "invoicing.*payment*": {"queue": "payments"},
    "invoicing.*bank_file*": {"queue": "payments"},
    "*.process_event": {"queue": "webhooks"},
    "accounts.report_*": {"queue": "reports"},
    "accounts.*": {"queue": "notices"},
    "delinquency.send_*": {"queue": "notices"},
    "*.report*": {"queue": "reports"},
    "delinquency.import_*": {"queue": "reports"},
}
