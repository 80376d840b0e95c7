"""What Twilio may tell us, and nobody else: signatures, reports in any order, and what a call says and does."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from django.http import HttpResponse
from django.test import Client

from accounts.models import CallRecord, Notice, ProviderEvent, Suppression
from accounts.outreach import references, spoken
from billing_project.kernel import clock
from tests.factories import instant, make_account, make_company, make_contact
from tests.peers.twilio_fake import ACCOUNT, TOKEN, sign

pytestmark = pytest.mark.django_db
PUBLIC = "https://billing.example"
NINE = instant("2026-01-21 09:00")
SID, CALL_SID = "SM" + "1" * 32, "CA" + "1" * 32


@pytest.fixture(autouse=True)
def _account_at_twilio(settings: Any) -> Iterator[None]:
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = ACCOUNT, f"{TOKEN},the-old-token"
    settings.PUBLIC_BASE_URL = PUBLIC
    with clock.at(NINE):
        yield


def sent(channel: str = "sms", state: str = "accepted", **contact: Any) -> Notice:
    """Store a notice that has gone out a minute ago."""
    account = make_account(company=make_company(phone="+15550100199"))
    notice = Notice.objects.create(
        account=account, contact=make_contact(account, **contact), channel=channel, to_address="+15550100123",
        anchor_key="case:1", step_key="n", template="past_due", body="40.00 is past due. <Pay> & call.",
        state=state, sending_at=NINE - timedelta(minutes=1),
        accepted_at=None if state in ("ambiguous", "sending") else NINE - timedelta(minutes=1),
        provider_id="" if state in ("ambiguous", "sending") else (SID if channel == "sms" else CALL_SID),
    )  # fmt: skip
    if channel == "voice":
        CallRecord.objects.create(
            account=account, contact=notice.contact, number=notice.to_address, notice=notice, outcome="calling"
        )
    return notice


def address(notice: Notice | None, rest: str = "") -> str:
    kind = "call" if notice is not None and notice.channel == "voice" else "message"
    token = f"{references.token_of(notice.pk)}/" if notice is not None else ""
    return f"/callbacks/twilio/{kind}/{token}{rest}"


def post(path: str, fields: dict[str, str], *, token: str = TOKEN, signature: str | None = None) -> HttpResponse:
    """Call the program as Twilio does, or as somebody who would like to be it."""
    fields = {"AccountSid": ACCOUNT, **fields}
    given = sign(PUBLIC + path, fields, token) if signature is None else signature
    return Client(enforce_csrf_checks=True).post(
        path, urlencode(fields), "application/x-www-form-urlencoded", headers={"X-Twilio-Signature": given}
    )


def story(notice: Notice, *statuses: str, **more: str) -> Notice:
    """Report some states of a text or a call, in order."""
    sid, name = (CALL_SID, "CallStatus") if notice.channel == "voice" else (SID, "MessageStatus")
    for status in statuses:
        key = "CallSid" if notice.channel == "voice" else "MessageSid"
        assert post(address(notice), {key: sid, name: status, **more}).status_code == 204
    notice.refresh_from_db()
    return notice


# --- Who calls ---


@pytest.mark.parametrize("token", [TOKEN, "the-old-token"])
def test_each_live_secret_is_believed(token: str) -> None:
    notice = sent()
    done = post(address(notice), {"MessageSid": SID, "MessageStatus": "delivered"}, token=token)
    notice.refresh_from_db()
    assert (done.status_code, notice.state) == (204, "delivered")


def test_a_signature_over_the_address_with_its_port_is_believed() -> None:
    notice = sent()
    fields = {"AccountSid": ACCOUNT, "MessageSid": SID, "MessageStatus": "delivered"}
    signature = sign(f"https://billing.example:443{address(notice)}", fields)
    assert post(address(notice), fields, signature=signature).status_code == 204


@pytest.mark.parametrize("signature", ["", "x", "é", "A" * 28, "A" * 5000])
@pytest.mark.parametrize(
    "path", ["message/", "call/", "inbound/", "message/n1-0/", "call/n1-0/", "call/n1-0/words/", "call/n1-0/key/"]
)
def test_a_forged_call_gets_403_and_not_a_word(path: str, signature: str) -> None:
    done = post(f"/callbacks/twilio/{path}", {"MessageSid": SID, "MessageStatus": "failed"}, signature=signature)
    assert (done.status_code, done.content) == (403, b"")
    assert not ProviderEvent.objects.exists()


def test_a_signature_is_good_for_one_address_one_account_and_these_fields_only(settings: Any) -> None:
    notice, other = sent(), sent()
    fields = {"AccountSid": ACCOUNT, "MessageSid": SID, "MessageStatus": "delivered"}
    good = sign(PUBLIC + address(notice), fields)
    assert post(address(other), fields, signature=good).status_code == 403
    assert post(address(notice), {**fields, "MessageStatus": "failed"}, signature=good).status_code == 403
    assert post(address(notice), {**fields, "AccountSid": "AC" + "9" * 32}).status_code == 403
    settings.PUBLIC_BASE_URL = "https://other.example"
    assert post(address(notice), fields, signature=good).status_code == 403
    settings.PUBLIC_BASE_URL, settings.TWILIO_AUTH_TOKEN = PUBLIC, ""
    assert post(address(notice), fields, signature=good).status_code == 403
    assert not ProviderEvent.objects.exists()


@pytest.mark.parametrize("path", ["message", "call", "call/words", "call/key"])
def test_a_mark_that_is_not_ours_gets_404(path: str) -> None:
    kind, _, rest = path.partition("/")
    for mark in ("n1-" + "0" * 20, "x" + references.token_of(1), "n1", references.token_of(1).upper()):
        done = post(f"/callbacks/twilio/{kind}/{mark}/{rest + '/' if rest else ''}", {"MessageSid": SID})
        assert (done.status_code, done.content) == (404, b"")


def test_only_small_forms_are_read() -> None:
    notice = sent()
    path = address(notice)
    assert Client().get(path).status_code == 405
    assert Client().post(path, "{}", "application/json").status_code == 403
    assert post(path, {"Body": "x" * 70_000}).status_code == 413
    many = {f"f{number}": "" for number in range(300)}
    assert post(path, many).status_code == 403
    assert Client().post(path, b"\xff=\xfe", "application/x-www-form-urlencoded").status_code == 403


def test_a_report_without_a_mark_is_known_by_its_id() -> None:
    notice = sent()
    assert post(address(None), {"MessageSid": SID, "MessageStatus": "delivered"}).status_code == 204
    assert post(address(None), {"MessageSid": "SM" + "2" * 32, "MessageStatus": "failed"}).status_code == 204
    notice.refresh_from_db()
    assert notice.state == "delivered"


# --- What became of a text ---


@pytest.mark.parametrize(
    ("statuses", "more", "state"),
    [
        (("queued", "sent"), {}, "accepted"),
        (("queued", "sent", "delivered"), {}, "delivered"),
        (("delivered", "sent", "queued"), {}, "delivered"),
        (("delivered", "delivered", "delivered"), {}, "delivered"),
        (("undelivered",), {"ErrorCode": "30003"}, "failed"),
        (("undelivered",), {"ErrorCode": "30005"}, "bounced"),
        (("undelivered",), {"ErrorCode": "30006"}, "bounced"),
        (("failed",), {"ErrorCode": "21610"}, "failed"),
        (("failed", "delivered"), {"ErrorCode": "30008"}, "failed"),
        (("something-new",), {}, "accepted"),
    ],
)
def test_reports_in_any_order_raise_the_state_once(statuses: tuple[str, ...], more: dict[str, str], state: str) -> None:
    notice = story(sent(), *statuses, **more)
    assert notice.state == state
    assert ProviderEvent.objects.count() == len(set(statuses))


@pytest.mark.parametrize(
    ("code", "reason"), [("30005", "hard_bounce"), ("21610", "opted_out"), ("30003", None), ("30007", None)]
)
def test_only_a_dead_number_or_a_stop_leaves_the_number_alone(code: str, reason: str | None) -> None:
    story(sent(), "undelivered", ErrorCode=code)
    assert Suppression.objects.values_list("reason", flat=True).first() == reason


def test_a_report_clears_up_what_nobody_knew() -> None:
    notice = story(sent(state="ambiguous"), "delivered")
    assert (notice.state, notice.provider_id) == ("delivered", SID)


def test_a_report_that_is_faster_than_the_answer_is_kept() -> None:
    assert story(sent(state="sending"), "delivered").state == "delivered"


# --- How a call ended ---


@pytest.mark.parametrize(
    ("status", "more", "state", "outcome"),
    [
        ("completed", {"AnsweredBy": "human"}, "delivered", "reached"),
        ("completed", {}, "delivered", "reached"),
        ("completed", {"AnsweredBy": "machine_end_beep"}, "delivered", "voicemail"),
        ("completed", {"AnsweredBy": "machine_start"}, "delivered", "voicemail"),
        ("completed", {"AnsweredBy": "fax"}, "failed", "failed"),
        ("busy", {}, "failed", "busy"),
        ("no-answer", {}, "failed", "no_answer"),
        ("failed", {}, "failed", "failed"),
        ("failed", {"SipResponseCode": "604"}, "bounced", "wrong_number"),
        ("ringing", {}, "accepted", "calling"),
    ],
)
def test_the_end_of_a_call_is_written_down(status: str, more: dict[str, str], state: str, outcome: str) -> None:
    notice = story(sent("voice"), "initiated", status, **more)
    assert (notice.state, CallRecord.objects.get().outcome) == (state, outcome)


def test_the_moment_is_twilios_unless_it_is_yet_to_come() -> None:
    notice = story(sent("voice"), "completed", Timestamp="Wed, 21 Jan 2026 13:59:30 +0000")
    assert notice.ended_at == instant("2026-01-21 08:59:30")
    late = story(sent("voice"), "busy", Timestamp="Wed, 21 Jan 2099 13:59:30 +0000", CallSid="CA" + "2" * 32)
    assert late.ended_at == NINE


# --- What a call says ---


def said(done: HttpResponse) -> list[str]:
    assert done.status_code == 200, done.content
    assert done["Content-Type"].startswith("text/xml")
    return [node.text or "" for node in ElementTree.fromstring(done.content).iter("Say")]


def test_a_person_hears_the_notice_and_the_keys_twice_in_their_language() -> None:
    notice = sent("voice")
    Notice.objects.filter(pk=notice.pk).update(language="es")
    done = post(address(notice, "words/"), {"CallSid": CALL_SID, "AnsweredBy": "human"})
    menu = spoken.MENU["es"]
    assert said(done) == [notice.body, menu, notice.body, menu, "Adiós."]
    tree = ElementTree.fromstring(done.content)
    assert {node.get("language") for node in tree.iter("Say")} == {"es-MX"}
    assert {node.get("action") for node in tree.iter("Gather")} == {address(notice, "key/")}


@pytest.mark.parametrize("answered_by", ["machine_start", "machine_end_beep", "machine_end_silence"])
def test_a_machine_hears_who_called_and_nothing_of_money(answered_by: str) -> None:
    notice = sent("voice")
    done = post(address(notice, "words/"), {"CallSid": CALL_SID, "AnsweredBy": answered_by})
    words = " ".join(said(done))
    assert "Valley Fibre" in words
    assert "+1 5 5 5 0 1 0 0 1 9 9" in words
    assert spoken.slowly(notice.account.number) in words
    assert "40.00" not in words
    assert "due" not in words
    assert b"Gather" not in done.content


def test_a_fax_hears_nothing() -> None:
    assert said(post(address(sent("voice"), "words/"), {"CallSid": CALL_SID, "AnsweredBy": "fax"})) == []


def test_signs_that_no_voice_can_speak_do_not_break_the_document() -> None:
    notice = sent("voice")
    Notice.objects.filter(pk=notice.pk).update(body="a\x01b\x0b\uffff <Hangup/> & ]]> 漢")
    assert said(post(address(notice, "words/"), {"CallSid": CALL_SID}))[0] == "a b   <Hangup/> & ]]> 漢"


# --- What its keys do ---


def press(notice: Notice, digit: str) -> list[str]:
    return said(post(address(notice, "key/"), {"CallSid": CALL_SID, "Digits": digit}))


@pytest.mark.parametrize("sms_allowed", [True, False])
def test_1_sends_one_link_to_the_number_that_was_called_for_pressing_is_consent(sms_allowed: bool) -> None:
    notice = sent("voice", sms_allowed=sms_allowed, consented_at=None)
    assert press(notice, "1") == press(notice, "1") == [spoken.LINK_SENT["en"]]
    link = Notice.objects.get(step_key="asked-in-call")
    assert (link.channel, link.to_address, link.template, link.state) == (
        "sms",
        "+15550100123",
        "portal_link",
        "queued",
    )
    assert f"{PUBLIC}/portal/" in link.body


def test_the_link_goes_out_though_texts_are_not_allowed_otherwise() -> None:
    from accounts.outreach.dispatch import dispatch_notices

    notice = sent("voice", sms_allowed=False, consented_at=None)
    press(notice, "1")
    assert dispatch_notices() == {"accepted": 1}


def test_after_a_stop_by_text_no_link_is_sent_and_the_caller_is_told() -> None:
    notice = sent("voice")
    Suppression.objects.create(channel="sms", address="+15550100123", reason="opted_out", words="STOP", since_at=NINE)
    assert press(notice, "1") == [spoken.NO_LINK["en"], "Please call us on +1 5 5 5 0 1 0 0 1 9 9."]


def test_a_number_that_is_no_longer_the_contacts_gets_no_link() -> None:
    notice = sent("voice", phone="+15550100777")
    assert press(notice, "1")[0] == spoken.NO_LINK["en"]
    assert not Notice.objects.filter(step_key="asked-in-call").exists()


def test_2_says_it_again_and_an_unknown_key_says_so_first() -> None:
    notice = sent("voice")
    assert press(notice, "2")[0] == notice.body
    assert press(notice, "7")[:2] == [spoken.UNKNOWN_KEY["en"], notice.body]
    assert press(notice, "")[0] == spoken.UNKNOWN_KEY["en"]


def test_9_stops_calls_to_this_number_for_good() -> None:
    notice = sent("voice")
    assert press(notice, "9") == press(notice, "9") == [spoken.NOT_AGAIN["en"]]
    assert Suppression.objects.get().channel == "voice"
    story(notice, "completed", AnsweredBy="human")
    assert (notice.state, CallRecord.objects.get().outcome) == ("delivered", "refused")


# --- What customers text ---


@pytest.fixture
def filed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand in for whoever files what customers write."""
    taken: list[dict[str, Any]] = []

    def take_in_text(**said: Any) -> str:
        taken.append(said)
        return {"HELP": "Call <us> & ask."}.get(said["text"], "")

    monkeypatch.setitem(sys.modules, "accounts.outreach.inbound", SimpleNamespace(take_in_text=take_in_text))  # type: ignore[arg-type]
    return taken


