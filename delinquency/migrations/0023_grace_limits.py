import billing_project.kernel.clock
import django.core.validators
import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models

from billing_project.kernel.audited import watch

SHIPPED_DAYS = {"Support": 14, "Billing clerks": 30}
WIDEST, OFTENEST = 366, 12
# Their limits come with the shipped roles.
LEAD = ("Administrators", "Billing managers")


def take_over(apps, _schema_editor):
    """Keep by role what was kept by company, the lowest of several; whoever had no limit now decides for others."""
    Permission, Group = apps.get_model("auth", "Permission"), apps.get_model("auth", "Group")
    GraceLimit, Company = apps.get_model("delinquency", "GraceLimit"), apps.get_model("accounts", "Company")
    companies = list(Company.objects.values_list("grace_limit_support", "grace_limit_clerk"))
    support, clerk = (min(numbers) for numbers in zip(*companies, strict=True)) if companies else (2, 4)
    for group in Group.objects.filter(permissions__codename="grant_grace").exclude(name__in=LEAD).distinct():
        held = set(group.permissions.values_list("codename", flat=True))
        if "grant_beyond_limit" in held:
            times, days = OFTENEST, WIDEST
        else:
            times = clerk if "change_account" in held else support
            days = SHIPPED_DAYS.get(group.name, SHIPPED_DAYS["Billing clerks" if "change_account" in held else "Support"])
        GraceLimit.objects.get_or_create(group=group, defaults={"times_a_year": times, "days_max": days})
    beyond = Permission.objects.filter(codename="grant_beyond_limit", content_type__app_label="delinquency")
    request = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="delinquency", model="gracerequest"
    )[0]
    name = "Can decide more time that others ask for above their limit"
    beyond.update(codename="approve_grace", name=name, content_type=request)


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0022_line_mac'),
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
        ('delinquency', '0022_audit_more'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='gracegrant',
            options={'ordering': ('-granted_at', '-pk'), 'permissions': (('grant_grace', 'Can give more time, note promises and take them back'),)},
        ),
        migrations.CreateModel(
            name='HistoricalGraceLimit',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('days_max', models.PositiveSmallIntegerField(help_text='1 to 366, counted from today to Grace Until, such as 14. Above it a second person decides.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(366)], verbose_name='most days at once')),
                ('times_a_year', models.PositiveSmallIntegerField(help_text='So often for one account, whoever gave it, promises included, such as 2. Above it a second person decides.', verbose_name='times in 12 months')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('group', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='auth.group')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical grace limit',
                'verbose_name_plural': 'historical grace limits',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='GraceLimit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('days_max', models.PositiveSmallIntegerField(help_text='1 to 366, counted from today to Grace Until, such as 14. Above it a second person decides.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(366)], verbose_name='most days at once')),
                ('times_a_year', models.PositiveSmallIntegerField(help_text='So often for one account, whoever gave it, promises included, such as 2. Above it a second person decides.', verbose_name='times in 12 months')),
                ('group', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='grace_limit', to='auth.group')),
            ],
            options={
                'ordering': ('group__name',),
                'constraints': [models.CheckConstraint(condition=models.Q(('days_max__gte', 1), ('days_max__lte', 366)), name='grace_limit_days_within_a_year')],
            },
        ),
        migrations.CreateModel(
            name='GraceRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(max_length=300)),
                ('state', models.CharField(choices=[('waiting', 'waits for a second person'), ('approved', 'approved'), ('refused', 'refused'), ('withdrawn', 'withdrawn')], default='waiting', max_length=10)),
                ('asked_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('note', models.CharField(blank=True, help_text='What the second person says to it.', max_length=200)),
                ('until_on', models.DateField(help_text='First date on which the account may become delinquent.', verbose_name='grace until')),
                ('lift_now', models.BooleanField(default=False, help_text='End a running case at once (A8).')),
                ('pay_by_on', models.DateField(blank=True, help_text='Of a promise: paid by the end of this day.', null=True)),
                ('amount', models.DecimalField(blank=True, decimal_places=2, help_text='Of a promise: what was promised; blank if it was all that was owed.', max_digits=12, null=True)),
                ('channel', models.CharField(blank=True, choices=[('phone', 'on the phone'), ('desk', 'at the desk'), ('writing', 'in writing'), ('portal', 'in the portal')], max_length=8)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss', to='accounts.account')),
                ('asked_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss_asked', to=settings.AUTH_USER_MODEL)),
                ('decided_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss_decided', to=settings.AUTH_USER_MODEL)),
                ('grant', models.OneToOneField(blank=True, help_text='The grant that came of it.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='request', to='delinquency.gracegrant')),
            ],
            options={
                'verbose_name': 'request for more time',
                'verbose_name_plural': 'requests for more time',
                'ordering': ('-asked_at', '-pk'),
                'permissions': [('approve_grace', 'Can decide more time that others ask for above their limit')],
                'abstract': False,
                'constraints': [models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='gracerequest_has_reason'), models.CheckConstraint(condition=models.Q(('decided_by__isnull', True), models.Q(('decided_by', models.F('asked_by')), _negated=True), _connector='OR'), name='gracerequest_by_a_second'), models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('decided_by__isnull', True), ('state', 'waiting')), models.Q(('decided_at__isnull', False), ('decided_by__isnull', False), ('state__in', ['approved', 'refused'])), models.Q(('decided_at__isnull', False), ('decided_by__isnull', True), ('state', 'withdrawn')), _connector='OR'), name='gracerequest_decided_by_somebody'), models.UniqueConstraint(condition=models.Q(('state', 'waiting')), fields=('account',), name='gracerequest_asked_once'), models.CheckConstraint(condition=models.Q(models.Q(('grant__isnull', False), ('state', 'approved')), models.Q(models.Q(('state', 'approved'), _negated=True), ('grant__isnull', True)), _connector='OR'), name='gracerequest_approved_is_granted'), models.CheckConstraint(condition=models.Q(models.Q(('amount__isnull', True), ('channel', ''), ('pay_by_on__isnull', True)), models.Q(('pay_by_on__isnull', False), ('until_on__gt', models.F('pay_by_on')), models.Q(('channel', ''), _negated=True)), _connector='OR'), name='gracerequest_promise_is_whole')],
            },
        ),
        watch("delinquency_gracelimit"),
        watch("delinquency_gracerequest", account="account_id", why="reason"),
        migrations.RunPython(take_over, migrations.RunPython.noop),
    ]
