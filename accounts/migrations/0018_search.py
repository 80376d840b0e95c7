"""Find customers by whatever a caller gives: any part of a name, digits, addresses, a card's last four."""

import django.contrib.postgres.indexes
import django.db.models.functions.comparison
import django.db.models.functions.text
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0017_home_counts"),
    ]

    operations = [
        # Comes with PostgreSQL; who may create tables in the database may switch it on.
        TrigramExtension(),
        migrations.AddIndex(
            model_name='account',
            index=models.Index(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('number'), name='text_pattern_ops'), name='account_number_typed'),
        ),
        migrations.AddIndex(
            model_name='account',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('name'), name='gin_trgm_ops'), name='account_name_typed'),
        ),
        migrations.AddIndex(
            model_name='contact',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('name'), name='gin_trgm_ops'), name='contact_name_typed'),
        ),
        migrations.AddIndex(
            model_name='contact',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('email'), name='gin_trgm_ops'), name='contact_email_typed'),
        ),
        migrations.AddIndex(
            model_name='contact',
            index=models.Index(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Reverse('phone'), name='text_pattern_ops'), name='contact_phone_typed'),
        ),
        migrations.AddIndex(
            model_name='fundingsource',
            index=models.Index(condition=models.Q(('last4', ''), _negated=True), fields=['last4'], name='funding_source_last4'),
        ),
        migrations.AddIndex(
            model_name='fundingsource',
            index=models.Index(fields=['source_token'], name='funding_source_token'),
        ),
        migrations.AddIndex(
            model_name='fundingsource',
            index=models.Index(condition=models.Q(('customer_token', ''), _negated=True), fields=['customer_token'], name='funding_source_customer'),
        ),
        migrations.AddIndex(
            model_name='inboundmessage',
            index=models.Index(fields=['provider_id'], name='inbound_provider_id'),
        ),
        migrations.AddIndex(
            model_name='serviceline',
            index=django.contrib.postgres.indexes.GistIndex(django.contrib.postgres.indexes.OpClass(django.db.models.functions.comparison.Cast(django.db.models.functions.comparison.NullIf('ipv4', models.Value('')), models.GenericIPAddressField()), name='inet_ops'), name='line_ipv4_typed'),
        ),
        migrations.AddIndex(
            model_name='serviceline',
            index=django.contrib.postgres.indexes.GistIndex(django.contrib.postgres.indexes.OpClass(django.db.models.functions.comparison.Cast(django.db.models.functions.comparison.NullIf('ipv6', models.Value('')), models.GenericIPAddressField()), name='inet_ops'), name='line_ipv6_typed'),
        ),
        migrations.AddIndex(
            model_name='serviceline',
            index=models.Index(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('radius_username'), name='text_pattern_ops'), name='line_user_typed'),
        ),
        migrations.AddIndex(
            model_name='serviceline',
            index=models.Index(models.Func(django.db.models.functions.text.Lower('radius_username'), models.Value('[^0-9a-z]'), models.Value(''), models.Value('g'), function='regexp_replace', output_field=models.TextField()), condition=models.Q(('radius_username', ''), _negated=True), name='line_user_bare'),
        ),
    ]
