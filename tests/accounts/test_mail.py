"""E-mail to a real mail server: what the letter looks like, and what a failure at each step of the talk means."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accounts.outreach.mail import MailChannel, letter_of, one_line, sender_of
from accounts.outreach.port import Message
from billing_project.kernel.errors import OutcomeUnknown, PortError, Rejected, Unavailable
from tests.peers import mail_http, mail_sink

MESSAGE = Message(
    key="notice:7", channel="email", to_address="ann@customer.example", subject="Invoice A-1 is past due",
    body="Hello Ann,\n\nplease pay.\n", sender="Valley Fibre, Inc. <billing@valley.example>",
    message_id="<n7-aa@billing.example>", thread="<n3-bb@billing.example>", answers_to="in+n7-aa@valley.example",
    template="past_due",
)  # fmt: skip


def smtp(port: int, **more: Any) -> override_settings:
    return override_settings(
        EMAIL_BACKEND="accounts.outreach.smtp.SmtpBackend", EMAIL_HOST="127.0.0.1", EMAIL_PORT=port,
        PUBLIC_BASE_URL="https://billing.example", **more,
    )  # fmt: skip


@pytest.fixture
def sink() -> Iterator[mail_sink.MailSink]:
    with mail_sink.running() as running, smtp(running.port):
        yield running


def send(**changes: Any) -> str:
    return MailChannel().send(replace(MESSAGE, **changes)).provider_id


def test_a_letter_carries_who_what_and_where_answers_go(sink: mail_sink.MailSink) -> None:
    assert send(html="<p>Hello Ann</p>") == "n7-aa@billing.example"
    [mail] = sink.messages
    assert mail["From"] == '"Valley Fibre, Inc." <billing@valley.example>'
    assert (mail["To"], mail["Subject"]) == ("ann@customer.example", "Invoice A-1 is past due")
    assert mail["Message-ID"] == "<n7-aa@billing.example>"
    assert mail["In-Reply-To"] == mail["References"] == "<n3-bb@billing.example>"
    assert mail["Reply-To"] == "in+n7-aa@valley.example"
    assert (mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"]) == ("auto-generated", "OOF, AutoReply")
    parts = {part.get_content_type(): part.get_content().split() for part in mail.walk() if not part.is_multipart()}
    assert parts == {"text/plain": ["Hello", "Ann,", "please", "pay."], "text/html": ["<p>Hello", "Ann</p>"]}


def test_a_trial_without_a_mark_gets_a_message_id_of_ours(sink: mail_sink.MailSink) -> None:
    send(key="trial", message_id="", thread="", answers_to="")
    [mail] = sink.messages
    assert mail["Message-ID"].endswith("@billing.example>")
    assert mail["In-Reply-To"] is None
    assert mail["Reply-To"] is None


@pytest.mark.parametrize(
    ("to", "outcome", "code", "arrived"),
    [
        ("rcpt-550@customer.example", Rejected, "unknown_address", 0),
        ("rcpt-554@customer.example", Rejected, "rejected", 0),
        ("rcpt-552@customer.example", Rejected, "rejected", 0),
        ("rcpt-450@customer.example", Unavailable, "", 0),
        ("rcpt-421@customer.example", Unavailable, "", 0),
        ("data-451@customer.example", Unavailable, "", 0),
        ("data-554@customer.example", Rejected, "rejected", 0),
        ("drop@customer.example", OutcomeUnknown, "", 1),
        ("lost@customer.example", OutcomeUnknown, "", 0),
    ],
)
def test_each_step_at_which_a_talk_can_end_has_its_outcome(
    sink: mail_sink.MailSink, to: str, outcome: type[PortError], code: str, arrived: int
) -> None:
    with pytest.raises(outcome) as raised:
        send(to_address=to)
    assert getattr(raised.value, "code", "") == code
    assert len(sink.messages) == arrived


def test_an_answer_that_comes_too_late_leaves_the_outcome_open(sink: mail_sink.MailSink) -> None:
    with smtp(sink.port, EMAIL_TIMEOUT=0.5), pytest.raises(OutcomeUnknown):
        send(to_address="slow@customer.example")
    assert len(sink.messages) == 1


def test_a_sender_that_the_server_refuses_is_ours_to_mend(sink: mail_sink.MailSink) -> None:
    with pytest.raises(Unavailable, match="refuses our sender, 553"):
        send(sender="bad-sender@valley.example")


def test_nobody_listening_is_unavailable() -> None:
    with mail_sink.rude() as port:
        pass
    with smtp(port), pytest.raises(Unavailable, match="cannot be reached"):
        send()


@pytest.mark.parametrize(
    "greeting", [b"421 too busy\r\n", b"554 go away\r\n", b"", b"\xff\xfe nonsense\r\n", b"220 hello\r\n"]
)
def test_a_server_that_greets_badly_or_hangs_up_is_unavailable(greeting: bytes) -> None:
    with mail_sink.rude(greeting) as port, smtp(port), pytest.raises(Unavailable):
        send()


def test_a_server_without_the_encryption_we_ask_for_is_unavailable(sink: mail_sink.MailSink) -> None:
    with smtp(sink.port, EMAIL_USE_TLS=True), pytest.raises(Unavailable):
        send()
    assert sink.messages == []


@pytest.mark.parametrize("provider", mail_http.PROVIDERS)
@pytest.mark.parametrize(
    ("to", "outcome", "words"),
    [
        ("blocked", Rejected, "."),
        ("config", Unavailable, "."),
        ("status-400", Unavailable, "answered 400"),
        ("status-401", Unavailable, "look at its key"),
        ("status-403", Unavailable, "look at its key"),
        ("status-408", OutcomeUnknown, "."),
        ("status-429", Unavailable, "."),
        ("status-500", OutcomeUnknown, "."),
        ("status-502", OutcomeUnknown, "."),
        ("status-503", Unavailable, "."),
        ("hang", OutcomeUnknown, "did not answer"),
        ("reset", OutcomeUnknown, "did not answer"),
        ("broken", OutcomeUnknown, "."),
    ],
)
def test_each_answer_of_a_provider_over_http_has_its_outcome(
    provider: str, to: str, outcome: type[PortError], words: str
) -> None:
    with mail_http.running(provider) as running, override_settings(**running.settings()):
        with pytest.raises(outcome, match=words):
            send(to_address=f"{to}@customer.example")
        assert len(running.taken) == int(to in ("hang", "reset", "broken"))


@pytest.mark.parametrize("provider", mail_http.PROVIDERS)
def test_a_provider_that_cannot_be_connected_to_is_unavailable(provider: str) -> None:
    with mail_http.running(provider) as running:
        kept = running.settings()
    with override_settings(**kept), pytest.raises(Unavailable, match="cannot be reached"):
        send()


def test_a_provider_gets_the_mark_by_which_its_reports_are_known() -> None:
    from accounts.outreach import references

    with mail_http.running("postmark") as running, override_settings(**running.settings()):
        assert send() == "id-1"
        [taken] = running.taken
    assert taken["Metadata"] == {"notice": references.token_of(7)}
    assert taken["Tag"] == "past_due"
    assert (taken["TrackOpens"], taken["TrackLinks"]) == (False, "None")
    headers = {row["Name"]: row["Value"] for row in taken["Headers"]}
    assert headers["Message-ID"] == "<n7-aa@billing.example>"
    assert headers["Auto-Submitted"] == "auto-generated"


HOSTILE = st.text(
    st.sampled_from("\r\n\0\t\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\u202e\ud800abcB:;<>@,\"\\'=?%é漢🎉 "), max_size=60
) | st.sampled_from(["x\r\nBcc: all@customer.example", "x\n\nbody", "=?utf-8?q?=0D=0ABcc:?=", "\r\n.\r\nQUIT\r\n"])


@settings(max_examples=300, deadline=None)
@given(name=HOSTILE, subject=HOSTILE)
@example(name="Ann\r\nBcc: all@customer.example", subject="\nBcc: all@customer.example")
def test_no_name_and_no_subject_adds_a_header_or_a_recipient(name: str, subject: str) -> None:
    message = replace(MESSAGE, subject=subject, sender=f"{name} <billing@valley.example>")
    try:
        letter = letter_of(message)
    except Unavailable:
        return  # such a sender is refused
    head = letter.message().as_bytes().partition(b"\n\n")[0]
    names = [line.split(b":")[0] for line in head.split(b"\n") if line[:1] not in b" \t"]
    assert sorted(names) == sorted([
        b"Content-Type", b"MIME-Version", b"Content-Transfer-Encoding", b"Subject", b"From", b"To", b"Reply-To",
        b"Date", b"Message-ID", b"Auto-Submitted", b"X-Auto-Response-Suppress", b"In-Reply-To", b"References",
    ])  # fmt: skip
    assert b"\r" not in head
    assert letter.recipients() == ["ann@customer.example"]


@pytest.mark.parametrize(
    "address",
    ["", "ann", "ann@x.example, bob@x.example", "ann@x.example\nBcc: bob@x.example", "ann@x\r.example", "a b@x.example",
     "<ann@x.example>", "Ann <ann@x.example>", "ann@x.example\0", "ann\u2028@x.example", "ann@",
     "a" * 300 + "@x.example"],
)  # fmt: skip
def test_what_is_not_one_address_is_rejected_before_anything_is_sent(sink: mail_sink.MailSink, address: str) -> None:
    with pytest.raises(Rejected) as raised:
        send(to_address=address)
    assert raised.value.code == "unknown_address"
    assert sink.messages == []


@pytest.mark.parametrize("sender", ["", "Valley Fibre", "Valley <a@b, c@d.example>", "a@b.example, c@d.example"])
def test_a_company_without_a_sender_waits_and_says_where_to_write_one(sender: str) -> None:
    with pytest.raises(Unavailable, match="write one on its page"):
        sender_of(sender)


def test_a_sender_with_signs_of_other_scripts_arrives_as_it_is(sink: mail_sink.MailSink) -> None:
    send(sender="Fibra Peña 漢 <billing@valley.example>")
    assert sink.messages[0]["From"] == "Fibra Peña 漢 <billing@valley.example>"


def test_one_line_keeps_what_people_read() -> None:
    assert one_line("  Señor\r\nÀ\u2028x\0y 🎉 ") == "Señor À x y 🎉"


def test_secrets_are_in_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    with ExitStack() as stack:
        running = stack.enter_context(mail_http.running("postmark"))
        kept = running.settings()
        kept["ANYMAIL"]["POSTMARK_SERVER_TOKEN"] = "secret-of-the-test"
        stack.enter_context(override_settings(**kept))
        send()
        for to in ("status-401", "status-500", "hang", "reset"):
            with pytest.raises(PortError) as raised:
                send(to_address=f"{to}@customer.example")
            assert "secret-of-the-test" not in str(raised.value)
    assert "secret-of-the-test" not in caplog.text
