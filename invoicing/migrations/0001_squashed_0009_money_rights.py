"""The room of money in one stroke, for databases that are new; older ones have come here step by step."""

import billing_project.kernel.clock
import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import simple_history.models
import uuid
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


# What an issued invoice must keep for good; `remaining`, `state` and `frozen` follow the ledger.
INVOICE_COLUMNS = (
    "id", "public_id", "account_id", "number", "source", "description", "issued_on", "due_on", "period_start_on",
    "period_end_on", "amount", "effective_at", "issued_at",
)

REFUSE = """
CREATE FUNCTION invoicing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% in % is refused: %', lower(TG_OP), TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'restrict_violation';
END $$;
"""

# A member of staff may be deleted; that alone empties the entry's actor.
LEDGER = """
CREATE TRIGGER ledger_append_only_update BEFORE UPDATE ON invoicing_ledgerentry FOR EACH ROW
    WHEN (NEW.actor_id IS NOT NULL OR to_jsonb(OLD) - 'actor_id' IS DISTINCT FROM to_jsonb(NEW) - 'actor_id')
    EXECUTE FUNCTION invoicing_refuse_change('the ledger is append-only; write a compensating entry');
CREATE TRIGGER ledger_append_only_delete BEFORE DELETE ON invoicing_ledgerentry FOR EACH ROW
    EXECUTE FUNCTION invoicing_refuse_change('the ledger is append-only; write a compensating entry');
"""

INVOICE = f"""
CREATE TRIGGER invoice_unchangeable BEFORE UPDATE ON invoicing_invoice FOR EACH ROW
    WHEN (({", ".join(f"OLD.{column}" for column in INVOICE_COLUMNS)})
        IS DISTINCT FROM ({", ".join(f"NEW.{column}" for column in INVOICE_COLUMNS)}))
    EXECUTE FUNCTION invoicing_refuse_change('an issued invoice is not changed; void it or give a credit note');
CREATE TRIGGER invoice_undeletable BEFORE DELETE ON invoicing_invoice FOR EACH ROW
    EXECUTE FUNCTION invoicing_refuse_change('an issued invoice is not deleted; void it');
CREATE TRIGGER invoice_line_unchangeable BEFORE UPDATE OR DELETE ON invoicing_invoiceline FOR EACH ROW
    EXECUTE FUNCTION invoicing_refuse_change('an issued invoice is not changed; void it or give a credit note');
"""

UNDO = """
DROP TRIGGER invoice_line_unchangeable ON invoicing_invoiceline;
DROP TRIGGER invoice_undeletable ON invoicing_invoice;
DROP TRIGGER invoice_unchangeable ON invoicing_invoice;
DROP TRIGGER ledger_append_only_delete ON invoicing_ledgerentry;
DROP TRIGGER ledger_append_only_update ON invoicing_ledgerentry;
DROP FUNCTION invoicing_refuse_change();
"""


