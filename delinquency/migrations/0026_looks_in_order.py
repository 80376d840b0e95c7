from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("delinquency", "0025_screens")]

    operations = [
        migrations.RemoveIndex(model_name="standing", name="standing_next_look"),
        migrations.AddIndex(
            model_name="standing",
            index=models.Index(
                condition=models.Q(("next_look_at__isnull", False)),
                fields=["next_look_at", "account"],
                name="standing_to_look_at",
            ),
        ),
    ]
