"""What stands beneath every report that is sent: the head of the audit record, kept outside of the program (SEC-12)."""

from datetime import timedelta

from accounts.audit.sealing import head, heads_of
from billing_project.kernel import clock


def chain_head() -> str:
    """Return the head with which yesterday ended, or the newest one; nothing while nothing is sealed.

    Whoever makes the whole chain anew cannot change the mails that have gone out.
    """
    found = heads_of(clock.today("UTC") - timedelta(days=1)) or head()
    if found is None:
        return ""
    return (
        f"Audit record: head {found} of {found.day} (UTC). Keep this mail. That the record is still the same shows"
        f" “manage.py verify_audit --head {found}”, or the page “Is the record whole?”."
    )
