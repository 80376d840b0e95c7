"""I8, I9, I11 and I12: tickets, restrictions, devices, and nothing that is silently forgotten."""

# ruff: noqa: S608 - what is put together here is all written here; nothing comes from outside

from .check import Check

# The least that must be unpaid for anything to be held against an account (A18), by its policy.
_THRESHOLD = "greatest(v.minimum_amount_due, 0.01)"

TICKET_TWICE = Check(
    "I8",
    "an account has more than one open delinquency ticket",
    "close all but the oldest",
    """
    SELECT 'account ' || a.number || ', tickets ' || string_agg(t.number, ', ' ORDER BY t.number)
    FROM delinquency_ticket t JOIN accounts_account a ON a.id = t.account_id
    WHERE t.kind = 'delinquency' AND t.state <> 'closed'
    GROUP BY a.number HAVING count(*) > 1 ORDER BY a.number""",
)

TICKET_LEFT_OPEN = Check(
    "I8",
    "everything a delinquency ticket is about has been paid for more than 5 minutes, and it is open",
    "run 'manage.py run_delinquency'; if that leaves it open, close it by hand",
    f"""
    SELECT 'account ' || a.number || ', ticket ' || t.number
    FROM delinquency_ticket t JOIN accounts_account a ON a.id = t.account_id
    JOIN delinquency_standing s ON s.account_id = a.id
    JOIN delinquency_policyversion v ON v.id = s.policy_version_id
    WHERE t.kind = 'delinquency' AND t.state <> 'closed' AND s.delinquent_since IS NULL AND a.parked_at IS NULL
      AND NOT EXISTS (SELECT FROM jsonb_array_elements_text(t.invoices) k
                      JOIN invoicing_invoice i ON i.id = k::bigint
                      WHERE i.remaining >= {_THRESHOLD})
      AND NOT EXISTS (SELECT FROM invoicing_ledgerentry e
                      WHERE e.account_id = a.id
                        AND greatest(e.recorded_at, e.effective_at)
                            > %(at)s::timestamptz - interval '5 minutes')
    ORDER BY a.number""",
)

# What holds an account's line for non-payment: the hold, the step that placed it, and the policy it follows.
_HOLDS = """
    FROM netenforce_hold h
    JOIN accounts_account a ON a.id = h.account_id
    JOIN delinquency_standing s ON s.account_id = a.id
    JOIN delinquency_policyversion v ON v.id = s.policy_version_id
    LEFT JOIN delinquency_steprun r ON r.account_id = a.id AND r.action = 'restrict' AND r.in_force
         AND r.anchor_key || '/' || r.step_key = h.cause_key
    LEFT JOIN delinquency_policystep p ON p.version_id = v.id AND p.key = r.step_key"""
_IN_FORCE = "WHERE h.cause = 'non_payment' AND h.lifted_at IS NULL"
_HELD = """SELECT 'account ' || a.number || ', ' || h.level || ' since '
           || (h.placed_at AT TIME ZONE a.timezone)::date"""
_CAUSE = "jsonb_array_elements_text(coalesce(r.invoices, '[]')) k JOIN invoicing_invoice i ON i.id = k::bigint"

HELD_FOR_NOTHING = Check(
    "I9",
    "a line is restricted for non-payment although nothing is owed for it",
    "run 'manage.py run_delinquency'; if that does not lift it, lift the hold by hand",
    f"""
    {_HELD} {_HOLDS} {_IN_FORCE} AND s.delinquent_since IS NULL AND a.parked_at IS NULL
      AND NOT EXISTS (SELECT FROM {_CAUSE} WHERE i.remaining >= {_THRESHOLD})
      AND NOT EXISTS (SELECT FROM invoicing_ledgerentry e
                      WHERE e.account_id = a.id
                        AND greatest(e.recorded_at, e.effective_at)
                            > %(at)s::timestamptz - interval '5 minutes')
    ORDER BY a.number""",
    together="holds",
)

