"""Note every change of money, prices and billing terms in the audit record."""

from django.db import migrations

from billing_project.kernel.audited import watch


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0013_verbs"),
        ("accounts", "0021_audit_triggers"),
    ]

    operations = [
        watch("invoicing_ledgerentry", account="account_id", why="reason"),
        watch("invoicing_payment", account="account_id", quiet=("public_id",), why="reversed_why"),
        watch("invoicing_charge", account="account_id", why="waived_why"),
        watch("invoicing_invoice", account="account_id", quiet=("public_id",)),
        # Written together with their invoice, which tells enough; nobody may change them afterwards.
        watch("invoicing_invoiceline", acts=("UPDATE", "DELETE")),
        watch(
            "invoicing_paymentattempt", account="account_id", acts=("UPDATE", "DELETE"),
            quiet=("lease_until_at", "due_at", "attempts", "source_mark", "page_id", "page_url", "covers"), why="why",
        ),
        watch("invoicing_refundattempt", quiet=("lease_until_at", "due_at"), why="reason"),
        watch("invoicing_approval", account="account_id", why="reason"),
        watch("invoicing_moneylimit"),
        watch("invoicing_bankfile"),
        # What a bank sends names people; the rows themselves stay in their own table.
        watch("invoicing_bankfilerow", acts=("UPDATE", "DELETE"), private=("cells", "candidates", "words")),
        watch("invoicing_billingdefault"),
        watch("invoicing_billingparameters", account="account_id"),
        watch("invoicing_subscription", account="account_id"),
        watch("invoicing_catalogitem"),
        watch("invoicing_catalogitem_taxes"),
        watch("invoicing_tax"),
        watch("invoicing_discount"),
    ]
