"""The five roles and nobody, at every address and action of the back office, against the table that was reviewed (T36).

After a change that is meant, write the table anew and read the difference before it is committed:

    WRITE_ROLE_MATRIX=1 .venv/bin/python -m pytest -n0 tests/roles/test_role_matrix.py
"""

import os
from pathlib import Path

import pytest

from tests.role_matrix import Matrix

pytestmark = pytest.mark.django_db
TABLE = Path(__file__).with_name("role_matrix.txt")
HEAD = """\
# Who may do what: anonymous, Administrators, Billing managers, Billing clerks, Support, Auditors.
# - refused, r shown, w may be sent as well. ID stands for a row. How to write it anew: test_role_matrix.py.
"""

# Their rows need files or a real cut, which the tests of those pages make; they look for the row before the right.
NOT_KNOWN = [
    "/admin/accounts/company/logos/ID", "/admin/accounts/inboundmessage/ID/file/ID/",
    "/admin/delinquency/event/reports/cuts/ID/", "/admin/delinquency/runrequest/ask/ID/",
]  # fmt: skip
# Taking back a request is refused to all but who asked, by the operation; asking a device changes nothing on it; a test
# of a letter goes to oneself alone.
HARMLESS = {
    "/admin/accounts/noticetemplate/text/ID/ID/ID/test/",
    "/admin/invoicing/approval/ID/withdraw/", "/admin/netenforce/linestate/account/ID/check/",
    "/admin/netenforce/linestate/line/ID/check/",
    # Pages and files that are made anew at each look.
    "/admin/accounts/account/ID/audit/", "/admin/accounts/account/ID/evidence_pack/",
    "/admin/accounts/auditentry/whole/", "/admin/delinquency/massaction/ID/items/",
    "/admin/delinquency/runrequest/ID/progress/",
}  # fmt: skip


def test_everybody_may_do_just_what_the_reviewed_table_says() -> None:
    found = HEAD + "".join(f"{line}\n" for line in Matrix().lines())
    if os.environ.get("WRITE_ROLE_MATRIX"):
        TABLE.write_text(found)
    kept = TABLE.read_text()
    new, gone = set(found.splitlines()) - set(kept.splitlines()), set(kept.splitlines()) - set(found.splitlines())
    assert (sorted(new), sorted(gone)) == ([], [])


def test_the_table_lets_nobody_in_who_is_nobody_and_auditors_change_nothing() -> None:
    rows = [line.split(" ", 1) for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    assert len(rows) > 600
    unknown = [what for signs, what in rows if "?" in signs]
    assert unknown == NOT_KNOWN
    assert [what for signs, what in rows if signs[0] != "-"] == []
    reading = ("/export/", "/filters/")  # the file of a list, which is noted, and filters of one's own
    assert [
        what for signs, what in rows if signs[5] == "w" and what not in HARMLESS and not what.endswith(reading)
    ] == []
    # What support may do, clerks may; what they may, managers may; and administrators may do it all.
    assert [what for signs, what in rows if signs[4] == "w" and signs[1:4] != "www"] == []
    assert [what for signs, what in rows if signs[3] == "w" and signs[1:3] != "ww"] == []
