"""T38, P03: over a line of 64 kbit/s, from the garden to the receipt in a real browser without scripts.

Bars: each page usable within 5 s, the receipt within 40 s, at most 60 KB on the wire. A busy machine gets twice that.
"""

import re
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.access import make_link_token
from accounts.models import Account
from billing_project.kernel.clock import monotonic
from invoicing.models import Payment
from tests.backoffice import make_customer, make_version
from tests.browser.slow_link import SlowLine, slow_line

USABLE_SECONDS, RECEIPT_SECONDS, BYTES_MAX = 5.0, 40.0, 60 * 1024
SLACK = 2


@pytest.fixture
def account(transactional_db: None) -> Account:
    """Make a customer whose line is slowed over 100.00."""
    return make_customer("20001", make_version(), delinquent=True)


@pytest.fixture
def line(live_server: LiveServer) -> Iterator[SlowLine]:
    """Return a slow line to the server."""
    with slow_line(urlsplit(live_server.url).port or 0) as opened:
        yield opened


def opened(page: Page, address: str) -> float:
    """Open a page and return after how many seconds it can be used."""
    began = monotonic()
    page.goto(address, wait_until="commit")
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=60_000)
    page.wait_for_load_state("load", timeout=60_000)
    return monotonic() - began


def pay(page: Page) -> None:
    """Press what pays until the receipt is there."""
    for _ in range(3):
        page.get_by_role("button", name=re.compile("^Pay ")).first.click()
        page.wait_for_load_state("load", timeout=60_000)
        if "/receipt/" in page.url:
            return


@pytest.mark.browser
def test_from_the_garden_to_the_receipt_over_a_slow_line(browser: Browser, line: SlowLine, account: Account) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 640}, java_script_enabled=False)
    context.set_default_timeout(90_000)
    page, base = context.new_page(), f"http://127.0.0.1:{line.port}"
    began = monotonic()
    garden = opened(page, f"{base}/portal/garden/")
    first = line.carried
    door = opened(page, f"{base}/portal/enter/{make_link_token(account)}/")
    pressed = monotonic()
    page.get_by_role("button", name="Open account").click()
    page.wait_for_url(f"{base}/portal/", timeout=90_000)
    home = monotonic() - pressed
    pay(page)
    seconds = monotonic() - began
    context.close()
    print(
        f"64 kbit/s: garden {garden:.1f} s ({first / 1024:.1f} KB), door {door:.1f} s, home {home:.1f} s,"
        f" receipt after {seconds:.1f} s, {line.carried / 1024:.1f} KB in {line.connections} connections"
    )
    assert Payment.objects.filter(account=account).count() == 1
    assert max(garden, door, home) <= USABLE_SECONDS * SLACK
    assert seconds <= RECEIPT_SECONDS * SLACK
    assert line.carried <= BYTES_MAX * SLACK
    # The control: the line was as slow as it is said to be.
    assert seconds >= line.down.carried * 8 / 64_000
    assert line.carried > 10_000


def test_the_line_is_slow() -> None:
    """16 KB over 64 kbit/s take more than two seconds, and a round trip more before anything comes."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(100)
            connection.sendall(b"x" * 16_384)

    threading.Thread(target=serve, daemon=True).start()
    with slow_line(server.getsockname()[1]) as line, socket.create_connection(("127.0.0.1", line.port)) as client:
        began = monotonic()
        client.sendall(b"go")
        assert client.recv(1) == b"x"
        assert monotonic() - began > 0.6
        got = 1
        while got < 16_384:
            got += len(client.recv(65_536))
        assert monotonic() - began > 16_384 * 8 / 64_000
        assert line.carried > 16_384 + 11 * 40
    server.close()
