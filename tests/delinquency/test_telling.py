"""Other programs are told what happened: signed, once each in the book, never elsewhere than they may be."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse

from accounts.operations import pause_everything, resume_everything
from accounts.shadowing import begin_shadow
from billing_project.kernel import clock
from billing_project.kernel.destinations import address_for, checked_url
from billing_project.kernel.errors import Refused
from delinquency.models import Event, WebhookDelivery, WebhookEndpoint
from delinquency.operations.shadow import go_live
from delinquency.operations.webhooks import rotate_secret, save_endpoint, tell_again
from delinquency.rules.telling import WAITS
from delinquency.telling import tell, try_endpoint
from tests.backoffice import staff_client
from tests.factories import make_account
from tests.peers.listener import Listener, listening

pytestmark = pytest.mark.django_db
HERE = (ip_network("127.0.0.0/8"),)


@pytest.fixture(autouse=True)
def listed(settings: Any) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = HERE


@pytest.fixture
def crm() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


def hear(listener: Listener, name: str = "CRM", **more: Any) -> WebhookEndpoint:
    fields = {"kinds": ["payment", "account_delinquent"], "url": listener.url} | more
    return save_endpoint(WebhookEndpoint(name=name, **fields))


def happen(*kinds: str, days_ago: int = 0) -> list[Event]:
    account = make_account()
    on = clock.today() - timedelta(days=days_ago)
    return Event.objects.bulk_create(
        Event(account=account, sequence=place, on=on, local_at="2026-01-20T09:00", kind=kind, why="x")
        for place, kind in enumerate(kinds, 1)
    )


def codes(listener: Listener, place: int = 0) -> tuple[str, list[str]]:
    headers, _ = listener.heard[place]
    stamp, *signed = headers["Billing-Signature"].split(",")
    return stamp.removeprefix("t="), [code.removeprefix("v1=") for code in signed]


def test_each_event_is_told_once_with_a_signature_that_can_be_checked(crm: Listener) -> None:
    endpoint = hear(crm)
    events = happen("payment", "issued", "account_delinquent")
    assert tell() == 2
    assert tell() == 0
    told = [json.loads(body) for _, body in crm.heard]
    assert [(one["id"], one["type"]) for one in told] == [
        (f"evt_{events[0].pk}", "payment.recorded"), (f"evt_{events[2].pk}", "account.delinquent"),
    ]  # fmt: skip
    assert told[0]["account"] == events[0].account.number
    assert events[0].account.name not in crm.heard[0][1].decode()
    stamp, (code,) = codes(crm)
    body = crm.heard[0][1]
    assert code == hmac.new(endpoint.secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def test_what_was_rolled_back_is_told_to_nobody(crm: Listener) -> None:
    hear(crm)
    with transaction.atomic():
        happen("payment")
        transaction.set_rollback(True)
    assert not WebhookDelivery.objects.exists()


def test_only_what_happens_from_its_first_day_on_is_told_and_nothing_while_it_is_off(crm: Listener) -> None:
    endpoint = hear(crm)
    happen("payment", days_ago=3)
    assert not WebhookDelivery.objects.exists()
    endpoint.is_active = False
    endpoint.save()
    happen("payment")
    assert not WebhookDelivery.objects.exists()


def test_a_new_secret_signs_beside_the_old_one_for_a_day(crm: Listener) -> None:
    endpoint = hear(crm)
    old = endpoint.secret
    new = rotate_secret(endpoint, reason="somebody left")
    happen("payment")
    tell()
    stamp, signed = codes(crm)
    body = f"{stamp}.".encode() + crm.heard[0][1]
    assert signed == [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in (new, old)]
    with clock.at(clock.now() + timedelta(hours=25)):
        happen("payment")
        WebhookDelivery.objects.filter(state="queued").update(due_at=clock.now())
        assert tell() == 1
    assert len(codes(crm, 1)[1]) == 1


@pytest.mark.parametrize("status", [0, 302, 404, 500])
def test_what_is_not_answered_well_is_tried_again_for_a_day_and_then_given_up(crm: Listener, status: int) -> None:
    crm.status, crm.headers = status, {"Location": crm.url}
    endpoint = hear(crm)
    happen("payment")
    now = clock.now()
    for _ in range(len(WAITS) + 1):
        with clock.at(now):
            tell()
        row = WebhookDelivery.objects.get()
        endpoint.refresh_from_db()
        now = max(row.due_at, endpoint.retry_at or now)
    assert (row.state, row.attempts, len(crm.heard)) == ("parked", len(WAITS) + 1, len(WAITS) + 1)
    assert endpoint.failure
    assert sum(WAITS, timedelta()) >= timedelta(hours=23)
    crm.status = 200
    tell_again(row)
    with clock.at(now + timedelta(hours=1)):
        assert tell() == 1
    endpoint.refresh_from_db()
    assert (endpoint.failing_since_at, endpoint.failures_in_row, endpoint.retry_at) == (None, 0, None)


def test_an_endpoint_that_is_dead_costs_one_call_and_the_others_nothing(crm: Listener) -> None:
    with listening() as dead:
        dead.status = 500
        hear(dead, "dead")
        hear(crm, "alive")
        happen(*["payment"] * 5)
        assert tell() == 5
        assert tell() == 0
        assert (len(dead.heard), len(crm.heard)) == (1, 5)
    assert WebhookDelivery.objects.filter(state="queued").count() == 5


def test_nothing_is_told_while_everything_is_paused_and_all_of_it_afterwards(crm: Listener) -> None:
    hear(crm)
    happen("payment")
    pause_everything(reason="wrong amounts")
    assert tell() == 0
    assert crm.heard == []
    resume_everything(reason="mended")
    assert tell() == 1


def test_what_was_decided_in_shadow_is_told_to_nobody_after_going_live(crm: Listener) -> None:
    hear(crm)
    begin_shadow(reason="the old system tells them")
    happen("payment")
    assert tell() == 0
    assert go_live(typed="GO LIVE", reason="compared").cancelled["webhooks"] == 1
    assert tell() == 0
    happen("payment")
    assert tell() == 1


def test_a_worker_that_was_killed_leaves_a_call_that_is_made_again(crm: Listener) -> None:
    hear(crm)
    happen("payment")
    now = clock.now()
    WebhookDelivery.objects.update(state="claimed", lease_until_at=now + timedelta(minutes=2))
    assert tell() == 0
    with clock.at(now + timedelta(minutes=3)):
        assert tell() == 1


def test_a_chunk_of_events_costs_one_statement_however_many_listen(
    crm: Listener, django_assert_num_queries: Any
) -> None:
    for number in range(3):
        hear(crm, f"CRM {number}")
    account = make_account()
    rows = [
        Event(account=account, sequence=place, on=clock.today(), local_at="x", kind="payment", why="x")
        for place in range(200)
    ]
    with django_assert_num_queries(1):
        Event.objects.bulk_create(rows)
    assert WebhookDelivery.objects.count() == 600


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.216.34/x", "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data/", "https://[::1]/",
        "https://[::ffff:10.0.0.1]/", "https://[fe80::1]/", "https://0.0.0.0/", "https://192.168.1.1:8443/",
        "https://user:pw@example.com/", "https://example.com/#x", "ftp://example.com/", "//example.com/", "https://",
        "https://exa mple.com/", "https://example.com\\@10.0.0.1/", "https://example.com:99999/", "javascript:alert(1)",
        "https://[2002:0a00:0001::]/", "https://224.0.0.1/", "file:///etc/passwd", "https://exämple.com/",
    ],
)  # fmt: skip
def test_an_address_out_of_bounds_is_refused_with_how_to_mend_it(url: str) -> None:
    with pytest.raises(Refused) as refusal:
        checked_url(url, HERE)
    assert refusal.value.words.endswith((".", "it."))


@pytest.mark.parametrize("answers", [["10.0.0.1"], ["93.184.216.34", "10.0.0.1"], [], ["::1"], ["2130706433"]])
def test_a_name_that_leads_inside_is_not_called(answers: list[str]) -> None:
    with pytest.raises(Refused):
        address_for("rebinding.example.com", (), resolve=lambda _host: answers)


def test_a_name_outside_is_called_at_the_address_that_was_judged() -> None:
    assert address_for("crm.example.com", (), resolve=lambda _host: ["93.184.216.34"]) == "93.184.216.34"


def test_an_address_that_went_out_of_bounds_later_is_not_called(crm: Listener, settings: Any) -> None:
    endpoint = hear(crm)
    happen("payment")
    settings.WEBHOOK_PRIVATE_NETWORKS = ()
    assert tell() == 0
    assert crm.heard == []
    endpoint.refresh_from_db()
    assert "WEBHOOK_PRIVATE_NETWORKS" in endpoint.failure


def test_the_admin_adds_tests_and_changes_a_webhook_and_shows_its_secret_once(crm: Listener) -> None:
    client = staff_client()
    address = reverse("admin:delinquency_webhookendpoint_add")
    refused = client.post(address, {"name": "CRM", "url": "https://10.1.1.1/", "kinds": ["payment"], "is_active": "on"})
    assert "not on the public internet" in refused.content.decode()
    sent = {"name": "CRM", "url": crm.url, "kinds": ["payment", "released"], "is_active": "on"}
    assert client.post(address, sent).status_code == 302
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.secret.startswith("whsec_")
    page = client.get(reverse("admin:delinquency_webhookendpoint_change", args=[endpoint.pk])).content.decode()
    assert endpoint.secret not in page
    shown = client.post(reverse("admin:delinquency_webhookendpoint_show_secret", args=[endpoint.pk]))
    assert endpoint.secret in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    tried = client.post(reverse("admin:delinquency_webhookendpoint_try_it", args=[endpoint.pk]), follow=True)
    assert "It answered well: 200" in tried.content.decode()
    crm.status = 503
    with pytest.raises(Refused, match="503"):
        try_endpoint(endpoint)
    client.post(reverse("admin:delinquency_webhookendpoint_rotate", args=[endpoint.pk]), {"reason": "left"})
    assert WebhookEndpoint.objects.get().old_secret == endpoint.secret
    assert "secret" not in str(endpoint.history.values()[0])


def test_the_admin_makes_a_token_shows_it_once_and_revokes_it() -> None:
    from django.contrib.auth.models import Group

    from delinquency.models import ApiToken

    client = staff_client()
    sent = {"name": "Website", "role": Group.objects.get(name="Auditors").pk, "per_minute_max": 100}
    made = client.post(reverse("admin:delinquency_apitoken_add"), sent)
    token = ApiToken.objects.get()
    text = made.content.decode().partition(f'value="{token.prefix}.')[2].partition('"')[0]
    assert len(text) > 30
    assert "no-store" in made["Cache-Control"]
    again = client.post(reverse("admin:delinquency_apitoken_add"), sent)
    assert "There is a token named Website already" in again.content.decode()
    address = reverse("admin:delinquency_apitoken_revoke", args=[token.pk])
    assert client.post(address, {"reason": "lost"}).status_code == 303
    token.refresh_from_db()
    assert (token.revoked_why, token.user.is_active) == ("lost", False)
