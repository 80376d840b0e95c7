import accounts.models.service_line
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0021_audit_triggers'),
    ]

    operations = [
        migrations.AddField(
            model_name='historicalserviceline',
            name='mac',
            field=accounts.models.service_line.MacField(blank=True, help_text="Of the customer's router or radio, such as 4c:5e:0c:12:ab:9f; 4C-5E-0C-12-AB-9F and 4c5e.0c12.ab9f are the same.", max_length=32, validators=[accounts.models.service_line.validate_mac], verbose_name='MAC'),
        ),
        migrations.AddField(
            model_name='serviceline',
            name='mac',
            field=accounts.models.service_line.MacField(blank=True, help_text="Of the customer's router or radio, such as 4c:5e:0c:12:ab:9f; 4C-5E-0C-12-AB-9F and 4c5e.0c12.ab9f are the same.", max_length=32, validators=[accounts.models.service_line.validate_mac], verbose_name='MAC'),
        ),
        migrations.AlterField(
            model_name='dataexport',
            name='kind',
            field=models.CharField(choices=[('csv', 'CSV'), ('xlsx', 'XLSX (Excel)'), ('pdf', 'PDF'), ('json', 'JSON')], default='csv', max_length=4),
        ),
        migrations.AddIndex(
            model_name='serviceline',
            index=models.Index(condition=models.Q(('mac', ''), _negated=True), fields=['mac'], name='line_mac_typed'),
        ),
        migrations.AddConstraint(
            model_name='serviceline',
            constraint=models.CheckConstraint(condition=models.Q(('mac', ''), ('mac__regex', '^[0-9a-f]{2}(:[0-9a-f]{2}){5}$'), _connector='OR'), name='line_mac_written_one_way'),
        ),
    ]
