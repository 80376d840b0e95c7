"""The stories on Django's own admin, by the same listener: the product needs at most half of those clicks.

``MEASURE_STOCK=1 pytest tests/browser/test_stock.py`` walks all and writes ``stock.json`` anew; else a few are walked.
"""

import json
import os
import re
from pathlib import Path

import pytest
from django.conf import settings as shipped
from django.contrib import admin
from django.test import Client
from playwright.sync_api import Page
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests.backoffice import make_everything
from tests.browser import stories
from tests.browser.stock import Stock
from tests.browser.stock_walks import WALKS

pytestmark = pytest.mark.browser

MEASURES = bool(os.environ.get("MEASURE_STOCK"))
WALKED = tuple(WALKS) if MEASURES else ("K7", "K8", "H1", "H9")
DJANGOS_OWN = Path(admin.__file__).parent / "templates"
ALL = {*(f"K{number}" for number in range(1, 13)), *(f"H{number}" for number in range(1, 13))}


@pytest.fixture
def stock(page: Page, live_server: LiveServer, settings: Settings) -> Stock:
    """Return somebody who is logged in and on the index of the stock admin, among a row of everything."""
    settings.ROOT_URLCONF = "tests.browser.stock"
    settings.TEMPLATES = [{**shipped.TEMPLATES[0], "DIRS": [DJANGOS_OWN]}]
    boss = User.objects.create_user("boss", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(boss)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
    page.set_viewport_size({"width": 1366, "height": 768})
    return Stock(page, live_server.url)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("key", WALKED)
def test_a_story_takes_on_the_stock_admin_what_the_file_says(key: str, stock: Stock) -> None:
    account, walk = make_everything(), WALKS[key]
    stock.page.goto(f"{stock.base}/stock/")
    with stories.Story(key, stock.page, judged=False) as story:
        more = walk.do(stock, account, story) or 0
    found = {"clicks": story.clicks + more, "cannot": walk.cannot, "note": walk.note}
    if MEASURES:
        _write(key, found)
    else:
        assert found == stories.STOCK[key]


def test_all_stories_are_measured_here_and_there() -> None:
    assert stories.STOCK.keys() == WALKS.keys() == ALL
    told = " ".join(
        path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path.name != "test_stock.py"
    )
    assert ALL - set(re.findall(r"\"([KH]\d+)\"", told)) == set()


def test_more_than_half_of_the_stock_admins_clicks_fails_a_story() -> None:
    assert stories.most_clicks("K7") == stories.STOCK["K7"]["clicks"] / 2
    assert stories.most_clicks("K2") == stories.BARS["K2"]["clicks"], "what the stock admin cannot do sets no bar"


def _write(key: str, found: dict[str, object]) -> None:
    path = stories.STOCK_FILE
    rows = {**json.loads(path.read_text()), key: found} if path.exists() else {key: found}
    ordered = {name: rows[name] for name in WALKS if name in rows}
    lines = ",\n".join(f'  "{name}": {json.dumps(row)}' for name, row in ordered.items())
    path.write_text(f"{{\n{lines}\n}}\n")
