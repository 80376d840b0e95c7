"""The back office's screens of the delinquency room, the account page and the home page."""

import json
import re
from decimal import Decimal
from unittest.mock import patch

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from billing_project.kernel import clock
from delinquency.glance import glance
from delinquency.models import PolicyVersion, Ticket
from invoicing.models import Invoice, Payment
from netenforce.models import Device, LineState
from tests.backoffice import (
    NOON,
    broken_pages,
    make_customer,
    make_everything,
    make_version,
    queries_for,
    screens_of,
    staff_client,
)
from tests.factories import make_status

pytestmark = pytest.mark.django_db


def test_every_page_of_every_model_opens() -> None:
    make_everything()
    assert broken_pages(staff_client(), screens_of("delinquency")) == []


@pytest.mark.parametrize(
    "name",
    ["accounts_account", "invoicing_invoice", "delinquency_ticket", "accounts_notice", "delinquency_event"],
)
def test_a_list_needs_as_many_queries_for_twenty_accounts_as_for_one(name: str) -> None:
    client, account = staff_client(), make_everything()
    version = PolicyVersion.objects.get(policy__name="House rules")
    url = reverse(f"admin:{name}_changelist")
    few = queries_for(client, url)
    for number in range(20):
        other = make_customer(str(11000 + number), version)
        _copy_rows(account, other)
    assert queries_for(client, url) == few


def test_the_home_page_needs_as_many_queries_for_twenty_accounts_as_for_one() -> None:
    client = staff_client()
    make_everything()
    few = queries_for(client, reverse("admin:index"))
    version = PolicyVersion.objects.get(policy__name="House rules")
    for number in range(20):
        make_customer(str(11000 + number), version, delinquent=True)
    assert queries_for(client, reverse("admin:index")) == few


def make_everything_else(version: PolicyVersion) -> None:
    """Make the one account with everything, and three that are only past due."""
    make_everything()
    for number in ("12001", "12002", "12003"):
        make_customer(number, version)


def test_the_ageing_table_adds_up_to_what_is_unpaid() -> None:
    from delinquency.reports.unpaid import ageing

    version = make_version()
    make_everything_else(version)
    (chart,) = ageing("/list/")
    unpaid = sum(Invoice.objects.filter(state="open").values_list("remaining", flat=True), Decimal(0))
    assert chart.total == unpaid == sum(bar.amount for bar in chart.bars)
    assert chart.count == 4


def test_the_account_page_answers_at_a_glance_in_few_queries() -> None:
    client, account = staff_client(), make_everything()
    url = reverse("admin:accounts_account_change", args=[account.pk])
    with clock.at(NOON):
        page = client.get(url).content.decode()
    for words in (
        "delinquent since 2026-01-21",
        "70.00 USD",
        "60.00 USD",
        "A-10001",
        "not confirmed yet",
        "60.00 is unpaid.",
    ):
        assert words in page, words
    assert queries_for(client, url) <= 15


def test_a_line_on_two_devices_is_shown_once_for_each_as_each_says_itself() -> None:
    account = make_customer("10001", make_version())
    line = account.service_lines.get()
    LineState.objects.filter(line=line).delete()
    for name, wanted, seen, seen_list in (
        ("core", "throttle", "throttle", "slow"), ("edge", "throttle", "throttle", "other"),
        ("old", "open", "open", ""),
    ):  # fmt: skip
        LineState.objects.create(
            line=line, device=Device.objects.create(name=name), desired_level=wanted, observed_level=seen,
            desired_list="slow" if wanted != "open" else "", observed_list=seen_list,
        )  # fmt: skip
    rows = [(row.name.partition(" on ")[2], row.desired, row.agrees) for row in glance(account).lines]
    assert rows == [("core", "throttle", True), ("edge", "throttle", False), ("old", "open", True)]
    assert glance(account).worst == "throttle"


def test_what_the_form_refused_is_not_told_of_the_account_above_it() -> None:
    client, account = staff_client(), make_customer("10001", make_version())
    account.name = "Ada Byron"
    account.save()
    url = reverse("admin:accounts_account_change", args=[account.pk])
    page = client.post(url, {"number": "10001", "name": "", "timezone": "Nowhere"})
    assert page.status_code == 200
    assert page.context_data["account"].name == "Ada Byron"


def test_a_payment_taken_at_the_desk_pays_the_oldest_invoice() -> None:
    client, account = staff_client(), make_everything()
    address = reverse("admin:accounts_account_record_payment", args=[account.pk])
    assert 'value="60.00"' in client.get(address).content.decode()
    response = client.post(address, {"amount": "60.00", "method": "cash", "reference": "R-118", "invoice": ""})
    assert response.status_code == 303, response.content.decode()[-2000:]
    payment = Payment.objects.get(reference="R-118")
    assert payment.recorded_by.username == "boss"
    assert Invoice.objects.get(account=account).state == "paid"
    again = client.post(address, {"amount": "1.00", "method": "cash", "reference": "R-118", "invoice": ""})
    assert "R-118" in again.content.decode()
    assert Payment.objects.filter(reference="R-118").count() == 1


