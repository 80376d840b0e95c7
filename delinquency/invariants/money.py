"""I1 to I4: bills, sums, late fees, and what the gateway says it took."""

from .check import Check

BILL_TWICE = Check(
    "I1",
    "a billing period is billed more than once",
    "void all but one of these invoices",
    """
    SELECT 'account ' || a.number || ', period from ' || i.period_start_on || ', invoices '
           || string_agg(i.number, ', ' ORDER BY i.number)
    FROM invoicing_invoice i JOIN accounts_account a ON a.id = i.account_id
    WHERE i.source = 'billing_run' AND i.state <> 'void'
    GROUP BY a.number, i.period_start_on HAVING count(*) > 1
    ORDER BY a.number, i.period_start_on""",
)

# The history of the billing parameters says which bill date was done when. One that was done without an
# invoice is right only if there was nothing to bill: no service then, credits that outweigh it (kept as
# charges of the period), or a policy that bills nobody who is delinquent.
BILL_MISSING = Check(
    "I1",
    "a bill date was done although services were to be billed, and there is no invoice",
    "bill the period by hand, and find out who removed the invoice",
    """
    WITH done AS (
        SELECT account_id, history_date, substring(history_change_reason FROM 12 FOR 10)::date AS bill_on
        FROM invoicing_historicalbillingparameters
        WHERE history_change_reason ~ '^billed for [0-9]{4}-[0-9]{2}-[0-9]{2}$'
    )
    SELECT DISTINCT 'account ' || a.number || ', bill date ' || d.bill_on
    FROM done d JOIN accounts_account a ON a.id = d.account_id
    WHERE NOT EXISTS (SELECT FROM invoicing_invoice i
                      WHERE i.account_id = d.account_id AND i.source = 'billing_run'
                        AND i.period_start_on = d.bill_on)
      AND NOT EXISTS (SELECT FROM invoicing_charge c
                      WHERE c.account_id = d.account_id AND c.key LIKE 'period:' || d.bill_on || ':%%')
      AND NOT EXISTS (SELECT FROM delinquency_standing s
                      JOIN delinquency_policyversion v ON v.id = s.policy_version_id
                      WHERE s.account_id = d.account_id AND v.hold_invoices_while_delinquent)
      AND EXISTS (SELECT FROM invoicing_subscription s
                  JOIN invoicing_catalogitem item ON item.id = s.item_id
                  LEFT JOIN invoicing_discount o ON o.id = s.discount_id
                  WHERE s.account_id = d.account_id
                    AND coalesce(s.starts_on, d.bill_on) <= d.bill_on
                    AND coalesce(s.ends_on, d.bill_on) >= d.bill_on
                    AND s.quantity * coalesce(s.price, item.price) * (1 - coalesce(o.percent, 0) / 100)
                        - coalesce(o.amount, 0) >= 0.01
                    AND EXISTS (SELECT FROM invoicing_historicalsubscription h
                                WHERE h.id = s.id AND h.history_type = '+'
                                  AND h.history_date <= d.history_date))
    ORDER BY 1""",
)

# Two bills that do not meet are right only if something else than the bill before them moved the date past
# the gap: a return to an activating status, a clerk, an import, or a bill date on which there was nothing to
# bill.
BILL_SKIPPED = Check(
    "I1",
    "a billing period between two others was never billed, and nothing says why",
    "bill the period by hand, or note why it is free",
    """
    WITH bills AS (
        SELECT account_id, period_start_on,
               lag(period_start_on) OVER w AS before_on, lag(period_end_on) OVER w + 1 AS gap_on
        FROM invoicing_invoice WHERE source = 'billing_run'
        WINDOW w AS (PARTITION BY account_id ORDER BY period_start_on, id)
    )
    SELECT 'account ' || a.number || ', period from ' || b.gap_on
    FROM bills b JOIN accounts_account a ON a.id = b.account_id
    WHERE b.period_start_on > b.gap_on
      AND NOT EXISTS (SELECT FROM invoicing_historicalbillingparameters h
                      WHERE h.account_id = b.account_id AND h.next_bill_on > b.gap_on
                        AND h.next_bill_on <= b.period_start_on
                        AND h.history_change_reason IS DISTINCT FROM 'billed for ' || b.before_on)
    ORDER BY a.number, b.gap_on""",
)

