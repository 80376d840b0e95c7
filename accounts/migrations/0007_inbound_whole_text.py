from django.db import migrations, models


class Migration(migrations.Migration):
    """Keep what a letter quotes beside what its sender wrote, and the name they use."""

    dependencies = [("accounts", "0006_templates")]

    operations = [
        migrations.AddField(
            model_name="inboundmessage",
            name="from_name",
            field=models.CharField(blank=True, help_text="What the sender calls themselves.", max_length=200),
        ),
        migrations.AddField(
            model_name="inboundmessage",
            name="whole_text",
            field=models.TextField(blank=True, help_text="With what they quoted; blank where that is the same."),
        ),
        migrations.AlterField(
            model_name="inboundmessage",
            name="text",
            field=models.TextField(blank=True, help_text="What they wrote themselves."),
        ),
    ]
