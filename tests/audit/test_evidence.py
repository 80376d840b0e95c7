"""The evidence pack: whole, to the cent, of one account alone, and the same bytes from the same rows."""

import hashlib
import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models import Sum
from django.test import Client

from accounts.audit.sealing import head, seal_entries
from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.evidence.pack import json_bytes, pdf_bytes, read_pack
from delinquency.roles import ensure_roles
from invoicing.models import LedgerEntry
from invoicing.operations.payments import record_payment
from tests.backoffice import make_customer, make_everything, make_version
from tests.factories import instant
from tests.invoicing.papers import needs_pdftotext, said, squeezed

pytestmark = pytest.mark.django_db
PARTS = {
    "account", "contacts", "policies", "invoices", "payments", "ledger", "events", "notices", "calls", "tickets",
    "more_time", "holds", "orders", "audit",
}  # fmt: skip
FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)


@pytest.fixture
def account() -> Account:
    """Return an account with a row of everything."""
    return make_everything()


def document(account: Account, first: date = FIRST, last: date | None = None) -> Any:
    """Return a pack as JSON, read again."""
    return json.loads(json_bytes(read_pack(account, first, last or clock.today(account.timezone))))


def test_every_part_is_there_with_what_happened_and_why(account: Account) -> None:
    parts = document(account)["parts"]
    assert set(parts) == PARTS
    empty = {key for key, rows in parts.items() if not rows}
    assert empty == set()
    text = json.dumps(parts)
    for words in ("60.00 is unpaid.", "P-1", "Hello <b>Ann</b>", "T-1", "asked for it", "House rules v1", "accepted"):
        assert words in text


def test_the_amounts_are_those_of_the_ledger_to_the_cent(account: Account) -> None:
    record_payment(account=account, reference="P-2", amount=Decimal("0.37"), received_at=instant("2026-02-03 10:00"))
    rows = document(account)["parts"]["ledger"]
    moved = sum((Decimal(row["Amount"]) for row in rows if row["Amount"]), Decimal(0))
    entries = LedgerEntry.objects.filter(account=account)
    assert Decimal(rows[-1]["Balance"]) == entries.aggregate(sum=Sum("amount"))["sum"]
    assert Decimal(rows[0]["Balance"]) + moved == Decimal(rows[-1]["Balance"])
    cut = date(2026, 1, 31)
    before, after = document(account, FIRST, cut), document(account, cut + timedelta(days=1))
    assert before["parts"]["ledger"][-1]["Balance"] == after["parts"]["ledger"][0]["Balance"]


def test_nothing_of_another_account_is_in_it(account: Account) -> None:
    other = make_customer("98765", make_version("Other rules"), delinquent=True)
    Account.objects.filter(pk=other.pk).update(name="Somebody Else")
    record_payment(account=other, reference="P-OTHER", amount=Decimal("1.23"), received_at=instant("2026-02-03 10:00"))
    text = json_bytes(read_pack(account, FIRST, clock.today(account.timezone))).decode()
    for words in ("98765", "Somebody Else", "P-OTHER", "1.23", "Other rules"):
        assert words not in text
    assert "P-OTHER" in json_bytes(read_pack(other, FIRST, clock.today(other.timezone))).decode()


def test_the_same_rows_make_the_same_bytes(account: Account) -> None:
    seal_entries()
    first = read_pack(account, FIRST, date(2026, 6, 30))
    with clock.at(clock.now() + timedelta(days=3)):
        second = read_pack(Account.objects.get(pk=account.pk), FIRST, date(2026, 6, 30))
    assert json_bytes(first) == json_bytes(second)
    assert hashlib.sha256(pdf_bytes(first)).digest() == hashlib.sha256(pdf_bytes(second)).digest()


@needs_pdftotext
def test_hostile_names_are_printed_as_they_are(account: Account) -> None:
    name = '#panic("x") $a$ *b* <script> =1+1 \u202e'
    Account.objects.filter(pk=account.pk).update(name=name)
    account.refresh_from_db()
    printed = squeezed(said(pdf_bytes(read_pack(account, FIRST, clock.today(account.timezone)))))
    assert '#panic("x")$a$*b*<script>=1+1' in printed
    assert "\u202e" not in printed
    for words in ("Evidence pack", "Ledger", "60.00 is unpaid.", "Balance carried forward", "how to verify"):
        assert squeezed(words) in printed


def test_an_outsider_computes_the_hashes_again_from_the_file_alone(account: Account) -> None:
    seal_entries()
    chain = document(account)["chain"]
    end = head()
    assert end is not None
    assert chain["head"] == str(end)
    assert len(chain["entries"]) > 5
    for one in chain["entries"]:
        lines = f"{one['hash_before'] or '0' * 64}\n{one['number']}\n{one['entry']}"
        assert hashlib.sha256(lines.encode()).hexdigest() == one["hash"]


def test_links_that_open_the_account_are_not_handed_on(account: Account) -> None:
    notice = account.notices.get()
    notice.body = "Pay here: https://billing.example/portal/enter/abc.def:ghi/ now"
    notice.save()
    text = json_bytes(read_pack(account, FIRST, clock.today(account.timezone))).decode()
    assert "/portal/enter/*** now" in text
    assert "abc.def" not in text


def test_days_that_make_no_sense_and_too_many_rows_are_refused(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused, match="swap them"):
        read_pack(account, LAST, FIRST)
    with pytest.raises(Refused, match="yet to come"):
        read_pack(account, FIRST, clock.today() + timedelta(days=2))
    monkeypatch.setattr("delinquency.evidence.pack.ROWS_MAX", 3)
    with pytest.raises(Refused, match="choose fewer days"):
        read_pack(account, FIRST, clock.today(account.timezone))


@pytest.fixture
def clients() -> Iterator[dict[str, Client]]:
    """Return a browser for a member of each role."""
    ensure_roles()
    found = {}
    for role in ("Administrators", "Billing managers", "Billing clerks", "Support", "Auditors"):
        user = User.objects.create_user(role, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        found[role] = Client()
        found[role].force_login(user)
    return found  # type: ignore[return-value]


def test_who_may_make_it_and_what_comes(account: Account, clients: dict[str, Client]) -> None:
    page = f"/admin/accounts/account/{account.pk}/change/"
    address = f"/admin/accounts/account/{account.pk}/evidence_pack/"
    asked = {"first": "2026-01-01", "last": "2026-01-31", "form": "pdf"}
    for role, client in clients.items():
        may = role != "Support"
        assert (address in client.get(page).content.decode()) == may, role
        assert client.get(address, follow=True).status_code == (200 if may else 403), role
        assert client.post(address, asked, follow=True).status_code == (200 if may else 403), role
    made = clients["Auditors"].post(address, asked)
    assert made["Content-Type"] == "application/pdf"
    assert made["Content-Disposition"] == 'attachment; filename="evidence-10001-2026-01-01-2026-01-31.pdf"'
    assert made.content.startswith(b"%PDF")
    made = clients["Auditors"].post(address, asked | {"form": "json"})
    assert json.loads(made.content)["account"] == "10001"
    wrong = clients["Auditors"].post(address, asked | {"first": "2026-02-01"})
    assert "swap them" in wrong.content.decode()
    assert clients["Auditors"].post(address, asked | {"form": "exe"}).status_code == 200
