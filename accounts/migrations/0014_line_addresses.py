"""No line is a whole network, whoever writes it."""

import accounts.models.service_line
import django.db.models.functions.comparison
import django.db.models.lookups
from django.db import migrations, models

# What the constraints would refuse without saying which line it is.
TOO_WIDE = """
    SELECT ipv4 FROM accounts_serviceline WHERE masklen(NULLIF(ipv4, '')::inet) < 24
    UNION ALL SELECT ipv6 FROM accounts_serviceline WHERE masklen(NULLIF(ipv6, '')::inet) < 48
"""


def name_what_is_too_wide(apps, schema_editor):
    """Stop with the lines that must be mended first; raises ValueError."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(TOO_WIDE)
        found = [text for (text,) in cursor.fetchall()]
    if found:
        raise ValueError(
            f"These are wider than one customer's line (IPv4 /24, IPv6 /48 at most): {', '.join(found[:20])}."
            " Mend these service lines, then run 'manage.py migrate' again."
        )


class Migration(migrations.Migration):
    """Check, and then state it."""

    dependencies = [
        ('accounts', '0013_papers'),
    ]

    operations = [
        migrations.RunPython(name_what_is_too_wide, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='historicalserviceline',
            name='ipv4',
            field=models.CharField(blank=True, help_text='Address or prefix, such as 100.64.3.7 or 203.0.113.8/29.', max_length=18, validators=[accounts.models.service_line.validate_ipv4]),
        ),
        migrations.AlterField(
            model_name='historicalserviceline',
            name='ipv6',
            field=models.CharField(blank=True, help_text='Address or prefix, such as 2001:db8:17::/56.', max_length=43, validators=[accounts.models.service_line.validate_ipv6]),
        ),
        migrations.AlterField(
            model_name='serviceline',
            name='ipv4',
            field=models.CharField(blank=True, help_text='Address or prefix, such as 100.64.3.7 or 203.0.113.8/29.', max_length=18, validators=[accounts.models.service_line.validate_ipv4]),
        ),
        migrations.AlterField(
            model_name='serviceline',
            name='ipv6',
            field=models.CharField(blank=True, help_text='Address or prefix, such as 2001:db8:17::/56.', max_length=43, validators=[accounts.models.service_line.validate_ipv6]),
        ),
        migrations.AddConstraint(
            model_name='serviceline',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.GreaterThanOrEqual(models.Func(django.db.models.functions.comparison.Cast(django.db.models.functions.comparison.NullIf('ipv4', models.Value('')), models.GenericIPAddressField()), function='masklen', output_field=models.IntegerField()), 24), name='line_ipv4_one_customers'),
        ),
        migrations.AddConstraint(
            model_name='serviceline',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.GreaterThanOrEqual(models.Func(django.db.models.functions.comparison.Cast(django.db.models.functions.comparison.NullIf('ipv6', models.Value('')), models.GenericIPAddressField()), function='masklen', output_field=models.IntegerField()), 48), name='line_ipv6_one_customers'),
        ),
    ]