HELD_IN_DISPUTE = Check(
    "I9",
    "a line is restricted although all that is owed for it is disputed",
    "lift the hold until that is settled",
    f"""
    {_HELD} {_HOLDS} {_IN_FORCE}
      AND EXISTS (SELECT FROM {_CAUSE} WHERE i.remaining >= {_THRESHOLD} AND i.frozen)
      AND NOT EXISTS (SELECT FROM {_CAUSE} WHERE i.remaining >= {_THRESHOLD} AND NOT i.frozen)
      AND NOT EXISTS (SELECT FROM delinquency_invoicestanding t JOIN invoicing_invoice i ON i.id = t.invoice_id
                      WHERE t.account_id = a.id AND t.delinquent_on IS NOT NULL AND i.state = 'open'
                        AND i.remaining >= {_THRESHOLD} AND NOT i.frozen)
    ORDER BY a.number""",
    together="holds",
)

HELD_IN_GRACE = Check(
    "I9",
    "a line is restricted although Grace Until, granted before entry or with lift now, still runs",
    "lift the hold",
    f"""
    {_HELD} || ', grace until ' || g.until_on
    {_HOLDS}
    CROSS JOIN LATERAL (SELECT * FROM delinquency_gracegrant g WHERE g.account_id = a.id
                        ORDER BY g.granted_at DESC, g.id DESC LIMIT 1) g
    {_IN_FORCE}
      AND CASE WHEN g.granted_at < h.placed_at
               THEN g.until_on > (h.placed_at AT TIME ZONE a.timezone)::date
                    AND (g.lift_now OR g.granted_at < coalesce(
                        (s.delinquent_since + time '09:00') AT TIME ZONE a.timezone, h.placed_at))
               ELSE g.lift_now AND g.until_on > (%(at)s::timestamptz AT TIME ZONE a.timezone)::date
                    AND g.granted_at < %(at)s::timestamptz - interval '5 minutes' END
    ORDER BY a.number""",
    together="holds",
)

# A payment page that is merely open protects for a while only; what was done on it counts from when it became unclear.
HELD_WHILE_CHARGING = Check(
    "I9",
    "a line was restricted while a charge of the account was under way or unknown",
    "lift the hold until it is known",
    f"""
    {_HELD} {_HOLDS} {_IN_FORCE}
      AND EXISTS (SELECT FROM invoicing_paymentattempt t
                  WHERE t.account_id = a.id AND t.state IN ('sending', 'unknown', 'pending')
                    AND CASE WHEN t.page_id = '' THEN t.created_at ELSE t.unclear_at END <= h.placed_at)
    ORDER BY a.number""",
    together="holds",
)

# An exclusion that was added after the restriction does not undo it (A11).
HELD_ON_EXCLUDED_DAY = Check(
    "I9",
    "a line was restricted on a day that the policy does not check or excludes",
    "lift the hold until the next open day",
    f"""
    {_HELD} || ', decided for ' || r."on"
    {_HOLDS} {_IN_FORCE} AND coalesce(p.honours_exclusions, true) AND p.id IS NOT NULL
      AND ((jsonb_array_length(v.check_weekdays) > 0 AND NOT v.check_weekdays ? to_char(r."on", 'dy'))
           OR EXISTS (SELECT FROM delinquency_exclusion x
                      WHERE x.month = extract(month FROM r."on") AND x.day = extract(day FROM r."on")
                        AND coalesce(x.year, extract(year FROM r."on")) = extract(year FROM r."on")
                        AND coalesce(x.policy_id, v.policy_id) = v.policy_id
                        AND EXISTS (SELECT FROM delinquency_historicalexclusion o
                                    WHERE o.id = x.id AND o.history_type = '+'
                                      AND o.history_date < h.placed_at)))
    ORDER BY a.number""",
    together="holds",
)

