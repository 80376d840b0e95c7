"""Let the database refuse what must never happen: changing a ledger entry, an issued invoice, or its lines."""

from django.db import migrations

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
    """Append-only ledger, unchangeable invoices."""

    dependencies = [("invoicing", "0001_initial")]

    operations = [migrations.RunSQL(REFUSE + LEDGER + INVOICE, UNDO)]
