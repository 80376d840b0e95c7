"""What our adapters ask of Twilio is what Twilio's own API document allows: prism checks every request against it.

Needs the document beside the repository and prism in the cache; .ci/run puts it there.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import override_settings

from accounts.outreach import spoken
from accounts.outreach.port import Message
from accounts.outreach.twilio_client import client
from accounts.outreach.twilio_sms import SmsChannel
from accounts.outreach.twilio_voice import VoiceChannel
from billing_project.kernel import clock
from billing_project.kernel.errors import PortError
from tests.faults.servers import free_port, wait_until
from tests.house.tree import ROOT
from tests.peers.twilio_fake import ACCOUNT, TOKEN

DOCUMENT = ROOT.parent / "shared" / "specs" / "twilio_api_v2010.trimmed.json"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
PRISM = CACHE / "billing-peers" / "prism-5.14.2" / "node_modules" / ".bin" / "prism"
MESSAGE = Message(key="notice:7", channel="sms", to_address="+15550100123", subject="", body="Please pay.")

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DOCUMENT.exists(), reason=f"Twilio's document is not at {DOCUMENT.name}"),
    pytest.mark.skipif(not PRISM.exists(), reason="prism is not installed; .ci/run does that"),
]


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run prism with Twilio's document, and yield its address."""
    port = free_port()
    command = [str(PRISM), "mock", "--host", "127.0.0.1", "--port", str(port), str(DOCUMENT)]
    log = tmp_path_factory.mktemp("prism") / "log"
    with log.open("w") as said, subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT) as process:
        base = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: _answers(base) or process.poll() is not None, 90, "prism answers")
            assert process.poll() is None, log.read_text()
            yield base
        finally:
            process.terminate()


@pytest.fixture(autouse=True)
def _account(prism: str) -> Iterator[None]:
    with override_settings(
        TWILIO_ACCOUNT_SID=ACCOUNT, TWILIO_AUTH_TOKEN=TOKEN, TWILIO_FROM="+15550109999", TWILIO_API_BASE=prism,
        PUBLIC_BASE_URL="https://billing.example",
    ):  # fmt: skip
        yield


def _answers(base: str) -> bool:
    with suppress(requests.RequestException):
        return requests.get(base, timeout=1).status_code == 404
    return False


def asked(adapter: Any, message: Message) -> str:
    """Send, and return the id in the answer; an answer of prism's own (422) would be an error."""
    return str(adapter.send(message).provider_id)


def test_texts_are_as_the_document_wants_them() -> None:
    assert asked(SmsChannel(), MESSAGE)[:2] in ("SM", "MM")
    assert asked(SmsChannel(), replace(MESSAGE, sender="MG" + "a" * 32, body="Señor, ¿40 €? 🎉"))[:2] in ("SM", "MM")


def test_calls_are_as_the_document_wants_them() -> None:
    assert asked(VoiceChannel(), MESSAGE).startswith("CA")
    assert asked(VoiceChannel(), replace(MESSAGE, key="trial:1", language="es")).startswith("CA")
    assert "es-MX" in spoken.read_out("x", "es")


@pytest.mark.parametrize("adapter", [SmsChannel(), VoiceChannel()])
def test_lookups_are_as_the_document_wants_them(adapter: Any) -> None:
    adapter.lookup(MESSAGE, since=clock.now())  # a request that is refused would be Unavailable


@pytest.mark.parametrize(
    ("change", "status"), [({"to": None}, 422), ({"messaging_service_sid": "MG1"}, 422), ({}, 201)]
)
def test_the_control_prism_refuses_what_the_document_does_not_allow(change: dict[str, Any], status: int) -> None:
    wanted: dict[str, Any] = {"To": "+15550100123", "From": "+15550109999", "Body": "x"}
    if "to" in change:
        del wanted["To"]
    if "messaging_service_sid" in change:
        wanted["MessagingServiceSid"] = "MG1"
    base = client().api.base_url
    answer = requests.post(
        f"{base}/2010-04-01/Accounts/{ACCOUNT}/Messages.json", data=wanted, auth=(ACCOUNT, TOKEN), timeout=20
    )
    assert answer.status_code == status
    with override_settings(TWILIO_ACCOUNT_SID="AC1"), pytest.raises(PortError):
        asked(SmsChannel(), MESSAGE)
