"""The editor of letters in the back office: list, text, preview, publish, versions, test."""

from html import unescape
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts import signals
from accounts.models import Notice, NoticeTemplateVersion, SimulatedMessage
from accounts.outreach import editing, rendering
from accounts.outreach.html import html_of
from accounts.outreach.outbox import NoticeRequest, enqueue
from accounts.outreach.rendering import Text
from billing_project.kernel import clock
from tests.backoffice import queries_for
from tests.factories import make_account, make_contact, make_staff

pytestmark = pytest.mark.django_db
LIST = "/admin/accounts/noticetemplate/"


def at(page: str = "text", key: str = "past_due", channel: str = "email", language: str = "en", **more: Any) -> str:
    parts = {"key": key, "channel": channel, "language": language}
    return reverse(f"admin:accounts_noticetemplate_{page}", kwargs=parts | more)


def clerk_client() -> Client:
    wanted = ("view_noticetemplate", "change_noticetemplate", "publish_noticetemplate", "view_account")
    return _logged_in("casey", *wanted)


def support_client() -> Client:
    return _logged_in("sandy", "view_noticetemplate", "view_account")


def _logged_in(name: str, *permissions: str) -> Client:
    client = Client()
    client.force_login(make_staff(name, *permissions, email=f"{name}@valley.example"))
    return client


def page(response: HttpResponse) -> str:
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def make_people() -> list[str]:
    numbers = []
    for number, language in (("101", "en"), ("102", "es"), ("103", "en"), ("104", "en")):
        account = make_account(number=number, name=f"Customer {number}")
        make_contact(account, name=f"Person {number}", language=language)
        numbers.append(number)
    return numbers


def test_a_reminder_is_changed_previewed_for_three_accounts_and_published() -> None:
    """Story K11: list, text, preview, publish."""
    make_people()
    client = clerk_client()
    assert at() in page(client.get(LIST))
    assert "{{ contact_name }}" in page(client.get(at()))
    sent = {
        "subject": "{{ contact_name }}, please pay",
        "body": "Hello {{ contact_name }},\r\n\r\nnew words",
        "do": "preview",
    }
    seen = page(client.post(at(), sent, follow=True))
    for number in ("101", "102", "103"):
        assert f"Person {number}, please pay" in seen
    assert "Customer 104" not in seen.split("some-accounts")[0]
    mark = editing.fingerprint(Text("{{ contact_name }}, please pay", "Hello {{ contact_name }},\n\nnew words"))
    assert mark in seen
    done = client.post(at("publish"), {"note": "friendlier", "seen": mark}, follow=True)
    assert "Version 1 is live" in page(done)
    version = NoticeTemplateVersion.objects.get()
    assert (version.state, version.note, version.published_by.username) == ("published", "friendlier", "casey")


def test_the_preview_is_what_is_sent_to_the_byte() -> None:
    make_people()
    client = clerk_client()
    account = make_account(number="200")
    make_contact(account, name="Zoë")
    by = make_staff("x")
    place = editing.place_of("past_due", "email", "en")
    assert place is not None
    editing.save_draft(
        place, Text("{{ amount_due }} & more", "Hello {{ contact_name }}, <b>{{ amount_due }}</b>"), by=by
    )
    signals.preview_wanted.connect(_owes, weak=False)
    seen = page(client.get(at("preview") + "?account_1=200"))
    editing.publish(place, note="why", by=by)
    [notice] = enqueue(
        NoticeRequest(
            account_id=account.pk, anchor_key="case:1", step_key="x", template="past_due", why="late",
            context=_owes(),
        )
    )  # fmt: skip
    assert f">{_escaped(notice.subject)}<" in seen.replace("Subject: </span>", ">")
    assert f'<pre class="desk-letter">{_escaped(notice.body)}</pre>' in seen
    shown = unescape(seen.split('srcdoc="')[1].split('"')[0])
    assert shown == html_of(
        notice.body, company_name=account.company.name, pay_url="https://pay.example/x", subject=notice.subject
    )