INVOICE_SUM = Check(
    "I2",
    "what is unpaid on an invoice is not the sum of its ledger entries",
    "the ledger is right: set the invoice's remaining to the sum",
    """
    SELECT 'invoice ' || i.number || ': ' || i.remaining || ', its entries add up to '
           || coalesce(sum(e.amount), 0)
    FROM invoicing_invoice i LEFT JOIN invoicing_ledgerentry e ON e.invoice_id = i.id
    GROUP BY i.id HAVING i.remaining <> coalesce(sum(e.amount), 0)
    ORDER BY i.number""",
)

INVOICE_LINES = Check(
    "I2",
    "an invoice is not the sum of its lines",
    "give a credit note or a charge over the difference",
    """
    SELECT 'invoice ' || i.number || ': ' || i.amount || ', its lines add up to '
           || coalesce(sum(l.amount), 0)
    FROM invoicing_invoice i LEFT JOIN invoicing_invoiceline l ON l.invoice_id = i.id
    GROUP BY i.id HAVING i.amount <> coalesce(sum(l.amount), 0)
    ORDER BY i.number""",
)

INVOICE_ENTRY = Check(
    "I2",
    "an invoice is not in the ledger once with its amount",
    "restore the ledger entry from the backup",
    """
    SELECT 'invoice ' || i.number || ': ' || i.amount || ', in the ledger ' || coalesce(sum(e.amount), 0)
    FROM invoicing_invoice i LEFT JOIN invoicing_ledgerentry e ON e.invoice_id = i.id AND e.kind = 'invoice'
    GROUP BY i.id HAVING count(e.id) <> 1 OR i.amount <> sum(e.amount)
    ORDER BY i.number""",
)

PAYMENT_SUM = Check(
    "I2",
    "what was done with a payment does not add up to it",
    "write the missing entry by a correction",
    """
    SELECT 'payment ' || p.reference || ': ' || p.amount || ', in the ledger '
           || coalesce(-sum(e.amount) FILTER (WHERE e.kind <> 'refund'), 0)
    FROM invoicing_payment p LEFT JOIN invoicing_ledgerentry e ON e.payment_id = p.id
    GROUP BY p.id
    HAVING CASE WHEN p.reversed_at IS NULL
                THEN coalesce(-sum(e.amount) FILTER (WHERE e.kind <> 'refund'), 0) <> p.amount
                ELSE coalesce(sum(e.amount), 0) <> 0 END
    ORDER BY p.reference""",
)

CREDIT_OVERDRAWN = Check(
    "I2",
    "more credit of a payment was used than it left",
    "reverse the entry that used too much",
    """
    SELECT 'payment ' || p.reference || ': ' || sum(e.amount) || ' too much'
    FROM invoicing_payment p JOIN invoicing_ledgerentry e ON e.payment_id = p.id
    WHERE e.invoice_id IS NULL AND e.charge_id IS NULL
    GROUP BY p.id HAVING sum(e.amount) > 0
    ORDER BY p.reference""",
)

CHARGE_SUM = Check(
    "I2",
    "a charge is not what the ledger says of it",
    "the ledger is right: mend the charge",
    """
    SELECT 'account ' || a.number || ', ' || c.description || ' of ' || c.charged_on || ': in the ledger '
           || coalesce(sum(e.amount), 0)
    FROM invoicing_charge c JOIN accounts_account a ON a.id = c.account_id
    LEFT JOIN invoicing_ledgerentry e ON e.charge_id = c.id
    GROUP BY c.id, a.number
    HAVING coalesce(sum(e.amount), 0)
           <> CASE WHEN c.invoice_id IS NULL AND c.waived_at IS NULL THEN c.amount ELSE 0 END
    ORDER BY a.number, c.id""",
)

