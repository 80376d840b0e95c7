"""The back office's screens of the network room."""

import pytest
from django.urls import reverse

from netenforce.models import Device
from tests.backoffice import broken_pages, make_everything, screens_of, staff_client

pytestmark = pytest.mark.django_db


def test_every_page_of_every_model_opens() -> None:
    make_everything()
    assert broken_pages(staff_client(), screens_of("netenforce")) == []


def test_a_device_shows_what_its_lines_should_be_beside_what_it_holds() -> None:
    client = staff_client()
    make_everything()
    device = Device.objects.get()
    text = client.get(reverse("admin:netenforce_device_change", args=[device.pk])).content.decode()
    assert "not confirmed yet" in text
    assert "100.64.40.1: throttle (Delinquent)" in text


def test_a_devices_secret_goes_in_and_never_comes_out() -> None:
    client = staff_client()
    device = Device.objects.create(name="Edge 2", secret="first-secret")
    address = reverse("admin:netenforce_device_change", args=[device.pk])
    assert "first-secret" not in client.get(address).content.decode()
    sent = {"name": "Edge 2", "driver": "simulated", "options": "{}", "enabled": "on", "new_secret": ""}
    assert client.post(address, sent).status_code == 302
    device.refresh_from_db()
    assert device.secret == "first-secret"
    client.post(address, {**sent, "new_secret": "second-secret"})
    device.refresh_from_db()
    assert device.secret == "second-secret"


def test_a_secret_that_a_device_cannot_use_is_refused_where_it_is_entered() -> None:
    client = staff_client()
    device = Device.objects.create(name="Edge 4", driver="radius", host="192.0.2.1", username="billing")
    address = reverse("admin:netenforce_device_change", args=[device.pk])
    sent = {
        "name": "Edge 4", "driver": "radius", "host": "192.0.2.1", "username": "billing", "enabled": "on",
        "options": "{}", "repairs_max": "200",
    }  # fmt: skip
    page = client.post(address, {**sent, "new_secret": "hush-hush"}).content.decode()
    assert "write one line of JSON" in page
    assert "hush-hush" not in page
    assert client.post(address, {**sent, "new_secret": '{"coa": "hush-hush"}'}).status_code == 302


def test_options_that_a_mikrotik_device_does_not_have_are_refused_where_they_are_entered() -> None:
    client = staff_client()
    device = Device.objects.create(name="Edge 3", driver="routeros", host="192.0.2.1", username="billing")
    address = reverse("admin:netenforce_device_change", args=[device.pk])
    sent = {"name": "Edge 3", "driver": "routeros", "host": "192.0.2.1", "username": "billing", "enabled": "on"}
    for options, words in (
        ('{"tsl": true}', "is no option of a MikroTik device"),
        ('{"tls": "no"}', "write true or false, without quotes"),
        ("[1]", "this is no JSON object"),
    ):
        answer = client.post(address, {**sent, "options": options})
        assert answer.status_code == 200
        assert words in answer.content.decode()
    assert client.post(address, {**sent, "options": '{"verify": false}'}).status_code == 302
    device.refresh_from_db()
    assert device.options == {"verify": False}
