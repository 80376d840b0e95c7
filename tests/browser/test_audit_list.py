"""The audit list in a browser: with long reasons and long differences it stays within the window (U14, U21)."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from billing_project.kernel import acting
from tests.backoffice import make_everything

from .test_backoffice import PASSWORD, log_in, serious

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHOTS = os.environ.get("SHOTS", "")
WHY = "Caller paid at the desk, receipt 118, and asks that nothing more is sent: " + "reference-" * 12
CUT_OFF = """() => {
  const table = document.querySelector('#result_list'), width = document.documentElement.clientWidth;
  const cells = [...table.querySelectorAll('td, th')].filter(cell => cell.getClientRects().length);
  const cut = cell => cell.getBoundingClientRect().right > width + 1 || cell.scrollHeight > cell.clientHeight + 1;
  return cells.filter(cut).map(cell => cell.className);
}"""


@pytest.mark.parametrize("width", [1366, 360])
def test_no_column_of_the_record_runs_beyond_the_window_or_its_line(
    page: Page, live_server: LiveServer, width: int
) -> None:
    User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)
    account = make_everything()
    account.name = "The Very Long Named Cooperative of the Upper Valley and Its Neighbours, Registered"
    with acting.because(WHY):
        account.save()
    page.set_viewport_size({"width": width, "height": 768})
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/accounts/auditentry/")
    page.get_by_text(WHY[:40]).first.scroll_into_view_if_needed()
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"audit-{width}.png"))
    assert page.evaluate(CUT_OFF) == []
    assert serious(page) == []
