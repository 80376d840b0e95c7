from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0022_line_mac'),
        # There the numbers are kept by role from now on.
        ('delinquency', '0023_grace_limits'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='company',
            name='grace_limit_clerk',
        ),
        migrations.RemoveField(
            model_name='company',
            name='grace_limit_support',
        ),
        migrations.RemoveField(
            model_name='historicalcompany',
            name='grace_limit_clerk',
        ),
        migrations.RemoveField(
            model_name='historicalcompany',
            name='grace_limit_support',
        ),
    ]
