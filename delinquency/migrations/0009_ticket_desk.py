"""Queues with business hours, canned replies, macros; tickets with priority, deadline and versions."""

import accounts.models.account
import billing_project.kernel.clock
import django.core.validators
import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add them; queues are filled in next."""

    dependencies = [
        ('accounts', '0005_post_room'),
        ('auth', '0012_alter_user_first_name_max_length'),
        ('delinquency', '0008_airbag'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CannedReply',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('title', models.CharField(max_length=80, unique=True)),
                ('shortcut', models.CharField(help_text='A short name, such as promise-thanks.', max_length=20, unique=True, validators=[django.core.validators.RegexValidator('^[a-z0-9-]+$', 'Use small letters, digits and hyphens, such as promise-thanks.')])),
                ('text_en', models.TextField(max_length=4000, verbose_name='text in English')),
                ('text_es', models.TextField(blank=True, help_text='Blank: these customers get the English one.', max_length=4000, verbose_name='text in Spanish')),
                ('used_count', models.PositiveIntegerField(default=0, editable=False, verbose_name='used')),
            ],
            options={
                'verbose_name_plural': 'canned replies',
                'ordering': ('title',),
            },
        ),
        migrations.CreateModel(
            name='HistoricalCannedReply',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('title', models.CharField(db_index=True, max_length=80)),
                ('shortcut', models.CharField(db_index=True, help_text='A short name, such as promise-thanks.', max_length=20, validators=[django.core.validators.RegexValidator('^[a-z0-9-]+$', 'Use small letters, digits and hyphens, such as promise-thanks.')])),
                ('text_en', models.TextField(max_length=4000, verbose_name='text in English')),
                ('text_es', models.TextField(blank=True, help_text='Blank: these customers get the English one.', max_length=4000, verbose_name='text in Spanish')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
            ],
            options={
                'verbose_name': 'historical canned reply',
                'verbose_name_plural': 'historical canned replies',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalMacro',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('name', models.CharField(db_index=True, help_text='What the button says.', max_length=60)),
                ('purpose', models.CharField(blank=True, help_text='When to use it.', max_length=200)),
                ('position', models.PositiveSmallIntegerField(default=1, help_text='Its place among the buttons.')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
            ],
            options={
                'verbose_name': 'historical macro',
                'verbose_name_plural': 'historical macros',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalTicketQueue',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('name', models.CharField(db_index=True, max_length=40)),
                ('purpose', models.CharField(blank=True, help_text='What it is for, such as “Money: what is owed, paid, promised”.', max_length=200)),
                ('timezone', models.CharField(default='UTC', help_text='The zone of its business hours.', max_length=64, validators=[accounts.models.account.validate_zone])),
                ('first_response_minutes', models.PositiveIntegerField(blank=True, default=480, help_text='Business minutes until the first answer to a new ticket; 480 is a day of eight hours. Blank: none.', null=True, validators=[django.core.validators.MinValueValidator(1)])),
                ('next_response_minutes', models.PositiveIntegerField(blank=True, default=480, help_text='Business minutes until each later answer, from when the customer wrote. Blank: none.', null=True, validators=[django.core.validators.MinValueValidator(1)])),
                ('default_priority', models.PositiveSmallIntegerField(choices=[(1, 'low'), (2, 'normal'), (3, 'high'), (4, 'urgent')], default=2, help_text='What new tickets in it begin with.')),
                ('position', models.PositiveSmallIntegerField(default=1, help_text='Its place in lists.')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
            ],
            options={
                'verbose_name': 'historical ticket queue',
                'verbose_name_plural': 'historical ticket queues',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='Macro',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='What the button says.', max_length=60, unique=True)),
                ('purpose', models.CharField(blank=True, help_text='When to use it.', max_length=200)),
                ('position', models.PositiveSmallIntegerField(default=1, help_text='Its place among the buttons.')),
                ('used_count', models.PositiveIntegerField(default=0, editable=False, verbose_name='used')),
            ],
            options={
                'ordering': ('position', 'name'),
            },
        ),
        migrations.CreateModel(
            name='MacroAction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField(default=1)),
                ('does', models.CharField(choices=[('reply', 'answer with a canned reply'), ('note', 'add an internal note'), ('priority', 'set the priority'), ('queue', 'move to a queue'), ('take', 'assign to me'), ('promise_in', 'note a promise to pay in so many days'), ('promise_on', 'note a promise to pay on the next such weekday'), ('wait', 'wait for the customer'), ('open', 'open it again'), ('close', 'close')], max_length=10)),
                ('text', models.CharField(blank=True, help_text='The note, or why it is closed or moved.', max_length=500)),
                ('priority', models.PositiveSmallIntegerField(blank=True, choices=[(1, 'low'), (2, 'normal'), (3, 'high'), (4, 'urgent')], null=True)),
                ('days', models.PositiveSmallIntegerField(blank=True, help_text='For a promise or for waiting.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(60)])),
                ('weekday', models.PositiveSmallIntegerField(blank=True, choices=[(0, 'Monday'), (1, 'Tuesday'), (2, 'Wednesday'), (3, 'Thursday'), (4, 'Friday'), (5, 'Saturday'), (6, 'Sunday')], null=True)),
            ],
            options={
                'verbose_name': 'action',
                'ordering': ('position', 'pk'),
            },
        ),
        migrations.CreateModel(
            name='QueueHours',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('weekday', models.PositiveSmallIntegerField(choices=[(0, 'Monday'), (1, 'Tuesday'), (2, 'Wednesday'), (3, 'Thursday'), (4, 'Friday'), (5, 'Saturday'), (6, 'Sunday')])),
                ('opens', models.TimeField(help_text="Such as 09:00, in the queue's zone.")),
                ('closes', models.TimeField(help_text='Such as 17:00; later than it opens.')),
            ],
            options={
                'verbose_name': 'business hours',
                'verbose_name_plural': 'business hours',
                'ordering': ('weekday', 'opens'),
            },
        ),
        migrations.CreateModel(
            name='TicketQueue',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=40, unique=True)),
                ('purpose', models.CharField(blank=True, help_text='What it is for, such as “Money: what is owed, paid, promised”.', max_length=200)),
                ('timezone', models.CharField(default='UTC', help_text='The zone of its business hours.', max_length=64, validators=[accounts.models.account.validate_zone])),
                ('first_response_minutes', models.PositiveIntegerField(blank=True, default=480, help_text='Business minutes until the first answer to a new ticket; 480 is a day of eight hours. Blank: none.', null=True, validators=[django.core.validators.MinValueValidator(1)])),
                ('next_response_minutes', models.PositiveIntegerField(blank=True, default=480, help_text='Business minutes until each later answer, from when the customer wrote. Blank: none.', null=True, validators=[django.core.validators.MinValueValidator(1)])),
                ('default_priority', models.PositiveSmallIntegerField(choices=[(1, 'low'), (2, 'normal'), (3, 'high'), (4, 'urgent')], default=2, help_text='What new tickets in it begin with.')),
                ('position', models.PositiveSmallIntegerField(default=1, help_text='Its place in lists.')),
            ],
            options={
                'ordering': ('position', 'name'),
            },
        ),
        migrations.CreateModel(
            name='TicketRoute',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=12, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name='TicketView',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since_at', models.DateTimeField(default=billing_project.kernel.clock.now, help_text='When this visit began.')),
                ('seen_at', models.DateTimeField(default=billing_project.kernel.clock.now, help_text='When the page was last open.')),
                ('draft', models.CharField(blank=True, help_text='How the answer begins that is being written.', max_length=200)),
            ],
        ),
        migrations.AlterModelOptions(
            name='ticket',
            options={'ordering': ('-opened_at', '-pk'), 'permissions': [('reply_ticket', 'Can write to customers from tickets'), ('merge_ticket', 'Can merge tickets')]},
        ),
        migrations.AddField(
            model_name='historicalticket',
            name='answer_due_at',
            field=models.DateTimeField(blank=True, help_text="By when its queue has promised an answer, in the queue's business hours.", null=True),
        ),
        migrations.AddField(
            model_name='historicalticket',
            name='answered_at',
            field=models.DateTimeField(blank=True, help_text='When the customer was last written to.', null=True),
        ),
        migrations.AddField(
            model_name='historicalticket',
            name='closed_how',
            field=models.CharField(blank=True, choices=[('', 'not closed'), ('payment', 'by payment'), ('hand', 'by hand'), ('merge', 'merged into another'), ('reached', 'reachable again')], default='', max_length=8),
        ),
        migrations.AddField(
            model_name='historicalticket',
            name='customer_at',
            field=models.DateTimeField(blank=True, help_text='When the customer last wrote.', null=True),
        ),
        migrations.AddField(
            model_name='historicalticket',
            name='follows',
            field=models.ForeignKey(blank=True, db_constraint=False, help_text='The ticket of the episode before, after a returned payment.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='delinquency.ticket'),
        ),
        migrations.AddField(
            model_name='historicalticket',
            name='kind',
            field=models.CharField(choices=[('delinquency', 'unpaid account'), ('unreachable', 'cannot be reached'), ('question', 'question'), ('dispute', 'dispute'), ('other', 'other')], default='delinquency', help_text='An unpaid account: opened by a policy step, closed by payment.', max_length=12),
        ),
        migrations.AddField(
            model_name='historicalticket',
            name='merged_into',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='delinquency.ticket'),
        ),
        migrations.AddField(
            model_name='historicalticket',
            name='opened_by',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='historicalticket',
            name='owed_since_at',
            field=models.DateTimeField(blank=True, help_text='Since when the customer waits for us; blank while we wait for them.', null=True),
        ),
        migrations.AddField(
            model_name='historicalticket',
            name='priority',
            field=models.PositiveSmallIntegerField(choices=[(1, 'low'), (2, 'normal'), (3, 'high'), (4, 'urgent')], default=2),
        ),
        migrations.AddField(
            model_name='historicalticket',
            name='replies_count',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='historicalticket',
            name='version',
            field=models.PositiveIntegerField(default=1, help_text='Counts every change, so that none is overwritten.'),
        ),
        migrations.AddField(
            model_name='historicalticket',
            name='waiting_until',
            field=models.DateField(blank=True, help_text='The day on which a waiting ticket opens again by itself.', null=True),
        ),
        migrations.AddField(
            model_name='ticket',
            name='answer_due_at',
            field=models.DateTimeField(blank=True, help_text="By when its queue has promised an answer, in the queue's business hours.", null=True),
        ),
        migrations.AddField(
            model_name='ticket',
            name='answered_at',
            field=models.DateTimeField(blank=True, help_text='When the customer was last written to.', null=True),
        ),
        migrations.AddField(
            model_name='ticket',
            name='closed_how',
            field=models.CharField(blank=True, choices=[('', 'not closed'), ('payment', 'by payment'), ('hand', 'by hand'), ('merge', 'merged into another'), ('reached', 'reachable again')], default='', max_length=8),
        ),
        migrations.AddField(
            model_name='ticket',
            name='customer_at',
            field=models.DateTimeField(blank=True, help_text='When the customer last wrote.', null=True),
        ),
        migrations.AddField(
            model_name='ticket',
            name='follows',
            field=models.ForeignKey(blank=True, help_text='The ticket of the episode before, after a returned payment.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='followed_by', to='delinquency.ticket'),
        ),
        migrations.AddField(
            model_name='ticket',
            name='kind',
            field=models.CharField(choices=[('delinquency', 'unpaid account'), ('unreachable', 'cannot be reached'), ('question', 'question'), ('dispute', 'dispute'), ('other', 'other')], default='delinquency', help_text='An unpaid account: opened by a policy step, closed by payment.', max_length=12),
        ),
        migrations.AddField(
            model_name='ticket',
            name='merged_into',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='merged', to='delinquency.ticket'),
        ),
        migrations.AddField(
            model_name='ticket',
            name='opened_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='ticket',
            name='owed_since_at',
            field=models.DateTimeField(blank=True, help_text='Since when the customer waits for us; blank while we wait for them.', null=True),
        ),
        migrations.AddField(
            model_name='ticket',
            name='priority',
            field=models.PositiveSmallIntegerField(choices=[(1, 'low'), (2, 'normal'), (3, 'high'), (4, 'urgent')], default=2),
        ),
        migrations.AddField(
            model_name='ticket',
            name='replies_count',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='ticket',
            name='version',
            field=models.PositiveIntegerField(default=1, help_text='Counts every change, so that none is overwritten.'),
        ),
        migrations.AddField(
            model_name='ticket',
            name='waiting_until',
            field=models.DateField(blank=True, help_text='The day on which a waiting ticket opens again by itself.', null=True),
        ),
        migrations.AddField(
            model_name='ticket',
            name='watchers',
            field=models.ManyToManyField(blank=True, related_name='watched_tickets', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='ticketcomment',
            name='channel',
            field=models.CharField(blank=True, help_text='How it came or went: email, sms, portal.', max_length=8),
        ),
        migrations.AddField(
            model_name='ticketcomment',
            name='contact',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='ticket_comments', to='accounts.contact'),
        ),
        migrations.AddField(
            model_name='ticketcomment',
            name='direction',
            field=models.CharField(choices=[('in', 'from the customer'), ('out', 'to the customer'), ('note', 'note'), ('event', 'what happened')], default='note', max_length=5),
        ),
        migrations.AddField(
            model_name='ticketcomment',
            name='inbound',
            field=models.OneToOneField(blank=True, help_text='The letter or text from outside that it is; each becomes one line only.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='ticket_comment', to='accounts.inboundmessage'),
        ),
        migrations.AddField(
            model_name='ticketcomment',
            name='moved_from',
            field=models.ForeignKey(blank=True, help_text='The merged ticket on which it was written.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='moved_comments', to='delinquency.ticket'),
        ),
        migrations.AddField(
            model_name='ticketcomment',
            name='notice',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='ticket_comments', to='accounts.notice'),
        ),
        migrations.AddField(
            model_name='ticketcomment',
            name='version',
            field=models.PositiveIntegerField(default=0, help_text="The ticket's version that this line made."),
        ),
        migrations.AddConstraint(
            model_name='ticketcomment',
            constraint=models.CheckConstraint(condition=models.Q(('direction__in', ['in', 'out']), ('internal', True), _negated=True), name='ticket_letters_are_not_internal'),
        ),
        migrations.AddField(
            model_name='historicalcannedreply',
            name='history_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='historicalmacro',
            name='history_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='historicalticketqueue',
            name='history_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='macroaction',
            name='canned',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='delinquency.cannedreply', verbose_name='canned reply'),
        ),
        migrations.AddField(
            model_name='macroaction',
            name='macro',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='actions', to='delinquency.macro'),
        ),
        migrations.AddField(
            model_name='ticketqueue',
            name='groups',
            field=models.ManyToManyField(blank=True, help_text='Everybody in these groups works in it.', related_name='ticket_queues', to='auth.group'),
        ),
        migrations.AddField(
            model_name='ticketqueue',
            name='members',
            field=models.ManyToManyField(blank=True, help_text='These people work in it too. No group and no member: everybody who may work on tickets.', related_name='ticket_queues', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='queuehours',
            name='queue',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='hours', to='delinquency.ticketqueue'),
        ),
        migrations.AddField(
            model_name='macroaction',
            name='queue',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='delinquency.ticketqueue'),
        ),
        migrations.AddField(
            model_name='macro',
            name='queues',
            field=models.ManyToManyField(blank=True, help_text='Only offered in these. None: in all.', related_name='macros', to='delinquency.ticketqueue'),
        ),
        migrations.AddField(
            model_name='cannedreply',
            name='queues',
            field=models.ManyToManyField(blank=True, help_text='Only offered in these. None: in all.', related_name='canned_replies', to='delinquency.ticketqueue'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['waiting_until'], name='ticket_waiting'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['answer_due_at'], name='ticket_due'),
        ),
        migrations.AddField(
            model_name='ticketroute',
            name='queue',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='routes', to='delinquency.ticketqueue'),
        ),
        migrations.AddField(
            model_name='ticketview',
            name='ticket',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='views', to='delinquency.ticket'),
        ),
        migrations.AddField(
            model_name='ticketview',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='ticket_views', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='ticketqueue',
            constraint=models.CheckConstraint(condition=models.Q(('first_response_minutes__isnull', True), ('first_response_minutes__gte', 1), _connector='OR'), name='queue_first_response_positive'),
        ),
        migrations.AddConstraint(
            model_name='ticketqueue',
            constraint=models.CheckConstraint(condition=models.Q(('next_response_minutes__isnull', True), ('next_response_minutes__gte', 1), _connector='OR'), name='queue_next_response_positive'),
        ),
        migrations.AddConstraint(
            model_name='ticketqueue',
            constraint=models.CheckConstraint(condition=models.Q(('default_priority__gte', 1), ('default_priority__lte', 4)), name='queue_priority_known'),
        ),
        migrations.AddConstraint(
            model_name='queuehours',
            constraint=models.CheckConstraint(condition=models.Q(('closes__gt', models.F('opens'))), name='queue_hours_in_order', violation_error_message='It must close later than it opens.'),
        ),
        migrations.AddConstraint(
            model_name='queuehours',
            constraint=models.CheckConstraint(condition=models.Q(('weekday__lte', 6)), name='queue_hours_weekday_known'),
        ),
        migrations.AddConstraint(
            model_name='queuehours',
            constraint=models.UniqueConstraint(fields=('queue', 'weekday', 'opens'), name='queue_hours_once'),
        ),
        migrations.AddConstraint(
            model_name='macroaction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('does', 'reply'), _negated=True), ('canned__isnull', False), _connector='OR'), name='macro_reply_has_text', violation_error_message='Choose the canned reply to answer with.'),
        ),
        migrations.AddConstraint(
            model_name='macroaction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('does__in', ['note', 'close']), _negated=True), models.Q(('text', ''), _negated=True), _connector='OR'), name='macro_note_has_text', violation_error_message='Write the text of the note, or why it is closed.'),
        ),
        migrations.AddConstraint(
            model_name='macroaction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('does', 'priority'), _negated=True), ('priority__isnull', False), _connector='OR'), name='macro_priority_named', violation_error_message='Choose the priority.'),
        ),
        migrations.AddConstraint(
            model_name='macroaction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('does', 'queue'), _negated=True), ('queue__isnull', False), _connector='OR'), name='macro_queue_named', violation_error_message='Choose the queue.'),
        ),
        migrations.AddConstraint(
            model_name='macroaction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('does', 'promise_in'), _negated=True), models.Q(('days__gte', 1), ('days__isnull', False), ('days__lte', 60)), _connector='OR'), name='macro_promise_days', violation_error_message='Say in how many days, 1 to 60.'),
        ),
        migrations.AddConstraint(
            model_name='macroaction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('does', 'promise_on'), _negated=True), models.Q(('weekday__isnull', False), ('weekday__lte', 6)), _connector='OR'), name='macro_promise_weekday', violation_error_message='Choose the weekday.'),
        ),
        migrations.AddIndex(
            model_name='ticketview',
            index=models.Index(fields=['ticket', 'seen_at'], name='ticket_view_recent'),
        ),
        migrations.AddConstraint(
            model_name='ticketview',
            constraint=models.UniqueConstraint(fields=('ticket', 'user'), name='ticket_view_once'),
        ),
        # The word of the old choice stays beside the new key until every ticket has its queue.
        migrations.RemoveIndex(model_name='ticket', name='ticket_open'),
        migrations.RenameField(model_name='ticket', old_name='queue', new_name='queue_word'),
        migrations.RenameField(model_name='historicalticket', old_name='queue', new_name='queue_word'),
        migrations.AddField(
            model_name='ticket',
            name='queue',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='tickets', to='delinquency.ticketqueue'),
        ),
        migrations.AddField(
            model_name='historicalticket',
            name='queue',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='delinquency.ticketqueue'),
        ),
    ]