class Migration(migrations.Migration):

    replaces = [
        ('invoicing', '0001_initial'),
        ('invoicing', '0002_append_only'),
        ('invoicing', '0003_line_taxes'),
        ('invoicing', '0004_stripe'),
        ('invoicing', '0005_autopay'),
        ('invoicing', '0006_collection'),
        ('invoicing', '0007_gateway_poll'),
        ('invoicing', '0008_money_put_right'),
        ('invoicing', '0009_money_rights'),
    ]

    initial = True

    dependencies = [
        ('accounts', '0014_line_addresses'),
        ('accounts', '__first__'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='BillingRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('tick_at', models.DateTimeField(help_text='The instant billed as of, cut to the minute.', unique=True)),
                ('started_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('accounts_looked_at', models.PositiveIntegerField(default=0)),
                ('invoices_issued', models.PositiveIntegerField(default=0)),
                ('amount_issued', models.DecimalField(decimal_places=2, default=0, max_digits=14)),
                ('dates_moved', models.PositiveIntegerField(default=0, help_text='Next bill dates moved on without an invoice.')),
                ('parked', models.PositiveIntegerField(default=0)),
                ('log', models.TextField(blank=True)),
            ],
            options={
                'ordering': ('-tick_at',),
            },
        ),
        migrations.CreateModel(
            name='CatalogItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, unique=True)),
                ('kind', models.CharField(choices=[('recurring', 'recurring service'), ('one_off', 'one-off charge')], default='recurring', max_length=10)),
                ('price', models.DecimalField(decimal_places=2, max_digits=12, validators=[django.core.validators.MinValueValidator(Decimal('0'))])),
                ('active', models.BooleanField(default=True, help_text='Untick to stop offering it; accounts that have it keep it.')),
            ],
            options={
                'ordering': ('name',),
                'constraints': [models.CheckConstraint(condition=models.Q(('price__gte', 0)), name='catalog_price_not_negative')],
            },
        ),
        migrations.CreateModel(
            name='GatewayPoll',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(max_length=20, unique=True)),
                ('asked_at', models.DateTimeField(blank=True, help_text='When it last answered.', null=True)),
                ('blind_since_at', models.DateTimeField(blank=True, help_text='Since when it neither answers nor reports: fees and cuts of accounts with recent charges wait.', null=True)),
            ],
            options={
                'ordering': ('provider',),
            },
        ),
        migrations.CreateModel(
            name='SandboxCharge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=120, unique=True)),
                ('source_token', models.CharField(max_length=120)),
                ('amount', models.DecimalField(decimal_places=2, max_digits=12)),
                ('currency', models.CharField(max_length=3)),
                ('outcome', models.CharField(max_length=12)),
                ('code', models.CharField(blank=True, max_length=60)),
                ('at', models.DateTimeField(default=billing_project.kernel.clock.now)),
            ],
            options={
                'ordering': ('-at', '-pk'),
            },
        ),
        migrations.CreateModel(
            name='BankFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('transfers', 'transfers that came in'), ('returns', 'payments that came back')], max_length=10)),
                ('name', models.CharField(max_length=200)),
                ('sha256', models.CharField(help_text='Of its content: one file is recorded once.', max_length=64)),
                ('state', models.CharField(choices=[('draft', 'nothing recorded yet'), ('applying', 'being recorded'), ('applied', 'recorded'), ('dropped', 'put aside')], default='draft', max_length=8)),
                ('uploaded_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('applied_at', models.DateTimeField(blank=True, null=True)),
                ('applied_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='bank_files_applied', to=settings.AUTH_USER_MODEL)),
                ('uploaded_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='bank_files', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-uploaded_at', '-pk'),
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'dropped'), _negated=True), fields=('kind', 'sha256'), name='bank_file_once'), models.CheckConstraint(condition=models.Q(models.Q(('applied_at__isnull', True), ('state__in', ['draft', 'dropped'])), models.Q(('applied_at__isnull', False), ('state__in', ['applying', 'applied'])), _connector='OR'), name='bank_file_applied_has_time')],
            },
        ),
        migrations.CreateModel(
            name='BillingDefault',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('due_days', models.PositiveSmallIntegerField(default=15, help_text='Days from the invoice date to the due date (X2): 15 makes an invoice of the 1st due on the 16th.', validators=[django.core.validators.MaxValueValidator(120)])),
                ('daily_billing', models.BooleanField(default=True, help_text='Bill by itself on the bill date (S29). Off: a clerk bills by hand.')),
                ('prorate_account_status_change', models.BooleanField(default=False, help_text='Credit the days from a status switch to the next bill date, debit them on return (S27, A20).')),
                ('prorate_account_delinquency_status_change', models.BooleanField(default=False, help_text='Credit the days of a restriction without a status switch (X7). Throttling never counts.')),
                ('autopay_entire_amount_due', models.BooleanField(default=False, help_text="On: a day's automatic charge covers everything that is due or past due, once, oldest first. Off: each invoice is charged by itself, on its own days (X8).", verbose_name='charge the entire amount due')),
                ('name', models.CharField(max_length=80, unique=True)),
                ('bill_day', models.PositiveSmallIntegerField(default=1, help_text='Day of the month on which invoices are made, 1 to 28 (X11, A34).', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(28)])),
            ],
            options={
                'ordering': ('name',),
                'constraints': [models.CheckConstraint(condition=models.Q(('bill_day__gte', 1), ('bill_day__lte', 28)), name='billing_default_day_1_to_28')],
            },
        ),
        migrations.CreateModel(
            name='BillingParameters',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('due_days', models.PositiveSmallIntegerField(default=15, help_text='Days from the invoice date to the due date (X2): 15 makes an invoice of the 1st due on the 16th.', validators=[django.core.validators.MaxValueValidator(120)])),
                ('daily_billing', models.BooleanField(default=True, help_text='Bill by itself on the bill date (S29). Off: a clerk bills by hand.')),
                ('prorate_account_status_change', models.BooleanField(default=False, help_text='Credit the days from a status switch to the next bill date, debit them on return (S27, A20).')),
                ('prorate_account_delinquency_status_change', models.BooleanField(default=False, help_text='Credit the days of a restriction without a status switch (X7). Throttling never counts.')),
                ('autopay_entire_amount_due', models.BooleanField(default=False, help_text="On: a day's automatic charge covers everything that is due or past due, once, oldest first. Off: each invoice is charged by itself, on its own days (X8).", verbose_name='charge the entire amount due')),
                ('bill_day', models.PositiveSmallIntegerField(default=1, help_text='The anchor: 29 to 31 (imports only) bill on the last day of shorter months, without drifting (A34).', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(31)])),
                ('next_bill_on', models.DateField(blank=True, help_text="The account's next bill date. Blank: nothing is billed until one is set.", null=True)),
                ('autopay', models.BooleanField(default=True, help_text='Charge the stored cards on the days the policy says. Off: the customer pays each bill by hand, and those days count as refused without a call.', verbose_name='automatic payment')),
                ('account', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='billing_parameters', to='accounts.account')),
                ('billing_default', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='accounts', to='invoicing.billingdefault')),
            ],
            options={
                'verbose_name': 'billing parameters',
                'verbose_name_plural': 'billing parameters',
                'indexes': [models.Index(condition=models.Q(('next_bill_on__isnull', False)), fields=['next_bill_on'], name='next_bill_date')],
                'constraints': [models.CheckConstraint(condition=models.Q(('bill_day__gte', 1), ('bill_day__lte', 31)), name='billing_parameters_day_1_to_31')],
            },
        ),
        migrations.CreateModel(
            name='Discount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, unique=True)),
                ('percent', models.DecimalField(decimal_places=4, default=Decimal('0'), max_digits=7, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100'))])),
                ('amount', models.DecimalField(decimal_places=2, default=Decimal('0.00'), help_text='Taken off after the percentage; a line never goes below zero.', max_digits=12, validators=[django.core.validators.MinValueValidator(Decimal('0'))])),
            ],
            options={
                'ordering': ('name',),
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__gte', 0), ('percent__gte', 0), ('percent__lte', 100)), name='discount_in_bounds')],
            },
        ),
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
                'indexes': [models.Index(condition=models.Q(('state', 'queued')), fields=['due_at', 'id'], name='gateway_event_due'), models.Index(fields=['object_id'], name='gateway_event_object')],
                'constraints': [models.UniqueConstraint(fields=('provider', 'event_id'), name='gateway_event_once'), models.CheckConstraint(condition=models.Q(('event_id', ''), _negated=True), name='gateway_event_has_id'), models.CheckConstraint(condition=models.Q(('tries__lte', 12)), name='gateway_event_tries_bounded'), models.CheckConstraint(condition=models.Q(models.Q(('handled_at__isnull', False), ('state__in', ['done', 'parked'])), models.Q(('handled_at__isnull', True), ('state__in', ['queued', 'claimed'])), _connector='OR'), name='gateway_event_end_has_time')],
            },
        ),
        migrations.CreateModel(
            name='HistoricalBillingDefault',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('due_days', models.PositiveSmallIntegerField(default=15, help_text='Days from the invoice date to the due date (X2): 15 makes an invoice of the 1st due on the 16th.', validators=[django.core.validators.MaxValueValidator(120)])),
                ('daily_billing', models.BooleanField(default=True, help_text='Bill by itself on the bill date (S29). Off: a clerk bills by hand.')),
                ('prorate_account_status_change', models.BooleanField(default=False, help_text='Credit the days from a status switch to the next bill date, debit them on return (S27, A20).')),
                ('prorate_account_delinquency_status_change', models.BooleanField(default=False, help_text='Credit the days of a restriction without a status switch (X7). Throttling never counts.')),
                ('autopay_entire_amount_due', models.BooleanField(default=False, help_text="On: a day's automatic charge covers everything that is due or past due, once, oldest first. Off: each invoice is charged by itself, on its own days (X8).", verbose_name='charge the entire amount due')),
                ('name', models.CharField(db_index=True, max_length=80)),
                ('bill_day', models.PositiveSmallIntegerField(default=1, help_text='Day of the month on which invoices are made, 1 to 28 (X11, A34).', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(28)])),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical billing default',
                'verbose_name_plural': 'historical billing defaults',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalBillingParameters',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('due_days', models.PositiveSmallIntegerField(default=15, help_text='Days from the invoice date to the due date (X2): 15 makes an invoice of the 1st due on the 16th.', validators=[django.core.validators.MaxValueValidator(120)])),
                ('daily_billing', models.BooleanField(default=True, help_text='Bill by itself on the bill date (S29). Off: a clerk bills by hand.')),
                ('prorate_account_status_change', models.BooleanField(default=False, help_text='Credit the days from a status switch to the next bill date, debit them on return (S27, A20).')),
                ('prorate_account_delinquency_status_change', models.BooleanField(default=False, help_text='Credit the days of a restriction without a status switch (X7). Throttling never counts.')),
                ('autopay_entire_amount_due', models.BooleanField(default=False, help_text="On: a day's automatic charge covers everything that is due or past due, once, oldest first. Off: each invoice is charged by itself, on its own days (X8).", verbose_name='charge the entire amount due')),
                ('bill_day', models.PositiveSmallIntegerField(default=1, help_text='The anchor: 29 to 31 (imports only) bill on the last day of shorter months, without drifting (A34).', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(31)])),
                ('next_bill_on', models.DateField(blank=True, help_text="The account's next bill date. Blank: nothing is billed until one is set.", null=True)),
                ('autopay', models.BooleanField(default=True, help_text='Charge the stored cards on the days the policy says. Off: the customer pays each bill by hand, and those days count as refused without a call.', verbose_name='automatic payment')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('account', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='accounts.account')),
                ('billing_default', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='invoicing.billingdefault')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical billing parameters',
                'verbose_name_plural': 'historical billing parameters',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalCatalogItem',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('name', models.CharField(db_index=True, max_length=120)),
                ('kind', models.CharField(choices=[('recurring', 'recurring service'), ('one_off', 'one-off charge')], default='recurring', max_length=10)),
                ('price', models.DecimalField(decimal_places=2, max_digits=12, validators=[django.core.validators.MinValueValidator(Decimal('0'))])),
                ('active', models.BooleanField(default=True, help_text='Untick to stop offering it; accounts that have it keep it.')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical catalog item',
                'verbose_name_plural': 'historical catalog items',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalDiscount',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('name', models.CharField(db_index=True, max_length=80)),
                ('percent', models.DecimalField(decimal_places=4, default=Decimal('0'), max_digits=7, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100'))])),
                ('amount', models.DecimalField(decimal_places=2, default=Decimal('0.00'), help_text='Taken off after the percentage; a line never goes below zero.', max_digits=12, validators=[django.core.validators.MinValueValidator(Decimal('0'))])),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical discount',
                'verbose_name_plural': 'historical discounts',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalMoneyLimit',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('waive_max', models.DecimalField(decimal_places=2, default=Decimal('0.00'), help_text="The largest fee waived, or credit given on an invoice, at one time and in the account's currency. Above it a second person decides.", max_digits=12, validators=[django.core.validators.MinValueValidator(Decimal('0.00'))])),
                ('write_off_max', models.DecimalField(decimal_places=2, default=Decimal('0.00'), help_text="The most written off, or voided, at one time and in the account's currency. Above it a second person decides.", max_digits=12, validators=[django.core.validators.MinValueValidator(Decimal('0.00'))])),
                ('refund_max', models.DecimalField(decimal_places=2, default=Decimal('0.00'), help_text="The most paid back, at one time and in the account's currency. Above it a second person decides.", max_digits=12, validators=[django.core.validators.MinValueValidator(Decimal('0.00'))])),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('group', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='auth.group')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical money limit',
                'verbose_name_plural': 'historical money limits',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalSubscription',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('quantity', models.PositiveSmallIntegerField(default=1, validators=[django.core.validators.MinValueValidator(1)])),
                ('price', models.DecimalField(blank=True, decimal_places=2, help_text="This account's own price. Blank: the catalogue's.", max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0'))])),
                ('starts_on', models.DateField(blank=True, help_text='First day billed. Blank: always.', null=True)),
                ('ends_on', models.DateField(blank=True, help_text='Last day billed. Blank: until cancelled.', null=True)),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('account', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='accounts.account')),
                ('discount', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='invoicing.discount')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('item', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='invoicing.catalogitem')),
            ],
            options={
                'verbose_name': 'historical subscription',
                'verbose_name_plural': 'historical subscriptions',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalTax',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('name', models.CharField(db_index=True, max_length=60)),
                ('percent', models.DecimalField(decimal_places=4, help_text="Percent of the line's amount, such as 8.8750.", max_digits=7, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100'))])),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical tax',
                'verbose_name_plural': 'historical taxes',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='Invoice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('number', models.CharField(max_length=64, unique=True)),
                ('source', models.CharField(choices=[('billing_run', 'billing run'), ('imported', 'imported'), ('manual', 'by hand')], default='billing_run', max_length=12)),
                ('description', models.CharField(blank=True, max_length=300)),
                ('issued_on', models.DateField(help_text="Invoice date, in the account's zone.")),
                ('due_on', models.DateField(help_text='Last day on which payment is in time (A2).')),
                ('period_start_on', models.DateField(blank=True, help_text='First day of the billing period.', null=True)),
                ('period_end_on', models.DateField(blank=True, help_text='Last day of the billing period.', null=True)),
                ('amount', models.DecimalField(decimal_places=2, max_digits=12)),
                ('remaining', models.DecimalField(decimal_places=2, help_text='What is still unpaid.', max_digits=12)),
                ('state', models.CharField(choices=[('open', 'open'), ('paid', 'paid'), ('void', 'void'), ('written_off', 'written off')], default='open', max_length=12)),
                ('frozen', models.BooleanField(default=False, help_text='Disputed: payments are not put on it by themselves, and nothing escalates over it (X9).')),
                ('effective_at', models.DateTimeField(help_text='The instant from which it is owed: 00:05 local on its date.')),
                ('issued_at', models.DateTimeField(default=billing_project.kernel.clock.now, editable=False, help_text='When the row was written.')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='invoices', to='accounts.account')),
            ],
            options={
                'ordering': ('-issued_on', '-pk'),
                'permissions': [('credit_invoice', 'Can give credit notes and take them back'), ('void_invoice', 'Can void invoices'), ('write_off_invoice', 'Can write invoices off and take that back')],
                'indexes': [models.Index(condition=models.Q(('state', 'open')), fields=['account', 'due_on'], name='invoice_open_of_account'), models.Index(condition=models.Q(('state', 'open')), fields=['due_on'], name='invoice_open_due'), models.Index(fields=['account', '-issued_on'], name='invoice_of_account'), models.Index(fields=['issued_on'], name='invoice_issued_on')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('source', 'billing_run'), models.Q(('state', 'void'), _negated=True)), fields=('account', 'period_start_on'), name='invoice_once_per_period'), models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='invoice_amount_positive'), models.CheckConstraint(condition=models.Q(('remaining__gte', Decimal('0')), ('remaining__lte', models.F('amount'))), name='invoice_remaining_in_bounds'), models.CheckConstraint(condition=models.Q(('due_on__gte', models.F('issued_on'))), name='invoice_due_after_issue'), models.CheckConstraint(condition=models.Q(models.Q(('remaining__gt', 0), ('state', 'open')), models.Q(models.Q(('state', 'open'), _negated=True), ('remaining', 0)), _connector='OR'), name='invoice_open_means_unpaid')],
            },
        ),
        migrations.CreateModel(
            name='HistoricalCharge',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('kind', models.CharField(choices=[('late_fee', 'late fee'), ('reconnection_fee', 'reconnection fee'), ('nsf_fee', 'returned payment fee'), ('proration', 'proration'), ('one_off', 'one-off charge')], max_length=20)),
                ('key', models.CharField(help_text='Makes the charge once: kind, invoice or case, step.', max_length=120)),
                ('description', models.CharField(max_length=200)),
                ('amount', models.DecimalField(decimal_places=2, help_text='Negative for a credit.', max_digits=12)),
                ('charged_on', models.DateField()),
                ('waived_at', models.DateTimeField(blank=True, null=True)),
                ('waived_why', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(default=billing_project.kernel.clock.now, editable=False)),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('account', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='accounts.account')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('about_invoice', models.ForeignKey(blank=True, db_constraint=False, help_text='The late invoice that a fee is for.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='invoicing.invoice')),
                ('invoice', models.ForeignKey(blank=True, db_constraint=False, help_text='The invoice that carries this charge. Blank: it waits for the next one.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='invoicing.invoice')),
            ],
            options={
                'verbose_name': 'historical charge',
                'verbose_name_plural': 'historical charges',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='Charge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('late_fee', 'late fee'), ('reconnection_fee', 'reconnection fee'), ('nsf_fee', 'returned payment fee'), ('proration', 'proration'), ('one_off', 'one-off charge')], max_length=20)),
                ('key', models.CharField(help_text='Makes the charge once: kind, invoice or case, step.', max_length=120)),
                ('description', models.CharField(max_length=200)),
                ('amount', models.DecimalField(decimal_places=2, help_text='Negative for a credit.', max_digits=12)),
                ('charged_on', models.DateField()),
                ('waived_at', models.DateTimeField(blank=True, null=True)),
                ('waived_why', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(default=billing_project.kernel.clock.now, editable=False)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='charges', to='accounts.account')),
                ('about_invoice', models.ForeignKey(blank=True, help_text='The late invoice that a fee is for.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='fees', to='invoicing.invoice')),
                ('invoice', models.ForeignKey(blank=True, help_text='The invoice that carries this charge. Blank: it waits for the next one.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='charges', to='invoicing.invoice')),
            ],
            options={
                'ordering': ('account', 'charged_on', 'pk'),
                'permissions': [('waive_fee', 'Can waive fees and take that back')],
                'indexes': [models.Index(condition=models.Q(('invoice__isnull', True), ('waived_at__isnull', True)), fields=['account'], name='charge_uninvoiced')],
                'constraints': [models.UniqueConstraint(fields=('account', 'key'), name='charge_once'), models.UniqueConstraint(condition=models.Q(('kind', 'late_fee')), fields=('about_invoice', 'kind', 'key'), name='late_fee_once_per_rule'), models.CheckConstraint(condition=models.Q(('amount', 0), _negated=True), name='charge_not_zero'), models.CheckConstraint(condition=models.Q(('kind__in', ['proration', 'one_off']), ('amount__gt', 0), _connector='OR'), name='charge_fee_is_positive')],
            },
        ),
        migrations.CreateModel(
            name='InvoiceLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField()),
                ('description', models.CharField(max_length=300)),
                ('quantity', models.PositiveSmallIntegerField(default=1)),
                ('unit_price', models.DecimalField(decimal_places=2, max_digits=12)),
                ('discount', models.DecimalField(decimal_places=2, default=Decimal('0.00'), max_digits=12)),
                ('tax', models.DecimalField(decimal_places=2, default=Decimal('0.00'), max_digits=12)),
                ('taxes', models.JSONField(blank=True, default=list, help_text='What the tax is made of: name, percent and amount of each. Empty: not known, as on imported lines.')),
                ('amount', models.DecimalField(decimal_places=2, help_text='Quantity × price − discount + tax; negative for a credit.', max_digits=12)),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='invoicing.invoice')),
            ],
            options={
                'ordering': ('invoice', 'position'),
                'constraints': [models.UniqueConstraint(fields=('invoice', 'position'), name='invoice_line_position_once'), models.CheckConstraint(condition=models.Q(('amount', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('quantity'), '*', models.F('unit_price')), '-', models.F('discount')), '+', models.F('tax')))), name='invoice_line_adds_up')],
            },
        ),
        migrations.CreateModel(
            name='InvoiceSeries',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('last_number', models.PositiveBigIntegerField(default=0)),
                ('company', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='invoice_series', to='accounts.company')),
            ],
            options={
                'verbose_name_plural': 'invoice series',
            },
        ),
        migrations.CreateModel(
            name='MoneyLimit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('waive_max', models.DecimalField(decimal_places=2, default=Decimal('0.00'), help_text="The largest fee waived, or credit given on an invoice, at one time and in the account's currency. Above it a second person decides.", max_digits=12, validators=[django.core.validators.MinValueValidator(Decimal('0.00'))])),
                ('write_off_max', models.DecimalField(decimal_places=2, default=Decimal('0.00'), help_text="The most written off, or voided, at one time and in the account's currency. Above it a second person decides.", max_digits=12, validators=[django.core.validators.MinValueValidator(Decimal('0.00'))])),
                ('refund_max', models.DecimalField(decimal_places=2, default=Decimal('0.00'), help_text="The most paid back, at one time and in the account's currency. Above it a second person decides.", max_digits=12, validators=[django.core.validators.MinValueValidator(Decimal('0.00'))])),
                ('group', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='money_limit', to='auth.group')),
            ],
            options={
                'ordering': ('group__name',),
                'constraints': [models.CheckConstraint(condition=models.Q(('refund_max__gte', 0), ('waive_max__gte', 0), ('write_off_max__gte', 0)), name='money_limit_not_negative')],
            },
        ),
        migrations.CreateModel(
            name='Payment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('reference', models.CharField(help_text="The payer's, bank's or gateway's reference.", max_length=64, unique=True)),
                ('received_at', models.DateTimeField(help_text='When the money arrived.')),
                ('amount', models.DecimalField(decimal_places=2, max_digits=12)),
                ('method', models.CharField(default='cash', max_length=20)),
                ('effective_at', models.DateTimeField(help_text='When it counts: when it was received, or when it was recorded if that was later than a decision.')),
                ('recorded_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('reversed_at', models.DateTimeField(blank=True, help_text='When its return was recorded.', null=True)),
                ('reversed_why', models.CharField(blank=True, max_length=200)),
                ('reversed_as', models.CharField(blank=True, choices=[('returned', 'returned by the bank'), ('chargeback', 'disputed by the payer'), ('mistake', 'recorded by mistake')], max_length=10)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='accounts.account')),
                ('funding_source', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='payments', to='accounts.fundingsource')),
                ('invoice', models.ForeignKey(blank=True, help_text='The invoice the payer named. Blank: oldest due first (A21).', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='named_payments', to='invoicing.invoice')),
                ('recorded_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-received_at', '-pk'),
                'permissions': [('record_payment', 'Can record payments and bank files'), ('refund_payment', 'Can give payments back'), ('reverse_payment', 'Can reverse payments that came back')],
                'indexes': [models.Index(fields=['account', '-received_at'], name='payment_of_account')],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='payment_amount_positive'), models.CheckConstraint(condition=models.Q(('reversed_at__isnull', True), ('reversed_at__gte', models.F('effective_at')), _connector='OR'), name='payment_reversed_after_it_counts'), models.CheckConstraint(condition=models.Q(('reversed_as', ''), ('reversed_at__isnull', False), _connector='OR'), name='payment_reversed_as_when_reversed')],
            },
        ),
        migrations.CreateModel(
            name='LedgerEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('invoice', 'invoice issued'), ('payment', 'payment'), ('credit_used', 'credit used'), ('reversal', 'payment reversed'), ('charge', 'charge'), ('charge_invoiced', 'charge invoiced'), ('waiver', 'charge waived'), ('credit_note', 'credit note'), ('adjustment', 'adjustment'), ('void', 'invoice voided'), ('write_off', 'written off'), ('refund', 'refund')], max_length=16)),
                ('amount', models.DecimalField(decimal_places=2, max_digits=12)),
                ('key', models.CharField(help_text='Makes the entry once.', max_length=160, unique=True)),
                ('effective_at', models.DateTimeField(help_text='The instant at which it counts.')),
                ('recorded_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('reason_code', models.CharField(blank=True, choices=[('goodwill', 'goodwill'), ('our_mistake', 'our mistake'), ('provider_error', 'error of the bank or payment provider'), ('hardship', 'hardship'), ('dispute_upheld', 'dispute upheld'), ('other', 'other (say what)')], max_length=16)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='ledger_entries', to='accounts.account')),
                ('actor', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
                ('charge', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='ledger_entries', to='invoicing.charge')),
                ('invoice', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='ledger_entries', to='invoicing.invoice')),
                ('payment', models.ForeignKey(blank=True, help_text='The payment this entry uses or takes back.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='ledger_entries', to='invoicing.payment')),
            ],
            options={
                'verbose_name_plural': 'ledger entries',
                'ordering': ('effective_at', 'pk'),
                'indexes': [models.Index(fields=['account', 'effective_at'], name='ledger_of_account'), models.Index(fields=['account', 'id'], name='ledger_new_of_account'), models.Index(condition=models.Q(('charge__isnull', True), ('invoice__isnull', True)), fields=['account'], name='ledger_credit')],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount', 0), _negated=True), name='ledger_not_zero'), models.CheckConstraint(condition=models.Q(('invoice__isnull', True), ('charge__isnull', True), _connector='OR'), name='ledger_one_pot'), models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ['payment', 'credit_used', 'reversal']), _negated=True), ('payment__isnull', False), _connector='OR'), name='ledger_payment_named')],
            },
        ),
        migrations.CreateModel(
            name='BankFileRow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('line', models.PositiveIntegerField(help_text='In the file; its header is line 1.')),
                ('cells', models.JSONField(help_text='The row by column, as corrected.')),
                ('left_out', models.BooleanField(default=False)),
                ('finding', models.CharField(choices=[('fine', 'can be recorded'), ('check', 'please correct'), ('known', 'recorded already')], default='check', max_length=5)),
                ('wrong', models.JSONField(blank=True, default=dict, help_text='What is wrong, by column.')),
                ('candidates', models.JSONField(blank=True, default=list, help_text='What it may mean: value and words.')),
                ('outcome', models.CharField(choices=[('waiting', 'not yet'), ('done', 'recorded'), ('failed', 'failed'), ('left_out', 'left out')], default='waiting', max_length=8)),
                ('words', models.CharField(blank=True, max_length=300)),
                ('file', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rows', to='invoicing.bankfile')),
                ('payment', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='bank_file_rows', to='invoicing.payment')),
            ],
            options={
                'ordering': ('file', 'line'),
                'indexes': [models.Index(condition=models.Q(('outcome', 'waiting')), fields=['file', 'line'], name='bank_file_row_waiting')],
                'constraints': [models.UniqueConstraint(fields=('file', 'line'), name='bank_file_row_once'), models.CheckConstraint(condition=models.Q(models.Q(('outcome', 'done'), _negated=True), ('payment__isnull', False), _connector='OR'), name='bank_file_row_done_has_payment')],
            },
        ),
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('waive', 'waive a fee'), ('credit_note', 'credit note'), ('write_off', 'write off'), ('void', 'void an invoice'), ('refund', 'refund')], max_length=12)),
                ('amount', models.DecimalField(decimal_places=2, max_digits=12)),
                ('reason_code', models.CharField(choices=[('goodwill', 'goodwill'), ('our_mistake', 'our mistake'), ('provider_error', 'error of the bank or payment provider'), ('hardship', 'hardship'), ('dispute_upheld', 'dispute upheld'), ('other', 'other (say what)')], max_length=16)),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('state', models.CharField(choices=[('waiting', 'waits for a second person'), ('approved', 'approved'), ('refused', 'refused'), ('withdrawn', 'withdrawn')], default='waiting', max_length=10)),
                ('asked_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('note', models.CharField(blank=True, help_text='What the second person says to it.', max_length=200)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='accounts.account')),
                ('asked_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approvals_asked', to=settings.AUTH_USER_MODEL)),
                ('decided_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='approvals_decided', to=settings.AUTH_USER_MODEL)),
                ('charge', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='invoicing.charge')),
                ('invoice', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='invoicing.invoice')),
                ('payment', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='invoicing.payment')),
            ],
            options={
                'ordering': ('-asked_at', '-pk'),
                'permissions': [('approve_money', 'Can decide what another asks for above their limit')],
                'indexes': [models.Index(condition=models.Q(('state', 'waiting')), fields=['asked_at'], name='approval_waiting')],
                'constraints': [models.CheckConstraint(condition=models.Q(('decided_by__isnull', True), models.Q(('decided_by', models.F('asked_by')), _negated=True), _connector='OR'), name='approval_by_a_second_person'), models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('decided_by__isnull', True), ('state', 'waiting')), models.Q(('decided_at__isnull', False), ('decided_by__isnull', False), ('state__in', ['approved', 'refused'])), models.Q(('decided_at__isnull', False), ('decided_by__isnull', True), ('state', 'withdrawn')), _connector='OR'), name='approval_decided_by_somebody'), models.CheckConstraint(condition=models.Q(models.Q(('charge__isnull', False), ('invoice__isnull', True), ('kind', 'waive'), ('payment__isnull', True)), models.Q(('charge__isnull', True), ('invoice__isnull', False), ('kind__in', ['credit_note', 'write_off', 'void']), ('payment__isnull', True)), models.Q(('charge__isnull', True), ('invoice__isnull', True), ('kind', 'refund'), ('payment__isnull', False)), _connector='OR'), name='approval_about_one_thing'), models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='approval_amount_positive'), models.UniqueConstraint(condition=models.Q(('state', 'waiting')), fields=('kind', 'charge', 'invoice', 'payment'), name='approval_asked_once', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='PaymentAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(help_text='Sent to the gateway: one charge for one key.', max_length=120, unique=True)),
                ('source_mark', models.CharField(blank=True, help_text='Which card exactly was asked; another one in its place, or the same one renewed, has another mark.', max_length=32)),
                ('whole', models.BooleanField(default=False, help_text='It covers everything of the account that is due, oldest first, not its own invoice alone (X8).', verbose_name='entire amount due')),
                ('covers', models.TextField(blank=True, help_text='What it was to pay, oldest first.')),
                ('rank', models.PositiveSmallIntegerField(default=1)),
                ('amount', models.DecimalField(decimal_places=2, max_digits=12)),
                ('state', models.CharField(choices=[('queued', 'queued'), ('claimed', 'claimed'), ('sending', 'sending'), ('done', 'done'), ('declined', 'declined'), ('refused', 'refused without a call'), ('unknown', 'unknown'), ('pending', 'under way'), ('parked', 'parked')], default='queued', max_length=8)),
                ('code', models.CharField(blank=True, help_text="The gateway's reason for a decline.", max_length=60)),
                ('why', models.CharField(blank=True, max_length=300)),
                ('due_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('lease_until_at', models.DateTimeField(blank=True, null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('provider_id', models.CharField(blank=True, max_length=120)),
                ('page_id', models.CharField(blank=True, help_text='The page of the gateway on which the customer pays it.', max_length=120)),
                ('page_url', models.TextField(blank=True)),
                ('unclear_at', models.DateTimeField(blank=True, help_text='Since when its outcome is unknown or under way; it is looked up from then on.', null=True)),
                ('created_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('settled_at', models.DateTimeField(blank=True, null=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payment_attempts', to='accounts.account')),
                ('funding_source', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='payment_attempts', to='accounts.fundingsource')),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payment_attempts', to='invoicing.invoice')),
                ('payment', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='attempt', to='invoicing.payment')),
            ],
            options={
                'ordering': ('-created_at', '-pk'),
                'indexes': [models.Index(condition=models.Q(('state', 'queued')), fields=['due_at', 'id'], name='attempt_due'), models.Index(condition=models.Q(('state__in', ['sending', 'unknown', 'pending'])), fields=['account'], name='attempt_unsettled'), models.Index(condition=models.Q(('state__in', ['unknown', 'pending'])), fields=['due_at'], name='attempt_to_look_up'), models.Index(condition=models.Q(('provider_id', ''), _negated=True), fields=['provider_id'], name='attempt_at_the_gateway')],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='attempt_amount_positive'), models.CheckConstraint(condition=models.Q(('attempts__lte', 5)), name='attempt_count_bounded'), models.UniqueConstraint(condition=models.Q(('state__in', ['sending', 'unknown', 'pending']), ('whole', True)), fields=('account',), name='attempt_whole_open_once'), models.UniqueConstraint(condition=models.Q(('state__in', ['claimed', 'sending', 'unknown', 'pending'])), fields=('invoice',), name='attempt_open_once'), models.UniqueConstraint(condition=models.Q(('page_id', ''), _negated=True), fields=('page_id',), name='attempt_page_once'), models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['unknown', 'pending']), _negated=True), ('unclear_at__isnull', False), _connector='OR'), name='attempt_unclear_since_when'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'done'), _negated=True), ('payment__isnull', False), _connector='OR'), name='attempt_done_has_payment')],
            },
        ),
        migrations.CreateModel(
            name='RefundAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(help_text='Sent to the gateway: one refund for one key.', max_length=120, unique=True)),
                ('amount', models.DecimalField(decimal_places=2, max_digits=12)),
                ('state', models.CharField(choices=[('queued', 'about to be sent'), ('sending', 'sending'), ('done', 'given back'), ('declined', 'not given back'), ('unknown', 'unknown')], default='queued', max_length=8)),
                ('code', models.CharField(blank=True, help_text="The gateway's reason for a no.", max_length=60)),
                ('words', models.CharField(blank=True, max_length=300)),
                ('provider_id', models.CharField(blank=True, max_length=120)),
                ('reason', models.CharField(max_length=300)),
                ('created_at', models.DateTimeField(default=billing_project.kernel.clock.now)),
                ('lease_until_at', models.DateTimeField(blank=True, null=True)),
                ('due_at', models.DateTimeField(blank=True, help_text='When an unknown one is looked up next.', null=True)),
                ('settled_at', models.DateTimeField(blank=True, null=True)),
                ('asked_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
                ('payment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refund_attempts', to='invoicing.payment')),
            ],
            options={
                'verbose_name': 'refund',
                'ordering': ('-created_at', '-pk'),
                'indexes': [models.Index(condition=models.Q(('state', 'unknown')), fields=['due_at'], name='refund_to_look_up')],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='refund_amount_positive'), models.UniqueConstraint(condition=models.Q(('state__in', ['queued', 'sending', 'unknown'])), fields=('payment',), name='refund_open_once'), models.CheckConstraint(condition=models.Q(models.Q(('settled_at__isnull', True), ('state__in', ['queued', 'sending', 'unknown'])), models.Q(('settled_at__isnull', False), ('state__in', ['done', 'declined'])), _connector='OR'), name='refund_settled_has_time')],
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
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__isnull', True), ('amount__gt', 0), _connector='OR'), name='sandbox_page_amount'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'done'), _negated=True), models.Q(('source_token', ''), _negated=True), _connector='OR'), name='sandbox_page_done_by_card')],
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
        migrations.CreateModel(
            name='Subscription',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('quantity', models.PositiveSmallIntegerField(default=1, validators=[django.core.validators.MinValueValidator(1)])),
                ('price', models.DecimalField(blank=True, decimal_places=2, help_text="This account's own price. Blank: the catalogue's.", max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0'))])),
                ('starts_on', models.DateField(blank=True, help_text='First day billed. Blank: always.', null=True)),
                ('ends_on', models.DateField(blank=True, help_text='Last day billed. Blank: until cancelled.', null=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='subscriptions', to='accounts.account')),
                ('discount', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to='invoicing.discount')),
                ('item', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='subscriptions', to='invoicing.catalogitem')),
            ],
            options={
                'ordering': ('account', 'pk'),
                'constraints': [models.CheckConstraint(condition=models.Q(('quantity__gte', 1)), name='subscription_quantity_from_one'), models.CheckConstraint(condition=models.Q(('price__isnull', True), ('price__gte', 0), _connector='OR'), name='subscription_price_not_negative'), models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('starts_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='subscription_ends_after_start')],
            },
        ),
        migrations.CreateModel(
            name='Tax',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60, unique=True)),
                ('percent', models.DecimalField(decimal_places=4, help_text="Percent of the line's amount, such as 8.8750.", max_digits=7, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100'))])),
            ],
            options={
                'verbose_name_plural': 'taxes',
                'ordering': ('name',),
                'constraints': [models.CheckConstraint(condition=models.Q(('percent__gte', 0), ('percent__lte', 100)), name='tax_percent_0_to_100')],
            },
        ),
        migrations.CreateModel(
            name='HistoricalCatalogItem_taxes',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('m2m_history_id', models.AutoField(primary_key=True, serialize=False)),
                ('catalogitem', models.ForeignKey(blank=True, db_constraint=False, db_tablespace='', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='invoicing.catalogitem')),
                ('history', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, to='invoicing.historicalcatalogitem')),
                ('tax', models.ForeignKey(blank=True, db_constraint=False, db_tablespace='', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='invoicing.tax')),
            ],
            options={
                'verbose_name': 'HistoricalCatalogItem_taxes',
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.AddField(
            model_name='catalogitem',
            name='taxes',
            field=models.ManyToManyField(blank=True, related_name='items', to='invoicing.tax'),
        ),
        migrations.RunSQL(REFUSE + LEDGER + INVOICE, UNDO),
    ]
