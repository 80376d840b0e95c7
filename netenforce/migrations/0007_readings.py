"""Remember since when a line is seen as it is, and what it was before."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("netenforce", "0006_radius_rows"),
    ]

    operations = [
        migrations.AddField(
            model_name="linestate",
            name="earlier_at",
            field=models.DateTimeField(blank=True, help_text="When it was last seen to be that.", null=True),
        ),
        migrations.AddField(
            model_name="linestate",
            name="earlier_level",
            field=models.CharField(
                blank=True,
                choices=[
                    ("open", "open"),
                    ("throttle", "slowed"),
                    ("walled_garden", "payment page only"),
                    ("suspend", "suspended"),
                ],
                default="",
                help_text="What it was seen to be before that.",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="linestate",
            name="observed_since_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When a comparison first found it so; blank: as the last order left it.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="enforcementtask",
            name="recloses",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="It closes a line again after a payment window, or after a device lost it: no new cut, so at any hour (P07, R-12).",
            ),
        ),
    ]