def test_support_may_give_a_caller_more_time_but_not_record_money() -> None:
    account = make_customer("10001", make_version())
    support = User.objects.create(username="sandy", is_staff=True)
    names = ("view_account", "grant_grace")
    support.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(support)
    assert client.get(reverse("admin:accounts_account_grace", args=[account.pk])).status_code == 200
    assert client.get(reverse("admin:accounts_account_record_payment", args=[account.pk])).status_code == 403


def test_a_ticket_is_taken_noted_and_closed() -> None:
    client, account = staff_client(), make_everything()
    ticket = Ticket.objects.get(account=account)
    page = client.get(reverse("admin:delinquency_ticket_change", args=[ticket.pk])).content.decode()
    assert "70.00 USD" in page, "the account stands beside its ticket"
    for name, sent in (
        ("take", {}),
        ("note", {"text": "Called."}),
        ("close", {"reason": "paid at the desk"}),
    ):
        response = client.post(reverse(f"admin:delinquency_ticket_{name}", args=[ticket.pk]), sent)
        assert response.status_code == 303, name
    ticket.refresh_from_db()
    assert (ticket.state, ticket.owner.username, ticket.closed_why) == ("closed", "boss", "paid at the desk")
    assert list(ticket.comments.values_list("text", flat=True)) == [
        "Opened.", "boss took it.", "Called.", "boss closed it: paid at the desk",
    ]  # fmt: skip


def test_a_draft_is_published_and_then_only_read() -> None:
    client = staff_client()
    make_everything()  # a status named Active is there
    draft = make_version("Second policy", published=False)
    change = reverse("admin:delinquency_policyversion_change", args=[draft.pk])
    assert "open a ticket" in client.get(change).content.decode()
    publish = reverse("admin:delinquency_policyversion_publish", args=[draft.pk])
    tick = re.search(r'name="(read-[0-9a-f]+)"', client.get(publish).content.decode())
    assert tick  # its late fee comes before its grace ends, which is to be read before
    response = client.post(publish, {tick[1]: "on"})
    assert response.status_code == 303, response.content.decode()[-2000:]
    draft.refresh_from_db()
    assert draft.state == "published"
    assert client.post(change, {}).status_code == 403


def test_an_exported_policy_imports_as_a_draft_with_the_same_content() -> None:
    client, version = staff_client(), make_version()
    make_status("Active")
    make_status("Delinquent", activates=False)
    exported = client.get(reverse("admin:delinquency_policyversion_export_json", args=[version.pk])).content
    response = client.post(
        reverse("admin:delinquency_policy_import_json", args=[version.policy_id]),
        {"document": exported.decode()},
    )
    assert response.status_code == 303, response.content.decode()[-2000:]
    draft = version.policy.versions.get(state="draft")
    assert json.loads(exported) == json.loads(
        client.get(reverse("admin:delinquency_policyversion_export_json", args=[draft.pk])).content
    )


def test_a_policy_file_that_is_no_json_is_refused_in_words() -> None:
    client, version = staff_client(), make_version()
    response = client.post(
        reverse("admin:delinquency_policy_import_json", args=[version.policy_id]), {"document": "{nonsense"}
    )
    assert "This is not JSON" in response.content.decode()


def test_an_account_whose_next_steps_cannot_be_told_still_opens() -> None:
    from billing_project.kernel.errors import Refused

    client, account = staff_client(), make_everything()
    with patch("delinquency.reading.policies_reading", side_effect=Refused("bad_policy", "The policy cannot be read.")):
        page = client.get(reverse("admin:accounts_account_change", args=[account.pk]))
    assert page.status_code == 200
    assert "The policy cannot be read." in page.content.decode()


def _copy_rows(account: Account, other: Account) -> None:
    for rows, fresh in (
        (account.tickets, {"number": f"T-{other.number}", "case": None, "customer_contact": None}),
        (account.notices, {"contact": None}),
        (account.events, {"case": None, "invoice": None}),
    ):
        row = rows.first()
        row.pk, row.account = None, other
        for name, value in fresh.items():
            setattr(row, name, value)
        row._state.adding = True
        row.save(force_insert=True)


@pytest.mark.parametrize(
    "name", ["accounts_notice_send_now", "invoicing_paymentattempt_charge_now", "netenforce_enforcementtask_apply_now"]
)
def test_a_queue_is_worked_off_by_hand_only_after_a_press_of_the_button(name: str) -> None:
    client = staff_client()
    make_everything()
    assert client.get(reverse(f"admin:{name}")).status_code == 200
    done = client.post(reverse(f"admin:{name}"), follow=True)
    assert re.search("Done: |Nothing was due", done.content.decode())
