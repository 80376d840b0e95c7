"""The pages for what came in, for ways to people, and for letters that are sent again."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Contact, InboundAttachment, InboundMessage, Notice, Suppression, User
from accounts.outreach.addresses import checked_email, meant_domain
from billing_project.kernel.errors import Refused
from tests.backoffice import staff_client
from tests.factories import make_account, make_contact, make_staff

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n...."


def stranger(**fields: Any) -> InboundMessage:
    values: dict[str, Any] = {
        "provider": "postal", "provider_id": f"m{InboundMessage.objects.count()}", "channel": "email",
        "from_address": "bob@work.example", "from_name": "Bob", "text": "I paid Ann's bill.", "state": "unknown",
        "received_at": NOON,
    }  # fmt: skip
    return InboundMessage.objects.create(**(values | fields))


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:accounts_{name}", args=args)


def words_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


# --- Messages ---


def test_how_many_strangers_wait_stands_beside_the_filter() -> None:
    stranger()
    stranger(state="ignored")
    answer = words_of(staff_client().get(page("inboundmessage_changelist")))
    assert "unknown sender (1)" in answer
    only = words_of(staff_client_of("boss").get(page("inboundmessage_changelist") + "?waits=unknown"))
    assert only.count("I paid Ann") == 1


def staff_client_of(username: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=username))
    return client


@pytest.mark.parametrize("named", ["A-77", "Customer of ours", "ann@customer.example"])
def test_a_message_is_filed_with_the_account_that_a_clerk_names_in_any_way(named: str) -> None:
    account = make_account(number="A-77", name="Customer of ours")
    make_contact(account)
    message = stranger()
    answer = staff_client().post(
        page("inboundmessage_file_with", message.pk), {"account": named, "name": "Bob", "reason": ""}, follow=True
    )
    message.refresh_from_db()
    assert "Filed with account A-77" in words_of(answer)
    assert (message.state, message.account, message.why) == ("filed", account, "Filed by boss.")
    added = Contact.objects.get(email="bob@work.example")
    assert (added.account, added.is_billing_contact, added.sms_allowed) == (account, False, False)


def test_a_name_that_fits_several_accounts_is_asked_about() -> None:
    for number in ("A-1", "A-2"):
        make_account(number=number, name="Smith")
    answer = staff_client().post(page("inboundmessage_file_with", stranger().pk), {"account": "smith"})
    assert "Several accounts fit: A-1 (Smith), A-2 (Smith)" in words_of(answer)


def test_a_message_filed_meanwhile_is_not_filed_again() -> None:
    account = make_account(number="A-77")
    message = stranger(state="filed", account=account)
    answer = staff_client().post(page("inboundmessage_file_with", message.pk), {"account": "A-77"})
    assert "filed with its customer with account A-77 already" in words_of(answer)


def test_what_was_left_aside_can_be_put_back() -> None:
    message, client = stranger(), staff_client()
    client.post(page("inboundmessage_leave_aside", message.pk), {"reason": "advertising"})
    message.refresh_from_db()
    assert (message.state, message.why) == ("ignored", "advertising")
    client.post(page("inboundmessage_look_again", message.pk), {"reason": "it was a customer"})
    message.refresh_from_db()
    assert message.state == "unknown"


def test_many_are_left_aside_at_once_and_filed_ones_stay() -> None:
    account = make_account()
    rows = [stranger(), stranger(), stranger(state="filed", account=account)]
    staff_client().post(
        page("inboundmessage_changelist"),
        {"action": "leave_chosen_aside", "_selected_action": [row.pk for row in rows], "confirmed": "1", "reason": "x"},
    )
    states = InboundMessage.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["ignored", "ignored", "filed"]


def test_an_attachment_is_a_download_that_no_browser_opens_and_only_for_who_may_see_it() -> None:
    message = stranger()
    file = InboundAttachment.objects.create(
        message=message, name='a"b\u00e9.png', content_type="image/png", size=12, content=PNG
    )
    url = page("inboundmessage_file", message.pk, file.pk)
    answer = staff_client().get(url)
    assert answer.content == PNG
    assert answer["Content-Disposition"].startswith("attachment")
    assert (answer["X-Content-Type-Options"], "sandbox" in answer["Content-Security-Policy"]) == ("nosniff", True)
    make_staff("nobody")
    assert staff_client_of("nobody").get(url).status_code == 403
    assert Client().get(url).status_code == 302
    other = stranger()
    assert staff_client_of("boss").get(page("inboundmessage_file", other.pk, file.pk)).status_code == 404


def test_a_letter_of_a_customer_is_shown_as_text_and_never_as_markup() -> None:
    message = stranger(text="<script>alert(1)</script>", subject="<b>x</b>")
    answer = staff_client().get(page("inboundmessage_change", message.pk)).content.decode()
    assert "<script>alert(1)" not in answer
    assert "&lt;script&gt;alert(1)" in answer


# --- Ways to people ---


def test_stop_texting_is_two_clicks_from_the_account_and_leads_back_there() -> None:
    account = make_account()
    contact, client = make_contact(account), staff_client()
    home = page("account_change", account.pk)
    shown = client.get(home).content.decode()
    [url] = re.findall(rf'href="({page("contact_stop_texting", contact.pk)}[^"]*)"', shown)
    form = client.get(url)
    assert 'value="Asked for by phone."' in form.content.decode()
    done = client.post(url, {"reason": "Asked for by phone."})
    assert (done.status_code, done["Location"]) == (303, home)
    row = Suppression.objects.get()
    assert (row.channel, row.address, row.reason) == ("sms", contact.phone, "opted_out")
    shown = words_of(client.get(home))
    assert "left alone" in shown
    assert "asked to be left alone; Asked for by phone. (boss)" in shown


def test_an_address_closed_by_wish_opens_only_when_its_owner_agreed() -> None:
    contact, client = make_contact(make_account(), consented_at=None), staff_client()
    Suppression.objects.create(channel="sms", address=contact.phone, reason="opted_out", words="STOP by text")
    url = page("contact_text_again", contact.pk)
    assert "Ask them first" in words_of(client.post(url, {"reason": "Called"}))
    client.post(url, {"reason": "Called and agreed", "agreed": "on"})
    contact.refresh_from_db()
    assert contact.consented_at is not None
    assert Suppression.objects.get().lifted_why == "Called and agreed"


def test_support_may_close_a_way_but_not_open_it() -> None:
    contact = make_contact(make_account())
    make_staff("sandy", "view_contact", "stop_channel", "view_account")
    client = staff_client_of("sandy")
    client.post(page("contact_stop_calling", contact.pk), {"reason": "Asked"})
    assert Suppression.objects.filter(channel="voice").count() == 1
    assert client.post(page("contact_call_again", contact.pk), {"reason": "x", "agreed": "on"}).status_code == 403


def test_an_address_of_several_accounts_says_so() -> None:
    one, other = make_account(number="A-1"), make_account(number="A-2")
    contact = make_contact(one)
    make_contact(other, email="ANN@customer.example")
    shown = words_of(staff_client().get(page("contact_change", contact.pk)))
    assert "is also an address of account A-2" in shown


def test_staff_add_an_address_to_the_list_and_use_it_again() -> None:
    client = staff_client()
    client.post(page("suppression_add"), {"channel": "sms", "address": "(555) 010-0123", "words": "At the desk"})
    row = Suppression.objects.get()
    assert (row.address, row.reason, row.by and row.by.username) == ("+15550100123", "by_hand", "boss")
    again = client.post(page("suppression_add"), {"channel": "sms", "address": "+1 555 010 0123", "words": "x"})
    assert "is left alone already" in words_of(again)
    client.post(page("suppression_use_again", row.pk), {"reason": "Agreed", "agreed": "on"})
    row.refresh_from_db()
    assert row.lifted_why == "Agreed"
    client.post(page("suppression_leave_alone_again", row.pk), {"reason": "Wrong person"})
    assert Suppression.objects.filter(lifted_at=None).count() == 1


# --- Addresses as they are entered ---


def contact_form(contact: Contact, **changes: str) -> dict[str, str]:
    values = {"account": str(contact.account_id), "name": contact.name, "email": contact.email, "phone": contact.phone,
              "language": "en", "timezone": "", "email_allowed": "on"}  # fmt: skip
    return values | changes


@pytest.mark.parametrize(("written", "kept"), [
    ("(555) 010-9999", "+15550109999"), ("+44 20 7946 0958", "+442079460958"), ("555.010.9999", "+15550109999"),
])  # fmt: skip
def test_numbers_are_taken_as_people_write_them(written: str, kept: str) -> None:
    contact = make_contact(make_account())
    staff_client().post(page("contact_change", contact.pk), contact_form(contact, phone=written))
    contact.refresh_from_db()
    assert contact.phone == kept


@pytest.mark.parametrize(("changes", "said"), [
    ({"phone": "12"}, "too few digits"), ({"phone": "call me"}, "is no phone number"),
    ({"phone": "555 010 9999 ext 5"}, "has an extension"), ({"email": "ann@gmial.com"}, "Did you mean ann@gmail.com?"),
    ({"email": "ann at example.com"}, "is no e-mail address"),
])  # fmt: skip
def test_what_cannot_be_an_address_is_refused_with_what_to_write(changes: dict[str, str], said: str) -> None:
    contact = make_contact(make_account())
    answer = staff_client().post(page("contact_change", contact.pk), contact_form(contact, **changes))
    assert said in words_of(answer).replace("&#x27;", "'")
    before = contact.email, contact.phone
    contact.refresh_from_db()
    assert (contact.email, contact.phone) == before


def test_an_odd_domain_is_kept_once_somebody_is_sure() -> None:
    contact = make_contact(make_account())
    form = contact_form(contact, email="ann@gmial.com", address_is_right="on")
    staff_client().post(page("contact_change", contact.pk), form)
    contact.refresh_from_db()
    assert contact.email == "ann@gmial.com"


@pytest.mark.parametrize(("domain", "meant"), [
    ("gmial.com", "gmail.com"), ("gmai.com", "gmail.com"), ("gmaill.com", "gmail.com"), ("gmail.cm", "gmail.com"),
    ("hotnail.com", "hotmail.com"), ("gmail.com", ""), ("mail.com", ""), ("email.com", ""), ("valley.example", ""),
    ("yahoo.co.uk", ""),
])  # fmt: skip
def test_one_slip_in_a_large_providers_name_is_noticed(domain: str, meant: str) -> None:
    assert meant_domain(domain) == meant


@pytest.mark.parametrize("written", [
    "ann@x.example\nBcc: all@x.example", "ann@x.example\r\n", "a\x00@x.example", "ann@x.example\u2028", "",
    "a b@x.example", "<ann@x.example>", "ann@x.example,bob@x.example",
])  # fmt: skip
def test_no_address_carries_a_second_header_or_a_second_address(written: str) -> None:
    with pytest.raises(Refused):
        checked_email(written)


# --- Letters ---


def test_a_notice_shows_what_its_provider_and_its_reader_said_and_may_be_sent_again() -> None:
    account = make_account()
    notice = Notice.objects.create(
        account=account, contact=make_contact(account), anchor_key="case:1", step_key="n", channel="email",
        template="past_due", to_address="ann@customer.example", body="Hello", state="ambiguous",
        context={"amount_due": "40.00", "due_on": "2026-02-16", "pay_url": "https://x.example"},
    )  # fmt: skip
    stranger(state="filed", account=account, notice=notice, text="Thanks, I saw it.")
    notice.provider_events.create(provider="postal", event_key="e", kind="opened", happened_at=NOON, outcome="kept")
    client = staff_client()
    shown = words_of(client.get(page("notice_change", notice.pk)))
    assert "Thanks, I saw it." in shown
    assert "opened" in shown
    form = words_of(client.get(page("notice_send_again", notice.pk)))
    assert "the customer may get it twice" in form
    client.post(page("notice_it_arrived", notice.pk), {"reason": "They say so"})
    notice.refresh_from_db()
    assert notice.state == "delivered"


def test_letters_parked_in_an_outage_are_sent_again_together() -> None:
    rows = []
    for number in range(3):
        account = make_account()
        rows.append(Notice.objects.create(
            account=account, contact=make_contact(account), anchor_key="case:1", step_key="n", channel="email",
            template="past_due", to_address="ann@customer.example", body="Hello", state="parked",
            context={"amount_due": f"{number}.00", "due_on": "2026-02-16", "pay_url": "https://x.example"},
        ))  # fmt: skip
    chosen = [row.pk for row in rows]
    sent = {"action": "mass_resend", "_selected_action": chosen, "confirmed": "1"}
    client = staff_client()
    for _twice in range(2):
        answer = client.post(page("notice_changelist"), sent)
        client.post(answer.headers["Location"], {"do": "confirm", "reason": "up"})
        assert Notice.objects.filter(resent_by__isnull=False, state="queued").count() == 3
    assert Notice.objects.count() == 6