def _owes(**_: Any) -> dict[str, str]:
    return {"amount_due": "40.00", "pay_url": "https://pay.example/x"}


def _escaped(text: str) -> str:
    from django.utils.html import escape

    return str(escape(text))


def test_a_mistake_is_shown_at_its_field_and_the_text_is_not_lost() -> None:
    client = clerk_client()
    sent = {"subject": "Hi {{ contact_nme }}", "body": "One\r\n{% for x in y %}", "do": "preview"}
    text = page(client.post(at(), sent))
    assert "Line 1, column 7: There is no variable “contact_nme”. Did you mean contact_name?" in text
    assert "Line 2, column 1: The tag “for” is not allowed" in text
    assert "{% for x in y %}" in text
    assert not NoticeTemplateVersion.objects.exists()


def test_what_an_account_has_not_is_shown_by_example_and_said_so() -> None:
    make_people()
    text = page(clerk_client().get(at("preview", key="promise_broken") + "?account_1=101"))
    assert "Not known of this account now, so an example stands there:" in text
    assert "promised_on" in text


def test_the_last_letter_of_the_kind_tells_its_own_matter() -> None:
    account = make_account(number="300")
    make_contact(account)
    enqueue(
        NoticeRequest(
            account_id=account.pk, anchor_key="case:1", step_key="x", template="late_fee", why="late",
            context={"amount_due": "1.00", "fee_amount": "77.77"},
        )
    )  # fmt: skip
    assert "77.77" in page(clerk_client().get(at("preview", key="late_fee") + "?account_1=300"))


def test_an_account_that_does_not_exist_is_said_at_its_field() -> None:
    make_people()
    text = page(clerk_client().get(at("preview") + "?account_1=nobody"))
    assert "There is no account nobody." in text


def test_without_accounts_the_preview_says_what_to_do() -> None:
    assert "desk-empty" in page(clerk_client().get(at("preview")))


def test_a_text_message_shows_segments_cost_and_the_dear_sign() -> None:
    make_people()
    client = clerk_client()
    sent = {"body": "á " + "x" * 100, "do": "preview"}
    text = page(client.post(at(channel="sms"), sent, follow=True))
    assert "2 segments: 102 of 134 units in UCS-2." in text
    assert "0.0240 USD to send." in text
    assert "“á” makes this 2 segments instead of 1. Write a for á to save 1." in text


def test_a_call_shows_its_seconds_and_minutes() -> None:
    make_people()
    text = page(clerk_client().get(at("preview", channel="voice")))
    assert "seconds to say," in text
    assert "billed as 1 minute." in text


def test_a_foreign_link_is_warned_of_and_kept() -> None:
    make_people()
    text = page(clerk_client().post(at(), {"subject": "s", "body": "https://bit.ly/x", "do": "preview"}, follow=True))
    assert "This link leads elsewhere: https://bit.ly/x" in text


def test_publishing_without_a_reason_or_after_a_change_is_refused_at_the_field() -> None:
    make_people()
    client = clerk_client()
    client.post(at(), {"subject": "s", "body": "One", "do": "save"})
    assert "Fill this in; it cannot be left blank." in page(client.post(at("publish"), {"note": "", "seen": ""}))
    text = page(client.post(at("publish"), {"note": "why", "seen": "0" * 32}))
    assert "changed while you looked" in text
    assert not NoticeTemplateVersion.objects.filter(state="published").exists()


def test_an_older_version_and_the_shipped_text_come_back_by_their_pages() -> None:
    client = clerk_client()
    for body in ("One", "Two"):
        client.post(at(), {"subject": "s", "body": body, "do": "save"})
        client.post(at("publish"), {"note": f"why {body}"})
    text = page(client.get(at("version", number=1)))
    assert "<ins>One</ins>" in text
    assert "<del>Two</del>" in text
    done = page(client.post(at("version", number=1), {"note": "One was better"}, follow=True))
    assert "It is live again, as version 3." in done
    client.post(at("version", number=0), {"note": "back"})
    live = rendering.live_texts(["past_due"]).find("email", "past_due", "en")
    assert live == rendering.shipped("email", "past_due", "en")
    assert client.get(at("version", number=9)).status_code == 404