# What counts is the device: a hold whose notice is still on its way waits there.
HELD_WITHOUT_NOTICE = Check(
    "I9",
    "a device restricts a line although the notice or ticket that must come first did not",
    "lift the hold and write to the customer first",
    f"""
    {_HELD} || ', requires ' || p.requires_notice
    {_HOLDS} {_IN_FORCE} AND p.requires_notice <> ''
      AND EXISTS (SELECT FROM netenforce_linestate n JOIN accounts_serviceline l ON l.id = n.line_id
                  WHERE l.account_id = a.id AND n.observed_level <> 'open')
      AND NOT EXISTS (SELECT FROM accounts_notice o
                      WHERE o.account_id = a.id AND o.step_key = p.requires_notice
                        AND (o.state IN ('accepted', 'delivered') OR o.ended_at > h.placed_at))
      AND NOT EXISTS (SELECT FROM delinquency_steprun q
                      WHERE q.account_id = a.id AND q.step_key = p.requires_notice AND q.action = 'ticket'
                        AND q.outcome = 'done')
    ORDER BY a.number""",
    together="holds",
)

# The simulated device knows a line by its addresses, or else by its RADIUS user. A line with an order under
# way or given up is left out: I12 sees to it that such an order is shown.
DEVICE_DIFFERS = Check(
    "I11",
    "a device holds a line otherwise than it should be",
    "run 'manage.py reconcile'",
    """
    WITH known AS (
        SELECT l.id AS line_id, p.device_id, u.address
        FROM accounts_serviceline l JOIN netenforce_lineplacement p ON p.line_id = l.id
        JOIN netenforce_device d ON d.id = p.device_id AND d.driver = 'simulated' AND d.enabled
        CROSS JOIN LATERAL unnest(CASE WHEN l.ipv4 <> '' OR l.ipv6 <> '' THEN ARRAY[l.ipv4, l.ipv6]
                                       ELSE ARRAY[l.radius_username] END) AS u (address)
        WHERE u.address <> ''
    )
    SELECT 'device ' || d.name || ', ' || k.address || ' (account ' || a.number || '): it is '
           || coalesce(e.level, 'open') || ' and should be ' || coalesce(n.desired_level, 'open')
    FROM known k JOIN netenforce_device d ON d.id = k.device_id
    JOIN accounts_serviceline l ON l.id = k.line_id JOIN accounts_account a ON a.id = l.account_id
    LEFT JOIN netenforce_linestate n ON n.line_id = k.line_id AND n.device_id = k.device_id
    LEFT JOIN netenforce_simulatedentry e ON e.device_id = k.device_id AND e.address = k.address
    WHERE coalesce(e.level, 'open') <> coalesce(n.desired_level, 'open')
      AND NOT EXISTS (SELECT FROM netenforce_enforcementtask t
                      WHERE t.line_id = k.line_id AND t.device_id = k.device_id
                        AND (t.state IN ('queued', 'claimed', 'sending')
                             OR t.state IN ('parked', 'cancelled') AND t.generation = n.generation))
    ORDER BY d.name, k.address""",
)

# Whatever the driver is: what the device said last. A line whose freeing order is under way is told by RESTORE_WAITS.
PAID_BUT_BLOCKED = Check(
    "I11",
    "a line that should be free was seen restricted for more than 60 s, and no order is under way",
    "run 'manage.py reconcile' and look at the device",
    """
    SELECT 'device ' || d.name || ', account ' || a.number || ', seen ' || n.observed_level || ' since '
           || greatest(n.desired_since_at, n.observed_since_at)
    FROM netenforce_linestate n JOIN netenforce_device d ON d.id = n.device_id AND d.enabled
    JOIN accounts_serviceline l ON l.id = n.line_id JOIN accounts_account a ON a.id = l.account_id
    WHERE n.desired_level <> n.observed_level AND n.desired_level = 'open'
      AND greatest(n.desired_since_at, n.observed_since_at) < %(at)s::timestamptz - interval '60 seconds'
      AND NOT EXISTS (SELECT FROM netenforce_enforcementtask t
                      WHERE t.line_id = n.line_id AND t.device_id = n.device_id
                        AND t.state IN ('queued', 'claimed', 'sending'))
    ORDER BY d.name, a.number""",
)

