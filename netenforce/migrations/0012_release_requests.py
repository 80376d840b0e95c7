import billing_project.kernel.clock
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from billing_project.kernel.audited import watch


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0022_line_mac'),
        ('netenforce', '0011_audit_triggers'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ReleaseRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(max_length=300)),
                ('state', models.CharField(choices=[('waiting', 'waits for a second person'), ('approved', 'approved'), ('refused', 'refused'), ('withdrawn', 'withdrawn')], default='waiting', max_length=10)),
                ('asked_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('note', models.CharField(blank=True, help_text='What the second person says to it.', max_length=200)),
                ('hours', models.PositiveSmallIntegerField(help_text='For how many hours.')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss', to='accounts.account')),
                ('asked_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss_asked', to=settings.AUTH_USER_MODEL)),
                ('decided_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss_decided', to=settings.AUTH_USER_MODEL)),
                ('window', models.OneToOneField(blank=True, help_text='The release that came of it.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='request', to='netenforce.paymentwindow')),
            ],
            options={
                'verbose_name': 'request for a release',
                'verbose_name_plural': 'requests for releases',
                'ordering': ('-asked_at', '-pk'),
                'permissions': [('approve_release', 'Can decide releases that others ask for above their limit')],
                'abstract': False,
                'constraints': [models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='releaserequest_has_reason'), models.CheckConstraint(condition=models.Q(('decided_by__isnull', True), models.Q(('decided_by', models.F('asked_by')), _negated=True), _connector='OR'), name='releaserequest_by_a_second'), models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('decided_by__isnull', True), ('state', 'waiting')), models.Q(('decided_at__isnull', False), ('decided_by__isnull', False), ('state__in', ['approved', 'refused'])), models.Q(('decided_at__isnull', False), ('decided_by__isnull', True), ('state', 'withdrawn')), _connector='OR'), name='releaserequest_decided_by_somebody'), models.UniqueConstraint(condition=models.Q(('state', 'waiting')), fields=('account',), name='releaserequest_asked_once'), models.CheckConstraint(condition=models.Q(('hours__gte', 1), ('hours__lte', 168)), name='releaserequest_within_a_week'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'approved'), ('window__isnull', False)), models.Q(models.Q(('state', 'approved'), _negated=True), ('window__isnull', True)), _connector='OR'), name='releaserequest_approved_is_open')],
            },
        ),
        watch("netenforce_releaserequest", account="account_id", why="reason"),
    ]
