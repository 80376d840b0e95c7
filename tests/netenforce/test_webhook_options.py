"""The options of a program of the operator's own are checked when they are entered."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from billing_project.kernel.calls import Target
from billing_project.kernel.errors import Refused, Rejected, Unavailable
from netenforce.drivers.webhook import WebhookDriver
from netenforce.models import Device
from netenforce.rules.options import check_options
from netenforce.rules.webhook_options import Options, parse_options
from tests.peers.routeros_fake_tls import make_certificate
from tests.peers.webhook_fake import SECRET, WebhookFake, running

URL = "https://net.example.com/billing"


def test_only_the_address_must_be_there() -> None:
    options = parse_options({"url": URL})
    assert options == Options(url=URL, ca_pem="", identifier="ip", batch=100, timeout_seconds=15)
    target = Target(name="x", url=options.url, timeout_seconds=1)
    assert (target.tls, target.port) == (True, 443)
    plain = parse_options({"url": "http://127.0.0.1:8090/x"})
    assert Target(name="x", url=plain.url, timeout_seconds=1).port == 8090


@pytest.mark.parametrize(
    "url", ["http://localhost:8090/", "http://127.3.2.1/", "http://[::1]:80/", "https://192.0.2.1:8443/a?b=c"]
)
def test_plain_http_is_for_this_machine(url: str) -> None:
    check_options("webhook", {"url": url})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "no JSON object"),
        ({}, "'url' is no address"),
        ({"url": 7}, "'url' is no address"),
        ({"url": "ftp://x/"}, "'url' is no address"),
        ({"url": "file:///etc/passwd"}, "'url' is no address"),
        ({"url": "https://x/\r\nHost: y"}, "'url' is no address"),
        ({"url": "https://x y/"}, "'url' is no address"),
        ({"url": "https:///billing"}, "'url' names no host"),
        ({"url": "https://x:99999/"}, "'url' names no host, or a port that cannot be"),
        ({"url": "https://[::1/"}, "'url' names no host"),
        ({"url": "https://me:pass@x/"}, "'url' holds a user, a password"),
        ({"url": "https://x/#part"}, "'url' holds a user, a password or a #"),
        ({"url": "http://net.example.com/"}, "'url' goes to another machine without TLS.*\"insecure\": true"),
        ({"url": "http://127.0.0.1.example.com/"}, "'url' goes to another machine without TLS"),
        ({"url": "http://net.example.com/", "insecure": "yes"}, "'insecure' is 'yes'"),
        ({"url": URL, "insecure": True}, "'insecure' is true, but the address is https"),
        ({"url": URL, "batch": 501}, "'batch' is 501; write a whole number of lines from 1 to 500"),
        ({"url": URL, "batch": True}, "'batch' is True"),
        ({"url": URL, "timeout_seconds": 0}, "'timeout_seconds' is 0; write a whole number of seconds from 1 to 40"),
        ({"url": URL, "identifier": "mac"}, "'identifier' is 'mac'; write one of ip, radius_username"),
        ({"url": URL, "identifier": ["ip"]}, "'identifier' is"),
        ({"url": URL, "ca_pem": "none"}, "'ca_pem' holds no certificate"),
        ({"url": "http://localhost/", "ca_pem": "x"}, "'ca_pem' says how the certificate is checked"),
        ({"url": URL, "colour": 1}, "'colour' is no option of a program of your own; it knows url, insecure"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_to_mend_it(given: Any, words: str) -> None:
    with pytest.raises(Refused, match=words) as refusal:
        check_options("webhook", given)
    assert refusal.value.code == "bad_options"


def test_over_tls_nothing_is_said_to_a_program_that_is_not_known_by_its_certificate(tmp_path: Path) -> None:
    own, driver = make_certificate(tmp_path), WebhookDriver()
    with running(tls=own.context) as fake:
        edge = device_of(fake, ca_pem=own.pem)
        assert driver.probe(edge).model == "fake"
        for options in ({}, {"ca_pem": make_certificate(tmp_path).pem}):
            fake.heard.clear()
            with pytest.raises(Unavailable, match=r"certificate is not accepted.*nothing was sent"):
                driver.probe(device_of(fake, **options))
            assert fake.heard == []
    with running() as plain, pytest.raises(Unavailable, match="no secure connection"):
        driver.probe(device_of(plain, ca_pem=own.pem))
    with pytest.raises(Rejected, match="olt: options: 'url'"):
        driver.probe(Device(name="olt", driver="webhook", secret=SECRET, options={}))
    assert isinstance(own.context, ssl.SSLContext)


def device_of(fake: WebhookFake, **options: Any) -> Device:
    url = fake.url.replace("http://", "https://")
    return Device(name="olt", driver="webhook", secret=SECRET, options={"url": url, **options})
