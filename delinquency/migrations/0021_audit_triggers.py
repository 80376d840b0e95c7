"""Note every change of policies, standings, grace, disputes and the desk's settings in the audit record."""

from django.db import migrations

from billing_project.kernel.audited import watch


class Migration(migrations.Migration):
    dependencies = [
        ("delinquency", "0020_verbs"),
        ("accounts", "0021_audit_triggers"),
    ]

    operations = [
        watch("delinquency_policy"),
        watch("delinquency_policyversion"),
        watch("delinquency_policystep"),
        watch("delinquency_exclusion"),
        watch("delinquency_holidaycopy"),
        # Without the cursor of the sweeps, which moves each day and decides nothing.
        watch(
            "delinquency_standing", account="account_id", why="unflagged_why",
            quiet=(
                "looked_until_at", "next_look_at", "looked_until_phase", "ledger_seen", "grants_seen", "events_count",
            ),
        ),
        watch(
            "delinquency_invoicestanding", account="account_id", why="not_counted_why", acts=("UPDATE", "DELETE"),
            quiet=(
                "due_noted", "past_due_on", "delinquent_on", "first_delinquent_on", "may_enter", "reopened_at",
                "seriously_late_on", "moved_on", "opening",
            ),
        ),
        watch("delinquency_event", account="account_id", acts=("UPDATE", "DELETE"), quiet=("facts",)),
        watch("delinquency_gracegrant", account="account_id", why="reason"),
        watch("delinquency_promise", account="account_id", private=("note",), why="decided_why"),
        watch("delinquency_dispute", account="account_id", private=("text",), why="decided_why"),
        watch("delinquency_airbagtrip", why="decided_why"),
        watch(
            "delinquency_movebatch", why="reason",
            quiet=("account_ids", "place", "moved", "left_out", "difference", "compared_at", "total"),
        ),
        watch("delinquency_policymove", account="account_id", why="reason"),
        watch("delinquency_ticketqueue"),
        watch("delinquency_ticketqueue_groups"),
        watch("delinquency_ticketqueue_members"),
        watch("delinquency_queuehours"),
        watch("delinquency_ticketroute"),
        watch("delinquency_cannedreply", quiet=("used_count",)),
        watch("delinquency_macro", quiet=("used_count",)),
        watch("delinquency_macroaction"),
    ]
