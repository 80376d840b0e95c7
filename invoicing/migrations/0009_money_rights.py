"""Let those who could waive, credit, write off, record and reverse so far still do so, by the new rights."""

from decimal import Decimal

from django.db import migrations

# (model, right that a group has, its new right, the new right's name): who could do it so far still can.
GRANTS = (
    ("charge", "change_charge", "waive_fee", "Can waive fees and take that back"),
    ("invoice", "change_invoice", "credit_invoice", "Can give credit notes and take them back"),
    ("invoice", "change_invoice", "void_invoice", "Can void invoices"),
    ("invoice", "change_invoice", "write_off_invoice", "Can write invoices off and take that back"),
    ("payment", "change_payment", "record_payment", "Can record payments and bank files"),
    ("payment", "change_payment", "refund_payment", "Can give payments back"),
    ("payment", "change_payment", "reverse_payment", "Can reverse payments that came back"),
)
# What such a group may give away alone from now on: fees and credits, write-offs and voids, refunds.
LIMITS = ("100.00", "250.00", "100.00")


def keep_rights(apps, schema_editor):
    Permission = apps.get_model("auth", "Permission")
    ContentType = apps.get_model("contenttypes", "ContentType")
    MoneyLimit = apps.get_model("invoicing", "MoneyLimit")
    for model, had, gets, name in GRANTS:
        for old in Permission.objects.filter(content_type__app_label="invoicing", codename=had):
            kind = ContentType.objects.get(app_label="invoicing", model=model)
            new, _ = Permission.objects.get_or_create(content_type=kind, codename=gets, defaults={"name": name})
            new.group_set.add(*old.group_set.all())
            new.user_set.add(*old.user_set.all())
            for group in old.group_set.all():
                MoneyLimit.objects.get_or_create(
                    group=group,
                    defaults=dict(zip(("waive_max", "write_off_max", "refund_max"), map(Decimal, LIMITS))),
                )


class Migration(migrations.Migration):
    """Rights named by what is done."""

    dependencies = [
        ("invoicing", "0008_money_put_right"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(keep_rights, migrations.RunPython.noop)]