# Bit 16 of a trigger's type: UPDATE; bit 8: DELETE. "O" and "A": it fires.
UNGUARDED = Check(
    "I2",
    "a table that only grows can be changed, because its trigger is missing or disabled",
    "run 'manage.py migrate', or ALTER TABLE … ENABLE TRIGGER USER",
    """
    SELECT 'table ' || t.name || ', ' || t.verb
    FROM (SELECT name, verb, bit FROM unnest(ARRAY['invoicing_ledgerentry', 'invoicing_invoice',
              'invoicing_invoiceline', 'delinquency_event']) AS name,
              (VALUES ('UPDATE', 16), ('DELETE', 8)) AS verbs (verb, bit)) t
    WHERE NOT EXISTS (SELECT FROM pg_trigger g
                      WHERE g.tgrelid = t.name::regclass AND NOT g.tgisinternal
                        AND g.tgenabled IN ('O', 'A')
                        AND g.tgtype & t.bit <> 0)
    ORDER BY 1""",
)

# A company may have changed its prefix; a number counts under any that it had.
NUMBER_GAP = Check(
    "I2",
    "an invoice number is missing from its series",
    "find the invoice in the backup; a void one keeps its number",
    """
    WITH prefixes AS (
        SELECT id, invoice_prefix FROM accounts_company
        UNION SELECT id, invoice_prefix FROM accounts_historicalcompany
    ), wanted AS (
        SELECT s.company_id, n, repeat('0', greatest(0, 6 - length(n::text))) || n AS digits
        FROM invoicing_invoiceseries s, generate_series(1, s.last_number) n
    ), found AS (
        SELECT w.company_id, w.n FROM wanted w
        JOIN prefixes p ON p.id = w.company_id
        JOIN invoicing_invoice i ON i.number = p.invoice_prefix || w.digits
    )
    SELECT 'company ' || c.name || ', number ' || c.invoice_prefix || w.digits
    FROM wanted w JOIN accounts_company c ON c.id = w.company_id
    LEFT JOIN found f ON f.company_id = w.company_id AND f.n = w.n
    WHERE f.n IS NULL ORDER BY c.name, w.n""",
)

FEE_TWICE = Check(
    "I3",
    "an invoice bears more late fees than its policy's steps decided",
    "waive the fees that are too many",
    """
    SELECT 'account ' || a.number || ', invoice ' || i.number || ': ' || count(*) || ' late fees'
    FROM invoicing_charge c
    JOIN invoicing_invoice i ON i.id = c.about_invoice_id JOIN accounts_account a ON a.id = c.account_id
    WHERE c.kind = 'late_fee'
    GROUP BY a.number, i.id
    HAVING count(*) > (SELECT count(DISTINCT e.step) FROM delinquency_event e
                       WHERE e.invoice_id = i.id AND e.kind = 'late_fee')
    ORDER BY a.number""",
)

# A fee by the day of the month is decided as of the end of the day before; one after a return on that very
# day as of its check. Money that was recorded after the decision, though dated before it, is no mistake of
# the fee.
FEE_UNEARNED = Check(
    "I3",
    "a late fee was charged for an invoice that was paid, or whose charge was in the air, then",
    "waive the fee",
    """
    WITH fees AS (
        SELECT e.id, e.account_id, e.invoice_id, e.recorded_at, e."on",
               e.local_at::timestamp AT TIME ZONE a.timezone AS decided_at,
               CASE WHEN s.after_day_of_month IS NOT NULL
                    THEN e."on"::timestamp AT TIME ZONE a.timezone END AS midnight
        FROM delinquency_event e JOIN accounts_account a ON a.id = e.account_id
        LEFT JOIN delinquency_policystep s ON s.version_id = e.policy_version_id AND s.key = e.step
        WHERE e.kind = 'late_fee'
    )
    SELECT 'account ' || a.number || ', invoice ' || i.number || ', fee of ' || f."on"
    FROM fees f JOIN invoicing_invoice i ON i.id = f.invoice_id
    JOIN accounts_account a ON a.id = f.account_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(l.amount) FILTER (WHERE l.effective_at <= f.decided_at), 0) AS at_check,
               coalesce(sum(l.amount) FILTER (WHERE l.effective_at < f.midnight), 0) AS at_midnight,
               coalesce(bool_or(l.recorded_at > f.recorded_at AND l.effective_at <= f.decided_at), false)
                   AS late
        FROM invoicing_ledgerentry l WHERE l.invoice_id = f.invoice_id
    ) unpaid
    WHERE (NOT unpaid.late AND unpaid.at_check <= 0 AND (f.midnight IS NULL OR unpaid.at_midnight <= 0))
       OR EXISTS (SELECT FROM invoicing_paymentattempt p
                  WHERE p.account_id = f.account_id AND p.state IN ('sending', 'unknown', 'pending')
                    AND p.created_at <= f.decided_at)
    ORDER BY a.number, i.number""",
)