WINDOW_LEFT_OPEN = Check(
    "I11",
    "a payment window is open more than 5 minutes after its time",
    "run 'manage.py dispatch enforcement'",
    """
    SELECT 'account ' || a.number || ', open since ' || w.opened_at || ', should have ended ' || w.closes_at
    FROM netenforce_paymentwindow w JOIN accounts_account a ON a.id = w.account_id
    WHERE w.ended_at IS NULL AND w.closes_at < %(at)s::timestamptz - interval '5 minutes'
    ORDER BY a.number""",
)

RESTORE_WAITS = Check(
    "I11",
    "a line that should be free again has waited for its device for more than 60 s",
    "run 'manage.py dispatch enforcement' and look at the device",
    """
    SELECT 'device ' || d.name || ', account ' || a.number || ', since ' || t.due_at
    FROM netenforce_enforcementtask t JOIN netenforce_device d ON d.id = t.device_id AND d.enabled
    JOIN accounts_serviceline l ON l.id = t.line_id JOIN accounts_account a ON a.id = l.account_id
    WHERE t.restores AND t.state IN ('queued', 'claimed', 'sending')
      AND t.created_at < %(at)s::timestamptz - interval '60 seconds'
    ORDER BY d.name, a.number""",
)

# What is due and waits for the next tick has a time and is not forgotten; what a tick that ran passed over
# is.
BILL_PASSED_OVER = Check(
    "I12",
    "a billing run that came after its bill date passed an account over",
    "run 'manage.py run_billing', and look why it was left out",
    """
    SELECT 'account ' || a.number || ', bill date ' || b.next_bill_on
    FROM invoicing_billingparameters b JOIN accounts_account a ON a.id = b.account_id
    JOIN accounts_accountstatus s ON s.id = a.status_id
    CROSS JOIN (SELECT max(tick_at) AS tick_at FROM invoicing_billingrun WHERE finished_at IS NOT NULL) last
    WHERE s.activates_billing AND b.daily_billing AND a.parked_at IS NULL AND a.closed_on IS NULL
      AND (b.next_bill_on + time '02:00') AT TIME ZONE a.timezone < last.tick_at
      AND NOT EXISTS (SELECT FROM invoicing_historicalbillingparameters h
                      WHERE h.id = b.id AND h.history_date >= last.tick_at)
      AND NOT EXISTS (SELECT FROM accounts_historicalaccount h
                      WHERE h.id = a.id AND h.history_date >= last.tick_at)
    ORDER BY a.number""",
)

LOOK_PASSED_OVER = Check(
    "I12",
    "a sweep that came more than two hours after something was to be decided passed an account over",
    "run 'manage.py run_delinquency', and look why it was left out",
    """
    SELECT 'account ' || a.number || ', since ' || s.next_look_at
    FROM delinquency_standing s JOIN accounts_account a ON a.id = s.account_id
    CROSS JOIN (SELECT max(tick_at) AS tick_at FROM delinquency_sweep WHERE finished_at IS NOT NULL) last
    WHERE a.parked_at IS NULL AND s.next_look_at < last.tick_at - interval '2 hours'
      AND NOT EXISTS (SELECT FROM accounts_historicalaccount h
                      WHERE h.id = a.id AND h.history_date >= last.tick_at)
    ORDER BY a.number""",
)

NEVER_LOOKED = Check(
    "I12",
    "an unpaid invoice is not past due yet, and no time is set at which somebody looks at it",
    "run 'manage.py run_delinquency --account' with its account",
    """
    SELECT 'account ' || a.number || ', invoice ' || i.number
    FROM invoicing_invoice i JOIN accounts_account a ON a.id = i.account_id
    JOIN delinquency_standing s ON s.account_id = a.id
    LEFT JOIN delinquency_invoicestanding n ON n.invoice_id = i.id
    WHERE i.state = 'open' AND n.past_due_on IS NULL AND s.next_look_at IS NULL AND a.parked_at IS NULL
    ORDER BY a.number, i.number""",
)

