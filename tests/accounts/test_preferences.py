"""The customer's preferences: ways on and off, the last way, language and zone, two tabs (P13, A30)."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts import preferences
from accounts.models import Account, Contact, Suppression
from accounts.outreach.suppressions import suppress
from billing_project.kernel import clock
from tests.factories import instant, make_account, make_contact
from tests.portal import come_in

pytestmark = pytest.mark.django_db

PAGE = "/portal/preferences/"
NOW = instant("2026-01-21 09:00")


@pytest.fixture
def account() -> Account:
    account = make_account(number="7001")
    make_contact(account)
    return account


@pytest.fixture
def client(account: Account) -> Client:
    client = Client()
    come_in(client, account)
    return client


def shown(client: Client) -> str:
    answer = client.get(PAGE)
    assert answer.status_code == 200
    return answer.content.decode()


def seen(client: Client) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', shown(client))
    assert found is not None
    return found[1]


def switch(client: Client, channel: str, do: str, mark: str = "") -> Any:
    return client.post(PAGE, {"channel": channel, "do": do, "seen": mark or seen(client)})


def states() -> dict[str, str]:
    contact = Contact.objects.select_related("account__company__outreach_rules").get(account__number="7001")
    return {way.channel: way.state for way in preferences.ways_of(contact)}


def test_texts_are_stopped_as_by_stop_and_switched_on_again_as_a_new_consent(client: Client) -> None:
    done = switch(client, "sms", "off")
    assert (done.status_code, done["Location"]) == (303, f"{PAGE}?done=sms-off")
    assert "Text messages: switched off" in client.get(done["Location"]).content.decode()
    row = Suppression.objects.get()
    assert (row.channel, row.address, row.reason, row.words) == (
        "sms", "+15550100123", "opted_out", "switched off in the portal",
    )  # fmt: skip
    assert states() == {"email": "on", "sms": "off", "voice": "on"}
    contact = Contact.objects.get()
    assert contact.history.latest().history_change_reason == "in the portal: sms off"
    with clock.at(clock.now()) as moment:
        assert switch(client, "sms", "on").status_code == 303
    assert states()["sms"] == "on"
    contact.refresh_from_db()
    assert contact.consented_at == moment
    assert contact.history.latest().history_change_reason == "in the portal: sms on"
    row.refresh_from_db()
    assert row.lifted_why == "switched on in the portal"


def test_a_way_that_the_contact_did_not_allow_is_switched_on_with_its_time(account: Account, client: Client) -> None:
    Contact.objects.update(sms_allowed=False, voice_allowed=False, consented_at=None)
    assert states() == {"email": "on", "sms": "off", "voice": "off"}
    switch(client, "voice", "on")
    contact = Contact.objects.get()
    assert (contact.voice_allowed, contact.sms_allowed, contact.consented_at is not None) == (True, False, True)


def test_the_last_way_to_be_written_to_stays_on_and_says_why(client: Client) -> None:
    switch(client, "sms", "off")
    words = shown(client)
    assert "This is the only way we can write to you." in words
    assert "Stop e-mail" not in words
    answer = switch(client, "email", "off")
    assert (answer.status_code, states()["email"]) == (400, "on"), "recorded calls are no writing"
    assert 'role="alert"' in answer.content.decode()
    assert switch(client, "voice", "off").status_code == 303
    assert Suppression.objects.filter(channel="email").count() == 0


def test_an_address_that_bounces_is_no_other_way_and_cannot_be_switched_on(client: Client) -> None:
    suppress("email", "ann@customer.example", Suppression.Reason.HARD_BOUNCE, "550")
    assert states()["email"] == "broken"
    assert "does not arrive" in shown(client)
    assert switch(client, "email", "on").status_code == 400
    assert switch(client, "sms", "off").status_code == 400, "nothing else is left"
    assert states()["sms"] == "on"


def test_a_stale_page_undoes_nothing_and_shows_how_it_stands(account: Account, client: Client) -> None:
    old = seen(client)
    Contact.objects.filter(account=account).update(language="es")
    client.post(reverse("portal-language"), {"language": "en"})
    answer = switch(client, "sms", "off", old)
    assert (answer.status_code, states()["sms"]) == (409, "on")
    assert "changed elsewhere meanwhile" in answer.content.decode()
    form = {"language": "en", "timezone": "", "seen": old}
    assert client.post(PAGE, form).status_code == 409
    assert Contact.objects.get().language == "es"


def test_pressing_twice_is_pressing_once(client: Client) -> None:
    mark = seen(client)
    assert [switch(client, "sms", "off", mark).status_code for _ in range(2)] == [303, 303]
    assert Suppression.objects.count() == 1
    assert Contact.objects.get().history.filter(history_change_reason="in the portal: sms off").count() == 1


def test_language_and_zone_are_saved_at_once_and_the_page_speaks_the_language(client: Client) -> None:
    form = {"language": "es", "timezone": "America/Los_Angeles", "seen": seen(client)}
    done = client.post(PAGE, form)
    assert done.status_code == 303
    contact = Contact.objects.get()
    assert (contact.language, contact.timezone) == ("es", "America/Los_Angeles")
    assert "Guardado." in client.get(done["Location"]).content.decode()
    assert contact.history.latest().history_change_reason == "in the portal: language or time zone"


@pytest.mark.parametrize(
    "form",
    [
        {}, {"channel": "sms"}, {"channel": "fax", "do": "off"}, {"channel": "sms", "do": "maybe"},
        {"language": "fr", "timezone": ""}, {"language": "en", "timezone": "Mars/Base"},
        {"language": "en", "timezone": "x" * 5000},
    ],
)  # fmt: skip
def test_an_impossible_form_is_told_kindly_and_changes_nothing(client: Client, form: dict[str, str]) -> None:
    before = Contact.objects.values().get()
    answer = client.post(PAGE, form | {"seen": seen(client)})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()
    assert Contact.objects.values().get() == before


def test_addresses_are_shown_in_part_only_with_the_way_to_change_them(client: Client) -> None:
    words = shown(client)
    assert "an•••@c•••.example" in words
    assert "••• 0123" in words
    assert "ann@customer" not in words
    assert "+15550100123" not in words
    assert f'href="{reverse("portal-ask")}"' in words


@pytest.mark.parametrize(
    ("channel", "address", "expected"),
    [
        ("email", "a@b.co", "a•••@b•••.co"), ("email", "", ""),
        ("email", "ab@mail.example.com", "a•••@m•••.example.com"),
        ("sms", "+15550100123", "••• 0123"), ("sms", "", ""),
    ],
)  # fmt: skip
def test_an_address_is_masked(channel: str, address: str, expected: str) -> None:
    assert preferences.masked(channel, address) == expected


def test_a_customer_without_a_contact_is_told_what_to_do() -> None:
    client = Client()
    come_in(client, make_account(number="7009"))
    assert "We have no contact on file" in shown(client)
    assert client.post(PAGE, {"channel": "sms", "do": "off"}).status_code == 400


def test_only_the_accounts_own_billing_contact_is_shown_and_changed(account: Account, client: Client) -> None:
    other = make_contact(make_account(number="7002"), email="zoe@other.example", phone="+15550100777")
    mate = make_contact(account, name="Mate", is_billing_contact=False, phone="+15550100888", email="mate@x.example")
    words = shown(client)
    assert "0777" not in words
    assert "0888" not in words
    switch(client, "sms", "off")
    for row in (other, mate):
        assert not Suppression.objects.filter(address=row.phone).exists()
    assert Client().get(PAGE)["Location"] == reverse("portal-link")


def test_every_text_that_the_portals_code_says_has_a_spanish_one() -> None:
    from pathlib import Path

    missing = []
    for file in ("accounts/preferences.py", "accounts/portal/preferences.py", "accounts/portal/views.py"):
        source = Path(file).read_text(encoding="utf-8")
        for found in re.finditer(r'\b(?:_|gettext_lazy)\(\s*((?:"[^"]*"\s*)+)\)', source):
            text = "".join(re.findall(r'"([^"]*)"', found[1]))
            with translation.override("es"):
                same = translation.gettext(text) == text
            if same and not any(name in text for name in ("Phoenix", "Anchorage", "San Juan", "Bogot", "Buenos")):
                missing.append(text)
    assert missing == []
