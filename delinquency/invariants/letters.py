"""I6, I7 and I13: letters and calls go out once, at decent hours, to people who may be reached, and are not lost."""

# ruff: noqa: S608 - what is put together here is all written here; nothing comes from outside

from accounts.models.outreach import EARLIEST, LATEST
from accounts.outreach.gathering import LEFT
from accounts.outreach.rules import ASKED_FOR
from accounts.outreach.sending import ATTEMPTS_MAX

from .check import Check


def _listed(words: object) -> str:
    return ", ".join(f"'{word}'" for word in sorted(str(word) for word in words))  # type: ignore[attr-defined]


_LEFT = f"({_listed(LEFT)})"
_TAKEN = "('accepted', 'delivered', 'bounced', 'failed')"
_WHERE = "'account ' || a.number || ', notice ' || n.id || ' (' || n.template || ' by ' || n.channel || ')'"

SENT_TWICE = Check(
    "I6",
    "a step wrote to a customer more than once by the same channel",
    "tell the customer, and find out how the second letter came about",
    f"""
    SELECT 'account ' || a.number || ', step ' || n.step_key || ' for ' || n.anchor_key || ' by ' || n.channel
           || ': ' || count(*) || ' letters'
    FROM accounts_notice n JOIN accounts_account a ON a.id = n.account_id
    WHERE n.state IN {_TAKEN} AND n.resent_by_id IS NULL
    GROUP BY a.number, n.account_id, n.anchor_key, n.step_key, n.occurrence, n.channel, n.to_address
    HAVING count(*) > 1 ORDER BY 1""",
)

SENT_UNKNOWN = Check(
    "I6",
    "the provider sent a letter that counts as not sent here",
    "look at the letter's page, and note there that it arrived",
    f"""
    SELECT {_WHERE} || ' is ' || n.state
    FROM accounts_simulatedmessage m
    JOIN accounts_notice n ON m.key = 'notice:' || n.id JOIN accounts_account a ON a.id = n.account_id
    WHERE n.state NOT IN {_LEFT} ORDER BY n.id""",
)

BAD_HOUR = Check(
    "I7",
    "a letter or call went out at night where the customer is",
    "tell the customer, and find out who went round the contact rules",
    f"""
    SELECT {_WHERE} || ' at ' || (n.sending_at AT TIME ZONE z.zone)::timestamp(0) || ' in ' || z.zone
    FROM accounts_notice n JOIN accounts_account a ON a.id = n.account_id
    LEFT JOIN accounts_contact c ON c.id = n.contact_id
    CROSS JOIN LATERAL (VALUES (a.timezone), (nullif(c.timezone, ''))) z (zone)
    WHERE n.state IN {_LEFT} AND n.sending_at IS NOT NULL AND z.zone IS NOT NULL
      AND n.template NOT IN ({_listed(ASKED_FOR)})
      AND ((n.sending_at AT TIME ZONE z.zone)::time < '{EARLIEST}'
           OR (n.sending_at AT TIME ZONE z.zone)::time >= '{LATEST}')
    ORDER BY n.id""",
)

TO_SUPPRESSED = Check(
    "I7",
    "a letter went to an address that was to be left alone",
    "tell the customer, and find out who went round the list",
    f"""
    SELECT {_WHERE} || ' to ' || n.to_address
    FROM accounts_notice n JOIN accounts_account a ON a.id = n.account_id
    JOIN accounts_suppression s ON s.channel = n.channel AND s.address = lower(n.to_address)
    WHERE n.state IN {_LEFT} AND s.since_at < n.sending_at
      AND (s.lifted_at IS NULL OR s.lifted_at > n.sending_at)
    ORDER BY n.id""",
)

TOO_MANY_CALLS = Check(
    "I7",
    "an account was called more than seven times within seven days",
    "call no more, and find out who went round the contact rules",
    """
    SELECT 'account ' || a.number || ', call of ' || c.at::timestamp(0) || ': ' || c.calls || ' within 7 days'
    FROM (SELECT account_id, at, count(*) OVER (PARTITION BY account_id ORDER BY at
                 RANGE BETWEEN interval '7 days' - interval '1 microsecond' PRECEDING AND CURRENT ROW) AS calls
          FROM accounts_callrecord WHERE NOT inbound) c
    JOIN accounts_account a ON a.id = c.account_id
    WHERE c.calls > 7 ORDER BY a.number, c.at""",
)

CALLED_AFTER_TALK = Check(
    "I7",
    "an account was called within seven days after somebody there was spoken to",
    "call no more, and find out who went round the contact rules",
    """
    SELECT 'account ' || a.number || ', call of ' || c.at::timestamp(0) || ' after the talk of ' || t.at::timestamp(0)
    FROM accounts_callrecord c JOIN accounts_account a ON a.id = c.account_id
    JOIN accounts_callrecord t ON t.account_id = c.account_id AND t.outcome IN ('reached', 'refused')
         AND t.at < c.at AND t.at > c.at - interval '7 days'
    WHERE NOT c.inbound ORDER BY a.number, c.at""",
)

AMBIGUOUS_UNSEEN = Check(
    "I12",
    "nobody knows whether a letter went out, and no exception shows it",
    "run 'manage.py dispatch notices'; then look at the letter's page",
    f"""
    SELECT {_WHERE}
    FROM accounts_notice n JOIN accounts_account a ON a.id = n.account_id
    WHERE n.state = 'ambiguous'
      AND EXISTS (SELECT FROM accounts_noticeattempt t WHERE t.notice_id = n.id AND t.outcome = 'looked_up')
      AND NOT EXISTS (SELECT FROM accounts_attention t
                      WHERE t.code = 'notice-ambiguous' AND t.key = 'notice:' || n.id)
    ORDER BY n.id""",
)

TRIED_TOO_OFTEN = Check(
    "I13",
    "a letter was tried more often than allowed, or its lease ran out long ago",
    "run 'manage.py dispatch notices'",
    f"""
    SELECT {_WHERE} || ': ' || n.attempts || ' attempts, ' || n.state
    FROM accounts_notice n JOIN accounts_account a ON a.id = n.account_id
    WHERE n.attempts > {ATTEMPTS_MAX}
       OR n.state IN ('claimed', 'sending') AND n.lease_until_at < %(at)s::timestamptz - interval '10 minutes'
    ORDER BY n.id""",
)

LETTERS = (
    SENT_TWICE,
    SENT_UNKNOWN,
    BAD_HOUR,
    TO_SUPPRESSED,
    TOO_MANY_CALLS,
    CALLED_AFTER_TALK,
    AMBIGUOUS_UNSEEN,
    TRIED_TOO_OFTEN,
)
