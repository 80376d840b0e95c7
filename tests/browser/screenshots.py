"""Take the ten pictures of docs/screenshots from the demo that `script/server` has made.

python -m tests.browser.screenshots http://127.0.0.1:8000 manager PASSWORD PORTAL_LINK
"""

import sys
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from billing_project.kernel import clock
from tests.browser.conftest import CHROMIUM

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"


def main(base: str, username: str, password: str, portal: str) -> None:
    """Log in, and take one picture after the other."""
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1366, "height": 768}, color_scheme="light")
        page.goto(f"{base}/admin/")
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/admin/")
        _take(page, "home")
        for name, address in (
            ("tonight", "/admin/delinquency/taskrun/tonight/"), ("search", "/admin/search/?q=raven"),
            ("ageing", "/admin/delinquency/reportsubscription/reports/ageing/"),
            ("audit", "/admin/accounts/auditentry/"),
        ):  # fmt: skip
            page.goto(base + address)
            _take(page, name)
        page.goto(f"{base}/admin/search/?q=Ines Ravenhill")
        _take(page, "account")
        account = page.url.split("?")[0]
        page.goto(account.replace("/change/", "/what_if") + "?amount=20.00")
        page.get_by_role("heading", name="Supposed").evaluate("head => head.scrollIntoView()")
        _take(page, "what-if")
        page.goto(account)
        page.locator("dd a[href*='/delinquency/ticket/']").first.click()
        page.get_by_role("heading", name="Conversation").wait_for()
        _take(page, "ticket")
        page.goto(f"{base}/admin/delinquency/massaction/hold/")
        page.get_by_label("Address contains").fill("a")
        page.get_by_label("On hold until").fill(str(clock.today("America/New_York") + timedelta(days=5)))
        page.get_by_role("button", name="See what it would do").click()
        page.get_by_role("heading", name="Do it to").wait_for()
        _take(page, "many")
        phone = browser.new_page(viewport={"width": 360, "height": 740})
        phone.goto(portal)
        phone.get_by_role("button", name="Open account").click()
        _take(phone, "portal")
        browser.close()


def _take(page: Page, name: str) -> None:
    page.mouse.move(0, 0)
    page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
