"""Find invoices, payments and reports of the gateway by what is written on them."""

import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("invoicing", "0011_home_counts"),
        ("accounts", "0018_search"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name='gatewayevent',
            index=models.Index(fields=['event_id'], name='gateway_event_id'),
        ),
        migrations.AddIndex(
            model_name='invoice',
            index=models.Index(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('number'), name='text_pattern_ops'), name='invoice_number_typed'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('reference'), name='text_pattern_ops'), name='payment_reference_typed'),
        ),
        migrations.AddIndex(
            model_name='refundattempt',
            index=models.Index(condition=models.Q(('provider_id', ''), _negated=True), fields=['provider_id'], name='refund_at_the_gateway'),
        ),
    ]
