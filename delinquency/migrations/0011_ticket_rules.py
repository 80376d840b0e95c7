"""The old words go, and what must hold of tickets from now on is stated."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Constrain."""

    dependencies = [("delinquency", "0010_ticket_queues")]

    operations = [
        migrations.RemoveConstraint(
            model_name='ticket',
            name='ticket_open_once',
        ),
        migrations.RemoveField(model_name='ticket', name='queue_word'),
        migrations.RemoveField(model_name='historicalticket', name='queue_word'),
        migrations.RemoveField(
            model_name='historicalticket',
            name='is_delinquency',
        ),
        migrations.RemoveField(
            model_name='ticket',
            name='is_delinquency',
        ),
        migrations.AlterField(
            model_name='ticket',
            name='queue',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tickets', to='delinquency.ticketqueue'),
        ),
        migrations.AddConstraint(
            model_name='ticket',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'delinquency'), models.Q(('state', 'closed'), _negated=True)), fields=('account',), name='ticket_open_once'),
        ),
        migrations.AddConstraint(
            model_name='ticket',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'unreachable'), models.Q(('state', 'closed'), _negated=True)), fields=('account',), name='ticket_unreachable_once'),
        ),
        migrations.AddConstraint(
            model_name='ticket',
            constraint=models.CheckConstraint(condition=models.Q(('state', 'closed'), ('closed_how', ''), _connector='OR'), name='ticket_open_is_not_closed_somehow'),
        ),
        migrations.AddConstraint(
            model_name='ticket',
            constraint=models.CheckConstraint(condition=models.Q(('merged_into__isnull', True), models.Q(('closed_how', 'merge'), ('state', 'closed')), _connector='OR'), name='ticket_merged_is_closed'),
        ),
        migrations.AddConstraint(
            model_name='ticket',
            constraint=models.CheckConstraint(condition=models.Q(('waiting_until__isnull', True), ('state', 'waiting'), _connector='OR'), name='ticket_waits_until_only_waiting'),
        ),
        migrations.AddConstraint(
            model_name='ticket',
            constraint=models.CheckConstraint(condition=models.Q(('answer_due_at__isnull', True), ('owed_since_at__isnull', False), _connector='OR'), name='ticket_due_is_owed'),
        ),
        migrations.AddConstraint(
            model_name='ticket',
            constraint=models.CheckConstraint(condition=models.Q(('owed_since_at__isnull', True), ('state', 'open'), _connector='OR'), name='ticket_owes_only_open'),
        ),
        migrations.AddConstraint(
            model_name='ticket',
            constraint=models.CheckConstraint(condition=models.Q(('priority__gte', 1), ('priority__lte', 4)), name='ticket_priority_known'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(condition=models.Q(('state', 'closed'), _negated=True), fields=['queue', 'opened_at'], name='ticket_open'),
        ),
    ]
