"""The network's room in one stroke, for databases that are new; older ones have come here step by step."""

import billing_project.kernel.clock
import billing_project.kernel.secrets
import django.core.validators
import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models



class Migration(migrations.Migration):

    replaces = [
        ('netenforce', '0001_initial'),
        ('netenforce', '0002_payment_window'),
        ('netenforce', '0003_states_per_device'),
        ('netenforce', '0004_states_know_their_device'),
        ('netenforce', '0005_lists'),
        ('netenforce', '0006_radius_rows'),
        ('netenforce', '0007_readings'),
        ('netenforce', '0008_releases'),
    ]

    initial = True

    dependencies = [
        ('accounts', '0014_line_addresses'),
        ('accounts', '__first__'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='Device',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, unique=True)),
                ('driver', models.CharField(choices=[('simulated', 'simulated device'), ('routeros', 'MikroTik RouterOS'), ('nftables', 'Linux inline device (nftables)'), ('radius', 'RADIUS (FreeRADIUS, CoA)'), ('webhook', 'your own program (signed HTTP calls)')], default='simulated', max_length=12)),
                ('host', models.CharField(blank=True, max_length=200)),
                ('port', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(65535)])),
                ('username', models.CharField(blank=True, max_length=80)),
                ('secret', billing_project.kernel.secrets.EncryptedTextField(blank=True, help_text='Write-only: kept encrypted, never shown again.')),
                ('options', models.JSONField(blank=True, default=dict, help_text='As documented per driver, such as {"tls": true}.')),
                ('enabled', models.BooleanField(default=True)),
                ('repairs_max', models.PositiveIntegerField(db_default=200, default=200, help_text='At most so many lines are restricted anew in one comparison; the rest waits for the next, so that a mistake is seen before it reaches everybody. Lines that should be free are freed without a limit.', validators=[django.core.validators.MinValueValidator(1)])),
                ('last_contact_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('failing_since_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('failure', models.CharField(blank=True, editable=False, max_length=300)),
                ('failures_in_row', models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ('retry_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('version', models.CharField(blank=True, editable=False, max_length=120)),
                ('model', models.CharField(blank=True, editable=False, max_length=120)),
                ('uptime_seconds', models.PositiveBigIntegerField(blank=True, editable=False, null=True)),
                ('probed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('notes', models.JSONField(blank=True, default=list, editable=False)),
            ],
            options={
                'ordering': ('name',),
                'constraints': [models.CheckConstraint(condition=models.Q(('port__isnull', True), models.Q(('port__gte', 1), ('port__lte', 65535)), _connector='OR'), name='device_port_in_range')],
            },
        ),
        migrations.CreateModel(
            name='AddressList',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='As the devices know it, such as Delinquent: a list of addresses, a set, or a RADIUS group.', max_length=60, unique=True, validators=[django.core.validators.RegexValidator('^[A-Za-z0-9_.-]+$', 'Letters, digits, _ . and - only.')])),
                ('level', models.CharField(choices=[('throttle', 'slowed'), ('walled_garden', 'payment page only'), ('suspend', 'suspended')], help_text='What can still be reached: everything but slowly, the payment page only, or nothing.', max_length=16)),
                ('rate_down_kbit', models.PositiveIntegerField(blank=True, help_text='Download speed in kbit/s; blank: not limited.', null=True)),
                ('rate_up_kbit', models.PositiveIntegerField(blank=True, help_text='Upload speed in kbit/s; blank: not limited.', null=True)),
                ('position', models.PositiveSmallIntegerField(default=100, help_text='Where an account meets several lists of a level, the smallest number wins.', verbose_name='order')),
                ('cause', models.CharField(blank=True, choices=[('non_payment', 'non-payment'), ('abuse', 'abuse'), ('request', "customer's request"), ('status', 'account status'), ('found', 'found on the device')], help_text='Only for lines restricted for this reason, such as non-payment; blank: for any.', max_length=16)),
                ('by_account', models.BooleanField(db_default=False, default=False, help_text='On: every account with such a status or type is restricted, without any step of a policy.', verbose_name='takes lines by account alone')),
                ('account_types', models.ManyToManyField(blank=True, help_text='Only for accounts of one of these types; none chosen: for all.', related_name='+', to='accounts.accounttype')),
                ('statuses', models.ManyToManyField(blank=True, help_text='Only for accounts with one of these statuses; none chosen: for all.', related_name='+', to='accounts.accountstatus')),
                ('devices', models.ManyToManyField(blank=True, help_text='Only on these devices; none chosen: on all.', related_name='address_lists', to='netenforce.device')),
            ],
            options={
                'ordering': ('level', 'position', 'name'),
                'constraints': [models.CheckConstraint(condition=models.Q(('by_account', False), ('cause', ''), _connector='OR'), name='address_list_by_account_or_cause')],
            },
        ),
        migrations.CreateModel(
            name='DeviceReading',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('trigger', models.CharField(choices=[('clock', 'on time'), ('restart', 'the device was started anew'), ('hand', 'by hand')], default='clock', max_length=8)),
                ('seconds', models.FloatField(default=0)),
                ('held', models.PositiveIntegerField(default=0, help_text='Addresses that the device holds for us.')),
                ('missing', models.PositiveIntegerField(default=0)),
                ('extra', models.PositiveIntegerField(default=0)),
                ('stale', models.PositiveIntegerField(default=0)),
                ('foreign', models.PositiveIntegerField(default=0)),
                ('repaired', models.PositiveIntegerField(default=0)),
                ('left', models.PositiveIntegerField(default=0, help_text='Left for the next comparison.')),
                ('failure', models.CharField(blank=True, max_length=300)),
                ('details', models.JSONField(blank=True, default=dict, help_text='The first addresses of each class.')),
                ('by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='readings', to='netenforce.device')),
            ],
            options={
                'ordering': ('-at', '-pk'),
                'indexes': [models.Index(fields=['device', '-at'], name='device_reading_newest')],
            },
        ),
        migrations.CreateModel(
            name='EnforcementTask',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('level', models.CharField(choices=[('open', 'open'), ('throttle', 'slowed'), ('walled_garden', 'payment page only'), ('suspend', 'suspended')], max_length=16)),
                ('list_name', models.CharField(blank=True, db_default='', help_text='The list of the device.', max_length=60)),
                ('restores', models.BooleanField(help_text='It makes the line freer than before: goes first, at any hour (D6, R-13).')),
                ('recloses', models.BooleanField(db_default=False, default=False, help_text='It closes a line again after a payment window, or after a device lost it: no new cut, so at any hour (P07, R-12).')),
                ('generation', models.PositiveIntegerField()),
                ('why', models.CharField(max_length=300)),
                ('state', models.CharField(choices=[('queued', 'queued'), ('claimed', 'claimed'), ('sending', 'sending'), ('confirmed', 'confirmed by the device'), ('superseded', 'superseded'), ('cancelled', 'cancelled'), ('parked', 'parked')], default='queued', max_length=12)),
                ('due_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('lease_until_at', models.DateTimeField(blank=True, null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('created_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('settled_at', models.DateTimeField(blank=True, null=True)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='enforcement_tasks', to='netenforce.device')),
                ('line', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='enforcement_tasks', to='accounts.serviceline')),
            ],
            options={
                'ordering': ('-created_at', '-pk'),
                'indexes': [models.Index(condition=models.Q(('state', 'queued')), fields=['-restores', 'due_at', 'id'], name='enforcement_due')],
                'constraints': [models.UniqueConstraint(fields=('line', 'device', 'generation'), name='enforcement_task_once'), models.UniqueConstraint(condition=models.Q(('state__in', ['queued', 'claimed', 'sending'])), fields=('line', 'device'), name='enforcement_task_open_once'), models.CheckConstraint(condition=models.Q(('attempts__lte', 5)), name='enforcement_attempts_bounded'), models.CheckConstraint(condition=models.Q(('recloses', True), ('restores', True), _negated=True), name='enforcement_task_one_direction')],
            },
        ),
        migrations.CreateModel(
            name='EnforcementAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('outcome', models.CharField(max_length=16)),
                ('read_back', models.CharField(blank=True, max_length=200)),
                ('detail', models.CharField(blank=True, max_length=300)),
                ('task', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='attempt_rows', to='netenforce.enforcementtask')),
            ],
            options={
                'ordering': ('at', 'pk'),
            },
        ),
        migrations.CreateModel(
            name='HistoricalAddressList',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('name', models.CharField(db_index=True, help_text='As the devices know it, such as Delinquent: a list of addresses, a set, or a RADIUS group.', max_length=60, validators=[django.core.validators.RegexValidator('^[A-Za-z0-9_.-]+$', 'Letters, digits, _ . and - only.')])),
                ('level', models.CharField(choices=[('throttle', 'slowed'), ('walled_garden', 'payment page only'), ('suspend', 'suspended')], help_text='What can still be reached: everything but slowly, the payment page only, or nothing.', max_length=16)),
                ('rate_down_kbit', models.PositiveIntegerField(blank=True, help_text='Download speed in kbit/s; blank: not limited.', null=True)),
                ('rate_up_kbit', models.PositiveIntegerField(blank=True, help_text='Upload speed in kbit/s; blank: not limited.', null=True)),
                ('position', models.PositiveSmallIntegerField(default=100, help_text='Where an account meets several lists of a level, the smallest number wins.', verbose_name='order')),
                ('cause', models.CharField(blank=True, choices=[('non_payment', 'non-payment'), ('abuse', 'abuse'), ('request', "customer's request"), ('status', 'account status'), ('found', 'found on the device')], help_text='Only for lines restricted for this reason, such as non-payment; blank: for any.', max_length=16)),
                ('by_account', models.BooleanField(db_default=False, default=False, help_text='On: every account with such a status or type is restricted, without any step of a policy.', verbose_name='takes lines by account alone')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical address list',
                'verbose_name_plural': 'historical address lists',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalAddressList_account_types',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('m2m_history_id', models.AutoField(primary_key=True, serialize=False)),
                ('accounttype', models.ForeignKey(blank=True, db_constraint=False, db_tablespace='', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='accounts.accounttype')),
                ('addresslist', models.ForeignKey(blank=True, db_constraint=False, db_tablespace='', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='netenforce.addresslist')),
                ('history', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, to='netenforce.historicaladdresslist')),
            ],
            options={
                'verbose_name': 'HistoricalAddressList_account_types',
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalAddressList_devices',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('m2m_history_id', models.AutoField(primary_key=True, serialize=False)),
                ('addresslist', models.ForeignKey(blank=True, db_constraint=False, db_tablespace='', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='netenforce.addresslist')),
                ('device', models.ForeignKey(blank=True, db_constraint=False, db_tablespace='', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='netenforce.device')),
                ('history', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, to='netenforce.historicaladdresslist')),
            ],
            options={
                'verbose_name': 'HistoricalAddressList_devices',
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalAddressList_statuses',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('m2m_history_id', models.AutoField(primary_key=True, serialize=False)),
                ('accountstatus', models.ForeignKey(blank=True, db_constraint=False, db_tablespace='', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='accounts.accountstatus')),
                ('addresslist', models.ForeignKey(blank=True, db_constraint=False, db_tablespace='', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='netenforce.addresslist')),
                ('history', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, to='netenforce.historicaladdresslist')),
            ],
            options={
                'verbose_name': 'HistoricalAddressList_statuses',
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalDevice',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('name', models.CharField(db_index=True, max_length=80)),
                ('driver', models.CharField(choices=[('simulated', 'simulated device'), ('routeros', 'MikroTik RouterOS'), ('nftables', 'Linux inline device (nftables)'), ('radius', 'RADIUS (FreeRADIUS, CoA)'), ('webhook', 'your own program (signed HTTP calls)')], default='simulated', max_length=12)),
                ('host', models.CharField(blank=True, max_length=200)),
                ('port', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(65535)])),
                ('username', models.CharField(blank=True, max_length=80)),
                ('options', models.JSONField(blank=True, default=dict, help_text='As documented per driver, such as {"tls": true}.')),
                ('enabled', models.BooleanField(default=True)),
                ('repairs_max', models.PositiveIntegerField(db_default=200, default=200, help_text='At most so many lines are restricted anew in one comparison; the rest waits for the next, so that a mistake is seen before it reaches everybody. Lines that should be free are freed without a limit.', validators=[django.core.validators.MinValueValidator(1)])),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical device',
                'verbose_name_plural': 'historical devices',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalLinePlacement',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('device', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='netenforce.device')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('line', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='accounts.serviceline')),
            ],
            options={
                'verbose_name': 'historical line placement',
                'verbose_name_plural': 'historical line placements',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalReleaseLimit',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('hours_max', models.PositiveSmallIntegerField(help_text='Longest release in hours, such as 24.')),
                ('releases_a_month', models.PositiveSmallIntegerField(help_text='So many for one account in 30 days, whoever of the role gives them.')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('group', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='auth.group')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical release limit',
                'verbose_name_plural': 'historical release limits',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='Hold',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('cause', models.CharField(choices=[('non_payment', 'non-payment'), ('abuse', 'abuse'), ('request', "customer's request"), ('status', 'account status'), ('found', 'found on the device')], max_length=16)),
                ('cause_key', models.CharField(help_text='What exactly holds: one active hold for one key.', max_length=120)),
                ('level', models.CharField(choices=[('throttle', 'slowed'), ('walled_garden', 'payment page only'), ('suspend', 'suspended')], max_length=16)),
                ('why', models.CharField(max_length=300)),
                ('placed_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('until_at', models.DateTimeField(blank=True, help_text='It lifts by itself then; blank: only by hand.', null=True)),
                ('paying_ends', models.BooleanField(db_default=False, default=False, help_text='The status was switched for money that is owed, so paying ends this as well.')),
                ('lifted_at', models.DateTimeField(blank=True, null=True)),
                ('lifted_why', models.CharField(blank=True, max_length=300)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='holds', to='accounts.account')),
                ('lifted_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('placed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-placed_at', '-pk'),
                'indexes': [models.Index(condition=models.Q(('lifted_at__isnull', True)), fields=['account'], name='hold_active'), models.Index(condition=models.Q(('lifted_at__isnull', True), ('until_at__isnull', False)), fields=['until_at'], name='hold_to_end')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('lifted_at__isnull', True)), fields=('account', 'cause_key'), name='hold_active_once'), models.CheckConstraint(condition=models.Q(('lifted_at__isnull', True), ('lifted_at__gte', models.F('placed_at')), _connector='OR'), name='hold_lifted_after_placed'), models.CheckConstraint(condition=models.Q(('until_at__isnull', True), ('until_at__gt', models.F('placed_at')), _connector='OR'), name='hold_until_after_placed'), models.CheckConstraint(condition=models.Q(('paying_ends', False), ('cause', 'status'), _connector='OR'), name='hold_paying_ends_status_only')],
            },
        ),
        migrations.CreateModel(
            name='LinePlacement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='placements', to='netenforce.device')),
                ('line', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='placements', to='accounts.serviceline')),
            ],
            options={
                'ordering': ('device', 'line'),
                'constraints': [models.UniqueConstraint(fields=('line', 'device'), name='line_placed_once_per_device')],
            },
        ),
        migrations.CreateModel(
            name='LineState',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('desired_level', models.CharField(choices=[('open', 'open'), ('throttle', 'slowed'), ('walled_garden', 'payment page only'), ('suspend', 'suspended')], default='open', max_length=16)),
                ('desired_list', models.CharField(blank=True, help_text='As the device knows it.', max_length=60)),
                ('desired_since_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('observed_level', models.CharField(choices=[('open', 'open'), ('throttle', 'slowed'), ('walled_garden', 'payment page only'), ('suspend', 'suspended')], default='open', max_length=16)),
                ('observed_list', models.CharField(blank=True, max_length=80)),
                ('observed_at', models.DateTimeField(blank=True, null=True)),
                ('observed_since_at', models.DateTimeField(blank=True, help_text='When a comparison first found it so; blank: as the last order left it.', null=True)),
                ('earlier_level', models.CharField(blank=True, choices=[('open', 'open'), ('throttle', 'slowed'), ('walled_garden', 'payment page only'), ('suspend', 'suspended')], default='', help_text='What it was seen to be before that.', max_length=16)),
                ('earlier_at', models.DateTimeField(blank=True, help_text='When it was last seen to be that.', null=True)),
                ('remark', models.CharField(blank=True, help_text='What the device added, such as at the next log-in.', max_length=200)),
                ('generation', models.PositiveIntegerField(default=0, help_text='Counts the changes of mind; a newer order wins.')),
                ('device', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='line_states', to='netenforce.device')),
                ('line', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='network_states', to='accounts.serviceline')),
            ],
            options={
                'ordering': ('line', 'device'),
                'indexes': [models.Index(condition=models.Q(('desired_level', models.F('observed_level')), _negated=True), fields=['line'], name='line_state_differs')],
                'constraints': [models.UniqueConstraint(fields=('line', 'device'), name='line_state_once_per_device', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='PaymentWindow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('payment', 'for a payment'), ('release', 'released by staff')], db_default='payment', default='payment', max_length=8)),
                ('key', models.CharField(help_text='What it was opened for: one window for one key.', max_length=120, unique=True)),
                ('scope', models.CharField(blank=True, help_text='Within this only so many are opened.', max_length=120)),
                ('why', models.CharField(max_length=300)),
                ('opened_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('closes_at', models.DateTimeField(help_text='It ends then, whoever has died meanwhile.')),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('ended_how', models.CharField(blank=True, choices=[('ran_out', 'its time was over'), ('paid', 'paid'), ('left', 'the payment page was left'), ('by_hand', 'closed by staff'), ('freed', 'nothing is held back any more')], max_length=8)),
                ('levels_before', models.JSONField(blank=True, default=dict, help_text="How the device held each line when the window opened, by the line's key.")),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payment_windows', to='accounts.account')),
                ('opened_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-opened_at', '-pk'),
                'indexes': [models.Index(condition=models.Q(('ended_at__isnull', True)), fields=['closes_at'], name='payment_window_to_end'), models.Index(fields=['account', 'opened_at'], name='payment_window_of_account')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('account',), name='payment_window_open_once'), models.CheckConstraint(condition=models.Q(('closes_at__gt', models.F('opened_at'))), name='payment_window_has_a_length'), models.CheckConstraint(condition=models.Q(('ended_at__isnull', True), ('ended_at__gte', models.F('opened_at')), _connector='OR'), name='payment_window_ended_after_opened'), models.CheckConstraint(condition=models.Q(models.Q(('ended_at__isnull', True), ('ended_how', '')), models.Q(('ended_at__isnull', False), models.Q(('ended_how', ''), _negated=True)), _connector='OR'), name='payment_window_ended_somehow')],
            },
        ),
        migrations.CreateModel(
            name='RadiusAnswer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('username', models.CharField(max_length=253)),
                ('session_id', models.CharField(blank=True, help_text='As accounting knows it (its unique id); blank: the rows of the tables.', max_length=64)),
                ('list_name', models.CharField(blank=True, help_text='Blank: its own groups, not restricted.', max_length=60)),
                ('before_list', models.CharField(blank=True, db_default='', help_text='What the rows said before; only where no session is named.', max_length=60)),
                ('at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='radius_answers', to='netenforce.device')),
            ],
            options={
                'ordering': ('device', 'username', 'session_id'),
                'constraints': [models.UniqueConstraint(fields=('device', 'username', 'session_id'), name='radius_answer_once_per_session')],
            },
        ),
        migrations.CreateModel(
            name='ReleaseLimit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hours_max', models.PositiveSmallIntegerField(help_text='Longest release in hours, such as 24.')),
                ('releases_a_month', models.PositiveSmallIntegerField(help_text='So many for one account in 30 days, whoever of the role gives them.')),
                ('group', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='release_limit', to='auth.group')),
            ],
            options={
                'ordering': ('group',),
                'constraints': [models.CheckConstraint(condition=models.Q(('hours_max__gte', 1), ('hours_max__lte', 168)), name='release_limit_hours_within_a_week')],
            },
        ),
        migrations.CreateModel(
            name='SimulatedEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('address', models.CharField(max_length=64)),
                ('level', models.CharField(max_length=16)),
                ('list_name', models.CharField(blank=True, max_length=80)),
                ('ours', models.BooleanField(db_default=True, default=True, help_text='Off: as if somebody else had entered it.')),
                ('since_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='simulated_entries', to='netenforce.device')),
            ],
            options={
                'verbose_name_plural': 'simulated entries',
                'ordering': ('device', 'address'),
                'constraints': [models.UniqueConstraint(fields=('device', 'address'), name='simulated_entry_once')],
            },
        ),
    ]