COLLECTED_TOO_MUCH = Check(
    "I4",
    "more was collected for an invoice than it asks for",
    "give the difference back as credit or a refund",
    """
    SELECT 'invoice ' || i.number || ': ' || i.amount || ', collected ' || -sum(e.amount)
    FROM invoicing_invoice i JOIN invoicing_ledgerentry e ON e.invoice_id = i.id
    WHERE e.payment_id IS NOT NULL
    GROUP BY i.id HAVING -sum(e.amount) > i.amount
    ORDER BY i.number""",
)

CHARGED_UNRECORDED = Check(
    "I4",
    "the gateway charged a card and no payment of that amount is recorded",
    "look the charge up at the gateway, then record the payment or give it back",
    """
    SELECT 'charge ' || s.key || ' of ' || s.amount || ' at the sandbox gateway'
    FROM invoicing_sandboxcharge s
    LEFT JOIN invoicing_paymentattempt t ON t.key = s.key
    LEFT JOIN invoicing_payment p ON p.id = t.payment_id
    WHERE s.outcome = 'charged' AND p.amount IS DISTINCT FROM s.amount
      AND NOT coalesce(t.state IN ('sending', 'unknown', 'pending')
                       AND t.created_at > %(at)s::timestamptz - interval '7 days', false)
    ORDER BY s.key""",
)

RECORDED_UNCHARGED = Check(
    "I4",
    "a payment is recorded for a charge that the gateway does not know",
    "reverse the payment",
    """
    SELECT 'attempt ' || t.key || ', payment ' || p.reference
    FROM invoicing_paymentattempt t JOIN invoicing_payment p ON p.id = t.payment_id
    JOIN accounts_fundingsource f ON f.id = t.funding_source_id AND f.gateway = 'sandbox'
    LEFT JOIN invoicing_sandboxcharge s ON s.key = t.key AND s.outcome = 'charged'
    WHERE s.id IS NULL ORDER BY t.key""",
)

UNKNOWN_TOO_LONG = Check(
    "I4",
    "nobody knows for more than seven days whether a card was charged",
    "ask the gateway by the attempt's key and settle it",
    """
    SELECT 'attempt ' || t.key || ' of ' || t.amount || ' for invoice ' || i.number
    FROM invoicing_paymentattempt t JOIN invoicing_invoice i ON i.id = t.invoice_id
    WHERE t.state IN ('sending', 'unknown') AND t.created_at < %(at)s::timestamptz - interval '7 days'
    ORDER BY t.key""",
)

MONEY = (
    BILL_TWICE,
    BILL_MISSING,
    BILL_SKIPPED,
    INVOICE_SUM,
    INVOICE_LINES,
    INVOICE_ENTRY,
    PAYMENT_SUM,
    CREDIT_OVERDRAWN,
    CHARGE_SUM,
    UNGUARDED,
    NUMBER_GAP,
    FEE_TWICE,
    FEE_UNEARNED,
    COLLECTED_TOO_MUCH,
    CHARGED_UNRECORDED,
    RECORDED_UNCHARGED,
    UNKNOWN_TOO_LONG,
)
