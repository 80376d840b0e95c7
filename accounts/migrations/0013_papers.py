"""Companies that send every letter of its kind also send invoices and receipts."""

from django.db import migrations

BEFORE = {
    "restored", "payment_failed", "promise_kept", "promise_broken", "card_expiring", "second_source_reminder"
}  # fmt: skip
NEW = ("invoice_issued", "payment_received")


def send_them(apps, schema_editor):
    """Add the new letters where no other was left out; a company that left some out chooses."""
    for row in apps.get_model("accounts", "OutreachRules").objects.all():
        new = [key for key in NEW if key not in row.courtesies]
        if new and BEFORE <= set(row.courtesies):
            row.courtesies = [*new, *row.courtesies]
            row.save(update_fields=["courtesies"])


class Migration(migrations.Migration):
    dependencies = [("accounts", "0012_attachments")]

    operations = [migrations.RunPython(send_them, migrations.RunPython.noop)]