def test_a_draft_is_thrown_away() -> None:
    client = clerk_client()
    client.post(at(), {"subject": "s", "body": "One", "do": "save"})
    assert "Throw the draft away" in page(client.get(at()))
    assert "The draft is gone." in page(client.post(at("discard"), follow=True))
    assert not NoticeTemplateVersion.objects.exists()


def test_support_sees_previews_and_tests_but_changes_nothing() -> None:
    make_people()
    client = support_client()
    for url in (LIST, at(), at("preview"), at("version", number=0)):
        page(client.get(url))
    assert "Keep as draft" not in page(client.get(at()))
    for url, data in (
        (at(), {"subject": "s", "body": "x", "do": "save"}),
        (at("publish"), {"note": "x"}),
        (at("discard"), {}),
        (at("version", number=0), {"note": "x"}),
    ):
        assert client.post(url, data).status_code == 403, url
    assert not NoticeTemplateVersion.objects.exists()
    assert "A test was sent to sandy@valley.example." in page(client.post(at("test"), {"account": "101"}, follow=True))
    assert SimulatedMessage.objects.get().subject.startswith("TEST: ")
    assert not Notice.objects.exists()


def test_who_may_change_but_not_publish_cannot_publish() -> None:
    client = _logged_in("new", "view_noticetemplate", "change_noticetemplate")
    client.post(at(), {"subject": "s", "body": "One", "do": "save"})
    assert client.post(at("publish"), {"note": "why"}).status_code == 403


def test_nobody_without_the_right_sees_a_text() -> None:
    client = _logged_in("new")
    for url in (LIST, at(), at("preview"), at("version", number=0)):
        assert client.get(url).status_code == 403, url
    assert Client().get(at()).status_code == 302


@pytest.mark.parametrize(
    "wrong", [{"key": "nothing"}, {"channel": "fax"}, {"language": "fr"}, {"key": "ticket_reply", "channel": "voice"}]
)
def test_a_text_that_does_not_exist_is_not_found(wrong: dict[str, str]) -> None:
    assert clerk_client().get(at(**wrong)).status_code == 404


def test_the_test_by_text_message_asks_for_a_number_once() -> None:
    make_people()
    client = support_client()
    wrong = page(client.post(at("test", channel="sms"), {"account": "101", "phone": "555"}))
    assert "country code" in wrong
    client.post(at("test", channel="sms"), {"account": "101", "phone": "+1 555 010 7777"})
    assert SimulatedMessage.objects.get().to_address == "+15550107777"
    assert 'value="+15550107777"' in page(client.get(at("preview", channel="sms")))


def test_the_list_says_who_uses_a_letter_and_how_many_went_out_in_few_queries() -> None:
    client = clerk_client()
    before = queries_for(client, LIST)
    account = make_account()
    Notice.objects.create(
        account=account, contact=make_contact(account), anchor_key="a:1", step_key="x", channel="sms",
        template="past_due", to_address="+15550100123", body="x", state="accepted", accepted_at=clock.now(),
    )  # fmt: skip
    signals.template_uses_wanted.connect(_uses, weak=False)
    for body in ("One", "Two"):
        client.post(at(), {"subject": "s", "body": body, "do": "save"})
        client.post(at("publish"), {"note": "why"})
    client.post(at(channel="voice"), {"body": "One", "do": "save"})
    assert queries_for(client, LIST) <= before
    text = page(client.get(LIST))
    assert "edited, version 2" in text
    assert "1 sent in 30 days" in text
    assert ">draft<" in text
    assert "House rules v1: notice" in text
    assert page(client.get(LIST + "?q=late+fee")).count('<th scope="row">') == 1


def _uses(**_: Any) -> dict[str, list[str]]:
    return {"past_due": ["House rules v1: notice"]}