def text(body: str, **more: str) -> HttpResponse:
    fields = {"MessageSid": SID, "From": "+15550100123", "To": "+15550109999", "Body": body, "NumMedia": "0"}
    return post("/callbacks/twilio/inbound/", fields | more)


def test_a_text_is_handed_over_as_it_came(filed: list[dict[str, Any]]) -> None:
    done = text("I paid\0 on Monday", NumMedia="2")
    assert filed == [
        {
            "provider": "twilio", "provider_id": SID, "from_number": "+15550100123", "to_number": "+15550109999",
            "text": "I paid on Monday", "media": 2,
        }
    ]  # fmt: skip
    assert list(ElementTree.fromstring(done.content)) == []


def test_an_answer_goes_back_unless_twilio_has_given_one(filed: list[dict[str, Any]]) -> None:
    assert [node.text for node in ElementTree.fromstring(text("HELP").content).iter("Message")] == ["Call <us> & ask."]
    assert list(ElementTree.fromstring(text("HELP", OptOutType="HELP").content)) == []
    assert len(filed) == 2


@pytest.mark.parametrize("files", ["", "x", "-1", "²", "9" * 400])
def test_a_strange_number_of_files_counts_as_none(filed: list[dict[str, Any]], files: str) -> None:
    assert text("Hi", NumMedia=files).status_code == 200
    assert filed[0]["media"] == 0