NO_STANDING = Check(
    "I12",
    "an account is billed under no policy, and no exception shows it",
    "publish a policy for its billing default",
    """
    SELECT 'account ' || a.number
    FROM invoicing_billingparameters b JOIN accounts_account a ON a.id = b.account_id
    LEFT JOIN delinquency_standing s ON s.account_id = a.id
    WHERE s.id IS NULL AND a.closed_on IS NULL
      AND NOT EXISTS (SELECT FROM accounts_attention t
                      WHERE t.code = 'no-policy' AND t.account_id = a.id AND t.resolved_at IS NULL)
    ORDER BY a.number""",
)

NOBODYS_CLAIM = Check(
    "I12",
    "a letter, charge or network change is claimed by nobody and will not be tried again",
    "set it back to queued",
    """
    SELECT q.what || ', account ' || a.number
    FROM (SELECT 'notice ' || n.id AS what, n.account_id FROM accounts_notice n
          WHERE n.state IN ('claimed', 'sending') AND n.lease_until_at IS NULL
          UNION ALL
          SELECT 'charge ' || t.key, t.account_id FROM invoicing_paymentattempt t
          WHERE t.state IN ('claimed', 'sending') AND t.lease_until_at IS NULL
          UNION ALL
          SELECT 'network change ' || e.id, l.account_id FROM netenforce_enforcementtask e
          JOIN accounts_serviceline l ON l.id = e.line_id
          WHERE e.state IN ('claimed', 'sending') AND e.lease_until_at IS NULL) q
    JOIN accounts_account a ON a.id = q.account_id
    ORDER BY q.what""",
)

PARKED_UNSEEN = Check(
    "I12",
    "something was given up, and no exception ever showed it",
    "look at it and settle it by hand",
    """
    SELECT q.what || ', account ' || a.number
    FROM (SELECT 'account' AS what, a.id AS account_id, 'account-parked' AS code, 'account:' || a.id AS key
          FROM accounts_account a WHERE a.parked_at IS NOT NULL
          UNION ALL
          SELECT 'notice ' || n.id, n.account_id, 'notice-parked', 'notice:' || n.id
          FROM accounts_notice n WHERE n.state = 'parked' AND n.body <> ''
          UNION ALL
          SELECT 'charge ' || t.key, t.account_id, 'charge-parked', 'attempt:' || t.id
          FROM invoicing_paymentattempt t WHERE t.state = 'parked'
          UNION ALL
          SELECT 'network change ' || e.id, l.account_id, 'enforcement-parked',
                 'line:' || e.line_id || ':' || e.device_id
          FROM netenforce_enforcementtask e JOIN accounts_serviceline l ON l.id = e.line_id
          WHERE e.state = 'parked') q
    JOIN accounts_account a ON a.id = q.account_id
    WHERE NOT EXISTS (SELECT FROM accounts_attention t
                      WHERE t.code = q.code AND t.key = q.key
                        AND (q.code <> 'account-parked' OR t.resolved_at IS NULL))
    ORDER BY q.what""",
)

SERVICE = (
    TICKET_TWICE,
    TICKET_LEFT_OPEN,
    HELD_FOR_NOTHING,
    HELD_IN_DISPUTE,
    HELD_IN_GRACE,
    HELD_WHILE_CHARGING,
    HELD_ON_EXCLUDED_DAY,
    HELD_WITHOUT_NOTICE,
    DEVICE_DIFFERS,
    PAID_BUT_BLOCKED,
    WINDOW_LEFT_OPEN,
    RESTORE_WAITS,
    BILL_PASSED_OVER,
    LOOK_PASSED_OVER,
    NEVER_LOOKED,
    NO_STANDING,
    NOBODYS_CLAIM,
    PARKED_UNSEEN,
)
