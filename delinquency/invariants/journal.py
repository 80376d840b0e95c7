"""I10: whatever was done to an account stands in its journal, with rule and policy version."""

from .check import Check

_MEND = "the row was made behind the rules' back: find out by whom in its history, and undo it"


def _untold(what: str, where: str, rows: str, event: str) -> Check:
    return Check(
        "I10",
        what,
        _MEND,
        f"""
        SELECT 'account ' || a.number || ', ' || {where}
        FROM {rows} JOIN accounts_account a ON a.id = x.account_id
        WHERE {event.format(told="FROM delinquency_event e WHERE e.account_id = x.account_id AND e.rule <> ''")}
        ORDER BY a.number""",  # noqa: S608 - put together from what is written here
        together="journal",
    )


JOURNAL = (
    _untold(
        "a late fee is not in the journal",
        "'charge ' || x.id || ' over ' || x.amount",
        "invoicing_charge x",
        "x.kind = 'late_fee' AND NOT EXISTS"
        " (SELECT {told} AND e.kind = 'late_fee' AND e.invoice_id = x.about_invoice_id)",
    ),
    _untold(
        "a reconnection fee is not in the journal",
        "'charge ' || x.id || ' over ' || x.amount",
        "invoicing_charge x",
        "x.kind = 'reconnection_fee' AND NOT EXISTS"
        " (SELECT {told} AND e.kind = 'reconnection_fee' AND e.\"on\" = x.charged_on)",
    ),
    _untold(
        "a letter of a policy step is not in the journal",
        "'notice ' || x.id || ', step ' || x.step_key",
        "accounts_notice x",
        "x.step_key <> '' AND split_part(x.anchor_key, ':', 1) IN ('invoice', 'case') AND NOT EXISTS"
        " (SELECT {told} AND e.kind IN ('notice', 'secondary_source_requested', 'ticket_opened')"
        " AND e.step = x.step_key)",
    ),
    _untold(
        "a charge that a policy step asked for is not in the journal",
        "'attempt ' || x.id",
        "invoicing_paymentattempt x",
        "x.key LIKE 'invoice:%%/%%' AND NOT EXISTS"
        " (SELECT {told} AND e.kind = 'charge' AND e.step = split_part(x.key, '/', 2)"
        " AND e.invoice_id = x.invoice_id)",
    ),
    _untold(
        "a ticket that a policy step opened is not in the journal",
        "'ticket ' || x.number",
        "delinquency_ticket x",
        "x.kind = 'delinquency' AND NOT EXISTS (SELECT {told} AND e.kind = 'ticket_opened' AND e.\"on\" = x.opened_on)",
    ),
    _untold(
        "a line is restricted for non-payment, and the journal does not say why",
        "x.level || ' of ' || x.cause_key",
        "netenforce_hold x",
        "x.cause = 'non_payment' AND NOT EXISTS"
        " (SELECT {told} AND e.kind = 'restricted' AND e.step = split_part(x.cause_key, '/', 2))",
    ),
)
