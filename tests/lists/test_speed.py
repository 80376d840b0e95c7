"""What the screens cost with many accounts: measured when it is asked for, and never by reading a large table whole.

``SCREEN_ACCOUNTS=100000 script/test -n0 -s tests/lists/test_speed.py`` makes so many accounts (3 minutes for those),
opens every list, page and report and prints what each cost.
"""

import os

import pytest

from tests.backoffice import staff_client
from tests.screen_town import make_town
from tests.screen_walk import Walk, every_page, report

pytestmark = pytest.mark.django_db
ACCOUNTS = int(os.environ.get("SCREEN_ACCOUNTS", "0"))
PRINTED = 40


@pytest.mark.skipif(not ACCOUNTS, reason="A measurement: say SCREEN_ACCOUNTS=100000 to take it")
def test_every_screen_is_measured_with_many_accounts(capsys: pytest.CaptureFixture[str]) -> None:
    make_town(ACCOUNTS)
    walk = Walk()
    for client, url in every_page(staff_client()):
        walk.measure(client, url)
    with capsys.disabled():
        report(walk.found, PRINTED)
    assert len(walk.found) > 400
