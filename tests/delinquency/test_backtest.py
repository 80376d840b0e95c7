"""Real payment histories, imported through the commands and replayed under a draft policy."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import Account
from invoicing.models import Invoice, LedgerEntry, Payment
from tests.ibm import write_files
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

DATA = Path(__file__).parents[3] / "shared" / "data" / "ibm-accounts-receivable.csv"
DRAFT: dict[str, Any] = {
    "name": "Draft", "due_days": None, "grace_days": 5, "status_switch_days": 7,
    "seriously_late_after_days": 14, "seriously_late_limit": 2, "seriously_late_window": "calendar_year",
    "steps": [{"key": "late-fee", "action": "late_fee", "anchor": "due", "offset_days": 5, "flat": "10.00"}],
}  # fmt: skip


def command(*arguments: str) -> Any:
    """Run a command with --json and return its answer."""
    out = StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def backtest(folder: Path, policy: dict[str, Any], first: str, last: str) -> Any:
    """Run a backtest of a policy."""
    path = folder / "policy.json"
    path.write_text(json.dumps(policy))
    return command("backtest", "--policy", str(path), "--from", first, "--to", last)


@pytest.mark.skipif(not DATA.exists(), reason="the data set lies beside the project, not in it")
def test_the_receivables_of_two_years_replayed_under_a_draft(tmp_path: Path) -> None:
    files = write_files(DATA, tmp_path)
    for name in ("accounts", "invoices", "payments"):
        assert command(f"import_{name}", str(files[name]))["errors"] == []
    answer = backtest(tmp_path, DRAFT, "2012-01-01", "2014-12-31")
    assert answer["summary"] == {
        "invoices": 2466,
        "past_due_invoices": 877,
        "delinquent_invoices": 569,
        "episodes": 484,
        "late_fees": 569,
        "late_fee_total": "5690.00",
        "status_switches": 214,
        "restrictions": 0,
        "peak_delinquent_accounts": 15,
        "peak_on": "2012-03-08",
        "mean_days_delinquent": 8.87,
        "flagged_accounts": 21,
    }
    assert len(answer["flagged"]) == 21
    assert sum(month["episodes"] for month in answer["monthly"].values()) == 484
    assert Invoice.objects.filter(number="0000611365").exists()  # leading zeros stay


def test_a_backtest_writes_nothing_and_counts_by_month(tmp_path: Path) -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.owes("A", "2026-01-01", "100.00", due_on="2026-01-31")
    story.pays("2026-02-10 12:00", "100.00")
    before = (LedgerEntry.objects.count(), Payment.objects.count(), Account.objects.count())
    answer = backtest(tmp_path, DRAFT, "2026-01-01", "2026-03-31")
    assert {month: counts["episodes"] for month, counts in answer["monthly"].items()} == {
        "2026-01": 0,
        "2026-02": 1,
        "2026-03": 0,
    }
    assert answer["summary"]["mean_days_delinquent"] == 5.0
    assert (answer["monthly"]["2026-02"]["peak_delinquent_accounts"], answer["summary"]["peak_on"]) == (1, "2026-02-05")
    assert (LedgerEntry.objects.count(), Payment.objects.count(), Account.objects.count()) == before


def test_only_what_falls_between_the_dates_is_counted_but_everything_before_is_replayed(tmp_path: Path) -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.owes("A", "2026-01-01", "100.00", due_on="2026-01-31")
    answer = backtest(tmp_path, DRAFT, "2026-02-08", "2026-02-28")
    summary = answer["summary"]
    assert (summary["invoices"], summary["episodes"], summary["status_switches"]) == (0, 0, 1)
    assert (summary["peak_delinquent_accounts"], summary["peak_on"]) == (1, "2026-02-08")
