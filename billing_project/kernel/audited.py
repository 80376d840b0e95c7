"""Which changes PostgreSQL notes in the audit record: the triggers of a table, as SQL for a migration.

A room watches its tables in a migration of its own::

    operations = [watch("accounts_contact", private=("name", "email"), quiet=("seen_at",))]

Every INSERT, UPDATE and DELETE then writes an ``AuditEntry`` per row that truly changed, whatever made it: a form, a
sweep's COPY, or SQL typed by hand. The function that does it comes with the migration of ``accounts``.
"""

from collections.abc import Sequence

from django.db import migrations

FUNCTION = "audit_note"
TRIGGERS = {"audit_added": "INSERT", "audit_changed": "UPDATE", "audit_deleted": "DELETE"}
_ROWS = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "OLD TABLE AS old_rows",
}


def watch(
    table: str,
    *,
    key: str = "id",
    account: str = "",
    via: str = "",
    quiet: Sequence[str] = (),
    private: Sequence[str] = (),
    why: str = "",
    acts: Sequence[str] = ("INSERT", "UPDATE", "DELETE"),
) -> migrations.RunSQL:
    """Return the migration operation that watches a table.

    ``account`` is the column that leads to the account: its key, or with ``via`` the key of a row of that table, which
    has an ``account_id``. ``quiet`` columns are left out altogether (counters, leases); of ``private`` ones only that
    they changed is noted (persons, SEC-18; secrets, SEC-16). ``why`` is the column that holds the reason, if any.
    ``acts`` leaves out what the database refuses anyway, and what is not worth a row.
    """
    given = ", ".join(f"'{text}'" for text in (key, account, via, ",".join(quiet), ",".join(private), why))
    forward = [
        f"CREATE TRIGGER {name} AFTER {act} ON {table} REFERENCING {_ROWS[act]} FOR EACH STATEMENT"
        f" EXECUTE FUNCTION {FUNCTION}({given});"
        for name, act in TRIGGERS.items()
        if act in acts
    ]
    backward = [f"DROP TRIGGER IF EXISTS {name} ON {table};" for name in TRIGGERS]
    return migrations.RunSQL("\n".join(forward), "\n".join(backward))
