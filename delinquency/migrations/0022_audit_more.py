"""Note changes of what came with imports, reports, holds, other programs and second factors in the audit record."""

from django.db import migrations

from billing_project.kernel.audited import watch


class Migration(migrations.Migration):
    dependencies = [("delinquency", "0021_audit_triggers"), ("accounts", "0021_audit_triggers"), ("mfa", "__first__")]

    operations = [
        watch("accounts_shadow", why="why"),
        watch("delinquency_accounthold", account="account_id", why="reason"),
        watch("delinquency_accepteddifference", account="account_id", why="reason"),
        watch("delinquency_actminutes"),
        watch("delinquency_apitoken", why="revoked_why", quiet=("last_used_at",), private=("digest",)),
        watch("delinquency_reportsubscription"),
        watch(
            "delinquency_webhookendpoint", private=("secret", "old_secret"),
            quiet=("failures_in_row", "retry_at", "failing_since_at", "failure"),
        ),
        watch("mfa_authenticator", private=("data",), quiet=("last_used_at",)),
    ]
