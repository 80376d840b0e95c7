"""Axe finds nothing serious on the pages that staff live on, by day and by night (U17)."""

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, User
from accounts.operations import resume_everything
from delinquency.models import AirbagTrip, Dispute, MassAction, Policy, PolicyVersion, Ticket
from invoicing.models import BankFile, Invoice
from netenforce.models import Device
from tests.backoffice import make_everything
from tests.browser.test_backoffice import serious

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def pages(account: Account) -> dict[str, str]:
    """Return the pages by name: lists, single rows, forms, reports, and what is done to many at once."""
    ticket, mass, version = Ticket.objects.get(), MassAction.objects.get(), PolicyVersion.objects.earliest("pk")
    named = {
        "home": ("index",),
        "accounts": ("accounts_account_changelist",), "account": ("accounts_account_change", account),
        "details": ("accounts_account_change", account, "?edit=1"), "what if": ("accounts_account_what_if", account),
        "grace": ("accounts_account_grace", account), "evidence": ("accounts_account_evidence_pack", account),
        "tickets": ("delinquency_ticket_changelist",), "ticket": ("delinquency_ticket_change", ticket),
        "calls": ("delinquency_calltask_worklist",), "runs": ("delinquency_taskrun_runs",),
        "tonight": ("delinquency_taskrun_tonight",),
        "airbag": ("delinquency_airbagtrip_change", AirbagTrip.objects.get()),
        "mass": ("delinquency_massaction_change", mass), "hold an area": ("delinquency_massaction_hold",),
        "import": ("delinquency_importfile_upload",), "reports": ("delinquency_reportsubscription_reports",),
        "ageing": ("delinquency_reportsubscription_ageing",), "charts": ("delinquency_monthfigures_charts",),
        "policy": ("delinquency_policy_change", Policy.objects.earliest("pk")),
        "version": ("delinquency_policyversion_change", version), "calendar": ("delinquency_exclusion_calendar",),
        "letters": ("accounts_noticetemplate_changelist",),
        "invoice": ("invoicing_invoice_change", Invoice.objects.get()),
        "dispute": ("delinquency_dispute_change", Dispute.objects.get()),
        "bank file": ("invoicing_bankfile_change", BankFile.objects.get()),
        "device": ("netenforce_device_change", Device.objects.get(name="Edge 1")),
        "audit": ("accounts_auditentry_changelist",),
        "user": ("accounts_user_change", User.objects.get(username="boss")), "roles": ("auth_group_changelist",),
    }  # fmt: skip
    found = {"search": "/admin/search/?q=customer"}
    for name, (view, *more) in named.items():
        rows = [row.pk for row in more if not isinstance(row, str)]
        found[name] = reverse(f"admin:{view}", args=rows) + "".join(row for row in more if isinstance(row, str))
    return found


def by_night(page: Page) -> list[str]:
    """Return what is too faint in the dark: that alone differs from the day. Axe is in the page already."""
    found = page.evaluate("""async () => {
      document.documentElement.classList.add('dark');
      const asked = {runOnly: ['color-contrast'], resultTypes: ['violations']};
      return (await axe.run(document, asked)).violations.flatMap(row => row.nodes.map(node => node.html.slice(0, 200)));
    }""")
    return [f"color-contrast: {html}" for html in found]


@pytest.fixture
def account() -> Account:
    """Make a row of everything, a second customer to be found beside it, and somebody who may see all."""
    User.objects.create_user("boss", is_staff=True, is_superuser=True)
    account = make_everything()
    resume_everything(reason="mended")
    return account


def test_axe_finds_nothing_serious_on_thirty_pages_by_day_and_by_night(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    client = Client()
    client.force_login(User.objects.get(username="boss"))
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
    page.set_viewport_size({"width": 1366, "height": 768})
    walked, found = pages(account), {}
    for name, address in walked.items():
        answer = page.goto(live_server.url + address)
        assert answer is not None, name
        assert answer.status == 200, (name, answer.status)
        heads = page.locator("h1:visible").all_inner_texts()
        if len(heads) != 1:
            found[name] = [f"{len(heads)} headings of the page: {heads}"]
        wrong = [f"light: {words}" for words in serious(page)] + [f"dark: {words}" for words in by_night(page)]
        if wrong:
            found[name] = found.get(name, []) + wrong
    assert found == {}
    assert len(walked) >= 25
    page.evaluate("document.querySelector('h2').innerHTML += '<input>'")
    assert [row.split(":")[0] for row in serious(page)] == ["label"], "the walk sees what is broken"
    page.evaluate("document.querySelector('h2').innerHTML = ''")
    page.evaluate("document.querySelector('h1').innerHTML = '<b style=\"color: #999; background: #888\">faint</b>'")
    assert [row.split(":")[0] for row in serious(page)] == ["color-contrast"], "and what is too faint"
    assert len(by_night(page)) == 1
