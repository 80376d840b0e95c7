
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0013_papers'),
        ('netenforce', '0004_states_know_their_device'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='hold',
            name='lifted_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='hold',
            name='paying_ends',
            field=models.BooleanField(db_default=False, default=False, help_text='The status was switched for money that is owed, so paying ends this as well.'),
        ),
        migrations.AddField(
            model_name='hold',
            name='placed_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='hold',
            name='until_at',
            field=models.DateTimeField(blank=True, help_text='It lifts by itself then; blank: only by hand.', null=True),
        ),
        migrations.AddIndex(
            model_name='hold',
            index=models.Index(condition=models.Q(('lifted_at__isnull', True), ('until_at__isnull', False)), fields=['until_at'], name='hold_to_end'),
        ),
        migrations.AddConstraint(
            model_name='hold',
            constraint=models.CheckConstraint(condition=models.Q(('until_at__isnull', True), ('until_at__gt', models.F('placed_at')), _connector='OR'), name='hold_until_after_placed'),
        ),
        migrations.AddConstraint(
            model_name='hold',
            constraint=models.CheckConstraint(condition=models.Q(('paying_ends', False), ('cause', 'status'), _connector='OR'), name='hold_paying_ends_status_only'),
        ),
    ]
