"""Note every change of devices, address lists, holds and releases in the audit record."""

from django.db import migrations

from billing_project.kernel.audited import watch


class Migration(migrations.Migration):
    dependencies = [
        ("netenforce", "0010_verbs"),
        ("accounts", "0021_audit_triggers"),
    ]

    operations = [
        watch(
            "netenforce_device", private=("secret", "username"),
            quiet=(
                "last_contact_at", "failing_since_at", "failure", "failures_in_row", "retry_at", "version", "model",
                "uptime_seconds", "probed_at",
            ),
        ),
        watch("netenforce_lineplacement", account="line_id", via="accounts_serviceline"),
        watch("netenforce_addresslist"),
        watch("netenforce_addresslist_statuses"),
        watch("netenforce_addresslist_account_types"),
        watch("netenforce_addresslist_devices"),
        watch("netenforce_hold", account="account_id", why="why"),
        watch("netenforce_paymentwindow", account="account_id", why="why"),
        watch("netenforce_releaselimit"),
    ]
