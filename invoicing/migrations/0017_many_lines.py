"""Let an invoice have more lines than 32,767. The table of lines is rewritten once, under its lock."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0016_screens")]

    operations = [
        migrations.AlterField(model_name="invoiceline", name="position", field=models.PositiveIntegerField()),
    ]
