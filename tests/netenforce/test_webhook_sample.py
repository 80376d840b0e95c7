"""The program in docs/webhook.md as it stands there, driven by the driver, by dispatch and by reconcile."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from billing_project.kernel import clock
from billing_project.kernel.calls import Target, post
from billing_project.kernel.errors import Refused
from netenforce.dispatch import dispatch_enforcement
from netenforce.drivers.port import Change
from netenforce.drivers.webhook import WebhookDriver
from netenforce.models import Device, EnforcementTask, LineState
from netenforce.operations import lift_hold, place_hold
from netenforce.reconcile import reconcile
from netenforce.rules.options import check_options
from netenforce.rules.webhook_contract import body_of, signed
from tests.devices import all_of
from tests.factories import make_account, make_device, make_line
from tests.faults.servers import free_port
from tests.house.tree import ROOT

pytestmark = pytest.mark.django_db

SECRET = "the-secret-of-the-dévice"
DOCUMENT = ROOT / "docs" / "webhook.md"
driver = WebhookDriver()


@pytest.fixture
def sample() -> Iterator[Device]:
    """Run the program of the page and return a device that speaks to it."""
    [program] = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.S | re.M)
    # Listening is said aloud for the test alone.
    head, tail = program.rsplit("HTTPServer((", 1)
    program = (
        f"{head}server = HTTPServer(({tail.replace('.serve_forever()', '')}\nprint(server.server_port, flush=True)\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", program + "server.serve_forever()"],
        env={"BILLING_SECRET": SECRET, "PORT": "0", "PYTHONUTF8": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert running.stdout is not None
    try:
        port = int(running.stdout.readline())
        yield make_device("olt", driver="webhook", secret=SECRET, options={"url": f"http://127.0.0.1:{port}/"})
    finally:
        running.kill()
        running.wait(10)
        running.stdout.close()


def test_the_program_on_the_page_does_all_that_is_asked_of_it(sample: Device) -> None:
    assert driver.probe(sample).model == "sample"
    for level in ("throttle", "walled_garden", "suspend", "suspend"):
        driver.apply(sample, [Change(address="100.64.0.1", level=level, list_name="L")])
        assert all_of(driver, sample) == {"100.64.0.1": level}
    driver.apply(sample, [Change(address="100.64.0.1", level="open")])
    assert all_of(driver, sample) == {}


def test_orders_reach_it_and_what_it_lost_is_mended(sample: Device) -> None:
    account = make_account()
    lines = [make_line(account, f"100.64.0.{n}", device=sample) for n in range(1, 31)]
    place_hold(account_id=account.pk, cause="non_payment", cause_key="k", level="suspend", why="unpaid")
    assert dispatch_enforcement() == {"confirmed": 30}
    driver.apply(sample, [Change(address=line.ipv4, level="open") for line in lines[:10]])
    driver.apply(sample, [Change(address="198.51.100.9", level="suspend")])
    [report] = reconcile()
    assert (len(report.missing), len(report.extra), report.repaired, report.failure) == (10, 1, 11, "")
    assert all_of(driver, sample) == {line.ipv4: "suspend" for line in lines}
    lift_hold(account_id=account.pk, cause_key="k", why="paid")
    assert dispatch_enforcement() == {"confirmed": 30}
    assert all_of(driver, sample) == {}
    assert set(LineState.objects.values_list("observed_level", flat=True)) == {"open"}
    assert not EnforcementTask.objects.exclude(state__in=["confirmed", "superseded"]).exists()


def test_a_call_that_was_recorded_cannot_be_sent_again(sample: Device) -> None:
    """Else a call from yesterday could block somebody who has paid since."""
    target = Target(name="olt", url=sample.options["url"], timeout_seconds=15)
    change = {"address": "100.64.0.1", "level": "suspend", "list": ""}

    def call(number: str, *, seconds: float = 0, secret: str = SECRET) -> int:
        body, stamp = (
            body_of("apply", number, "olt", {"changes": [change]}),
            str(int(clock.now().timestamp() + seconds)),
        )
        headers = {
            "Billing-Timestamp": stamp, "Billing-Request-Id": number, "Billing-Signature": signed(secret, stamp, body)
        }  # fmt: skip
        return post(target, headers, body).status

    assert [call("a"), call("a"), call("b", seconds=-301), call("c", secret="another"), call("b")] == [
        200, 401, 401, 401, 200,
    ]  # fmt: skip


def test_the_page_names_every_option_and_shows_them_as_they_are_taken() -> None:
    text = DOCUMENT.read_text()
    for key, value in re.findall(r'^\| `"(\w+)": (".*?"|\w+)` \|', text, re.M):
        if key != "ca_pem":
            given: dict[str, Any] = {"url": "https://net.example.com/billing", key: json.loads(value)}
            if key == "insecure":
                given["url"] = "http://net.example.com/billing"
            check_options("webhook", given)
    with pytest.raises(Refused) as refusal:
        check_options("webhook", {"colour": 1, "url": "https://x/"})
    for key in refusal.value.words.partition("knows ")[2].rstrip(".").split(", "):
        assert f'`"{key}": ' in text, key


def test_whoever_does_not_sign_is_told_so(sample: Device) -> None:
    request = urllib.request.Request(
        sample.options["url"], b"{}", {"Billing-Timestamp": "1", "Billing-Request-Id": "x", "Billing-Signature": "v1="}
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=5)
    with refusal.value as answer:
        assert answer.code == 401
        assert "signature" in json.loads(answer.read())["error"]


def test_a_program_that_is_not_running_makes_the_device_fail_and_no_order_is_lost() -> None:
    device = make_device("olt", driver="webhook", secret=SECRET, options={"url": f"http://127.0.0.1:{free_port()}/"})
    line = make_line(make_account(), "100.64.0.1", device=device)
    place_hold(account_id=line.account_id, cause="abuse", cause_key="k", level="suspend", why="spam")
    assert dispatch_enforcement() == {"unavailable": 1}
    device.refresh_from_db()
    assert "is the program running" in device.failure
    assert EnforcementTask.objects.get().state == "queued"
