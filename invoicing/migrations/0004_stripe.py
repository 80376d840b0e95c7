"""Reports of a gateway, charges under way at it, and the pages on which customers pay."""

import billing_project.kernel.clock
import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('invoicing', '0003_line_taxes'),
    ]

    operations = [
        migrations.CreateModel(
            name='GatewayEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(max_length=20)),
                ('event_id', models.CharField(help_text="The provider's own; one that comes again is one report.", max_length=120)),
                ('type', models.CharField(max_length=80)),
                ('object_id', models.CharField(blank=True, help_text='What it is about, at the provider.', max_length=120)),
                ('happened_at', models.DateTimeField(help_text='When it happened there, as the report says.')),
                ('received_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('state', models.CharField(choices=[('queued', 'waiting'), ('claimed', 'being handled'), ('done', 'handled'), ('parked', 'given up')], default='queued', max_length=8)),
                ('due_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('lease_until_at', models.DateTimeField(blank=True, null=True)),
                ('tries', models.PositiveSmallIntegerField(default=0)),
                ('handled_at', models.DateTimeField(blank=True, null=True)),
                ('outcome', models.CharField(blank=True, help_text='What it changed, or why it waits.', max_length=300)),
            ],
            options={
                'verbose_name': 'gateway report',
                'ordering': ('-received_at', '-pk'),
            },
        ),
        migrations.CreateModel(
            name='SandboxPage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('key', models.CharField(max_length=120, unique=True)),
                ('account_ref', models.CharField(max_length=64)),
                ('amount', models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True)),
                ('currency', models.CharField(max_length=3)),
                ('keep', models.BooleanField(default=False)),
                ('rank', models.PositiveSmallIntegerField(default=0)),
                ('return_url', models.CharField(max_length=500)),
                ('leave_url', models.CharField(max_length=500)),
                ('open_until', models.DateTimeField()),
                ('state', models.CharField(choices=[('open', 'open'), ('done', 'done'), ('left', 'left')], default='open', max_length=8)),
                ('source_token', models.CharField(blank=True, max_length=120)),
            ],
            options={
                'ordering': ('-open_until', '-pk'),
            },
        ),
        migrations.CreateModel(
            name='SourcePage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=120, unique=True)),
                ('page_id', models.CharField(blank=True, max_length=120)),
                ('rank', models.PositiveSmallIntegerField(help_text='The place it is for: 1 is the primary, 2 the secondary.')),
                ('opened_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('taken_at', models.DateTimeField(blank=True, help_text='When the card added on it was stored here.', null=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='source_pages', to='accounts.account')),
            ],
            options={
                'verbose_name': 'page to add a card',
                'verbose_name_plural': 'pages to add a card',
                'ordering': ('-opened_at', '-pk'),
                'constraints': [models.UniqueConstraint(condition=models.Q(('page_id', ''), _negated=True), fields=('page_id',), name='source_page_once'), models.CheckConstraint(condition=models.Q(('rank__gte', 1)), name='source_page_rank_from_one'), models.CheckConstraint(condition=models.Q(('taken_at__isnull', True), models.Q(('page_id', ''), _negated=True), _connector='OR'), name='source_page_taken_was_opened')],
            },
        ),
        migrations.RemoveConstraint(
            model_name='paymentattempt',
            name='attempt_open_once',
        ),
        migrations.RemoveIndex(
            model_name='paymentattempt',
            name='attempt_unsettled',
        ),
        migrations.AddField(
            model_name='paymentattempt',
            name='page_id',
            field=models.CharField(blank=True, help_text='The page of the gateway on which the customer pays it.', max_length=120),
        ),
        migrations.AddField(
            model_name='paymentattempt',
            name='page_url',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='paymentattempt',
            name='unclear_at',
            field=models.DateTimeField(blank=True, help_text='Since when its outcome is unknown or under way; it is looked up from then on.', null=True),
        ),
        migrations.AlterField(
            model_name='paymentattempt',
            name='state',
            field=models.CharField(choices=[('queued', 'queued'), ('claimed', 'claimed'), ('sending', 'sending'), ('done', 'done'), ('declined', 'declined'), ('refused', 'refused without a call'), ('unknown', 'unknown'), ('pending', 'under way'), ('parked', 'parked')], default='queued', max_length=8),
        ),
        migrations.AddIndex(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(('state__in', ['sending', 'unknown', 'pending'])), fields=['account'], name='attempt_unsettled'),
        ),
        migrations.AddIndex(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(('state__in', ['unknown', 'pending'])), fields=['due_at'], name='attempt_to_look_up'),
        ),
        migrations.AddIndex(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(('provider_id', ''), _negated=True), fields=['provider_id'], name='attempt_at_the_gateway'),
        ),
        migrations.AddConstraint(
            model_name='paymentattempt',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['claimed', 'sending', 'unknown', 'pending'])), fields=('invoice',), name='attempt_open_once'),
        ),
        migrations.AddConstraint(
            model_name='paymentattempt',
            constraint=models.UniqueConstraint(condition=models.Q(('page_id', ''), _negated=True), fields=('page_id',), name='attempt_page_once'),
        ),
        # What is unknown already has been so since it was marked.
        migrations.RunSQL(
            "UPDATE invoicing_paymentattempt SET unclear_at = due_at WHERE state = 'unknown'", migrations.RunSQL.noop
        ),
        migrations.AddConstraint(
            model_name='paymentattempt',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['unknown', 'pending']), _negated=True), ('unclear_at__isnull', False), _connector='OR'), name='attempt_unclear_since_when'),
        ),
        migrations.AddIndex(
            model_name='gatewayevent',
            index=models.Index(condition=models.Q(('state', 'queued')), fields=['due_at', 'id'], name='gateway_event_due'),
        ),
        migrations.AddIndex(
            model_name='gatewayevent',
            index=models.Index(fields=['object_id'], name='gateway_event_object'),
        ),
        migrations.AddConstraint(
            model_name='gatewayevent',
            constraint=models.UniqueConstraint(fields=('provider', 'event_id'), name='gateway_event_once'),
        ),
        migrations.AddConstraint(
            model_name='gatewayevent',
            constraint=models.CheckConstraint(condition=models.Q(('event_id', ''), _negated=True), name='gateway_event_has_id'),
        ),
        migrations.AddConstraint(
            model_name='gatewayevent',
            constraint=models.CheckConstraint(condition=models.Q(('tries__lte', 12)), name='gateway_event_tries_bounded'),
        ),
        migrations.AddConstraint(
            model_name='gatewayevent',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('handled_at__isnull', False), ('state__in', ['done', 'parked'])), models.Q(('handled_at__isnull', True), ('state__in', ['queued', 'claimed'])), _connector='OR'), name='gateway_event_end_has_time'),
        ),
        migrations.AddConstraint(
            model_name='sandboxpage',
            constraint=models.CheckConstraint(condition=models.Q(('amount__isnull', True), ('amount__gt', 0), _connector='OR'), name='sandbox_page_amount'),
        ),
        migrations.AddConstraint(
            model_name='sandboxpage',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'done'), _negated=True), models.Q(('source_token', ''), _negated=True), _connector='OR'), name='sandbox_page_done_by_card'),
        ),
    ]
