"""What the screens cost with many accounts: measured when it is asked for, and never by reading a large table whole.

``SCREEN_ACCOUNTS=100000 script/test -n0 -s tests/lists/test_speed.py`` makes so many accounts (3 minutes for those),
opens every list, page and report and prints what each cost.
"""

import os

import pytest
from django.contrib import admin
from django.core.paginator import Paginator
from django.test import Client
from django.urls import reverse

from accounts.admin import list_filters, pages
from accounts.models import Account, Contact, FundingSource, Notice, NoticeAttempt, ServiceLine
from delinquency.models import (
    CallTask,
    Case,
    Event,
    InvoiceStanding,
    Standing,
    StepRun,
    Ticket,
    TicketComment,
)
from invoicing.models import BillingParameters, Invoice, LedgerEntry, Payment
from netenforce.models import LineState
from tests.backoffice import staff_client
from tests.portal import come_in
from tests.screen_town import make_town, pages_about
from tests.screen_walk import Walk, every_page, large_tables, read_whole, report, statements_of

pytestmark = pytest.mark.django_db
ACCOUNTS = int(os.environ.get("SCREEN_ACCOUNTS", "0"))
PRINTED = 40
FEW = 400
LISTS = {
    "/admin/accounts/account/": ["accounts_serviceline"],  # of a town this small; of a large one line by line
    "/admin/delinquency/ticket/": ["delinquency_ticket"],  # its tabs say how many are closed, too
    "/admin/invoicing/billingparameters/": ["invoicing_billingparameters"],  # the first and last date of all bills
}
# What reads a table whole all the same, and why.
READ_WHOLE = {
    **LISTS, **{f"{url}?p=3": tables for url, tables in LISTS.items()},
    "/admin/search/?q=customer": ["accounts_account"],  # everybody here is called so
    "/admin/": ["accounts_attention"],  # every one of these is open here, and is counted
}  # fmt: skip


@pytest.mark.skipif(not ACCOUNTS, reason="A measurement: say SCREEN_ACCOUNTS=100000 to take it")
def test_every_screen_is_measured_with_many_accounts(capsys: pytest.CaptureFixture[str]) -> None:
    make_town(ACCOUNTS)
    walk = Walk()
    for client, url in every_page(staff_client()):
        walk.measure(client, url)
    with capsys.disabled():
        report(walk.found, PRINTED)
    assert len(walk.found) > 400


# Every customer has rows in these, and gets more of them with every month.
GROWING = (
    Account, Contact, FundingSource, ServiceLine, Notice, NoticeAttempt, CallTask, Case, Event, InvoiceStanding,
    Standing, StepRun, Ticket, TicketComment, BillingParameters, Invoice, LedgerEntry, Payment, LineState,
)  # fmt: skip


def test_no_list_of_what_grows_reads_its_table_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "COUNTED_MAX", 100)
    monkeypatch.setattr(list_filters, "LOOKED_AT_MAX", 100)
    late = make_town(FEW)
    sizes, staff = large_tables(FEW), staff_client()
    assert {model._meta.db_table for model in GROWING} <= set(sizes)
    urls = [reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in GROWING]
    found = {}
    for url in [*urls, *(f"{url}?p=3" for url in urls), *pages_about(late), "/admin/"]:
        found[url] = read_whole(statements_of(staff, url), sizes)
    portal = Client()
    come_in(portal, late)
    for url in ("/portal/", "/portal/pay/"):
        found[url] = read_whole(statements_of(portal, url), sizes)
    whole = {url: sorted(tables) for url, tables in found.items() if tables}
    assert whole == READ_WHOLE


def test_a_list_that_reads_its_table_whole_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    make_town(FEW)
    monkeypatch.setattr(admin.site._registry[Payment], "paginator", Paginator)
    url = reverse("admin:invoicing_payment_changelist")
    assert read_whole(statements_of(staff_client(), url), large_tables(FEW)) == {Payment._meta.db_table}
