"""Texts that staff edit: drafts, versions, what is live, and tests to oneself."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import NoticeTemplate, NoticeTemplateVersion, SimulatedMessage, TemplateTest, User
from accounts.operations import pause_everything
from accounts.outreach import editing, rendering
from accounts.outreach.editing import Place
from accounts.outreach.letterbook import CHANNELS, LANGUAGES, LETTERS, VARIABLES
from accounts.outreach.outbox import NoticeRequest, enqueue, enqueue_many
from accounts.outreach.rendering import Letter, Text
from accounts.outreach.sandbox import check
from accounts.outreach.segments import measure
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from tests.factories import instant, make_account, make_contact, make_staff

pytestmark = pytest.mark.django_db

CONTEXT = {name: variable.example for name, variable in VARIABLES.items()}


def place(key: str = "past_due", channel: str = "email", language: str = "en") -> Place:
    found = editing.place_of(key, channel, language)
    assert found is not None
    return found


def body_of(key: str = "past_due", channel: str = "email", language: str = "en") -> str:
    return rendering.render(channel=channel, template=key, language=language, context=CONTEXT).body


def publish(text: str, where: Place | None = None, subject: str = "Please pay") -> NoticeTemplateVersion:
    where, by = where or place(), clerk()
    editing.save_draft(where, Text(subject if where.channel == "email" else "", text), by=by)
    return editing.publish(where, note="better words", by=by)


def clerk() -> User:
    return User.objects.filter(username="casey").first() or make_staff("casey")


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_letter_of_the_book_has_a_good_shipped_text_in_each_language(channel: str, language: str) -> None:
    for kind in LETTERS.values():
        if channel not in kind.channels:
            continue
        where = place(kind.key, channel, language)
        assert editing.mistakes(where, where.shipped) == {}, where
        letter = rendering.render_text(
            where.shipped, channel=channel, template=kind.key, language=language,
            context=editing.example_context(where),
        )  # fmt: skip
        assert "{" not in letter.subject + letter.body
        assert "  " not in letter.body
    folder = {path.name for path in (rendering._folder() / channel).glob("*.txt")}
    wanted = {f"{k.key}.{name}.txt" for k in LETTERS.values() if channel in k.channels for name in LANGUAGES}
    assert folder == wanted


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_shipped_text_message_is_at_most_two_segments_without_its_link(language: str) -> None:
    for kind in LETTERS.values():
        if "sms" not in kind.channels or "reply_text" in kind.names:  # those are as long as what staff write
            continue
        where = place(kind.key, "sms", language)
        context = editing.example_context(where) | {"pay_url": "", "company_name": "Valley Fibre Networks"}
        letter = rendering.render_text(
            where.shipped, channel="sms", template=kind.key, language=language, context=context
        )
        found = measure(letter.body)
        assert found.encoding == "GSM-7", (kind.key, found.costly)
        assert found.segments <= 2, (kind.key, letter.body)


def test_a_draft_goes_nowhere_until_it_is_published() -> None:
    before = body_of()
    draft = editing.save_draft(place(), Text("Hi", "Hello {{ contact_name }}"), by=clerk())
    assert (draft.number, draft.state) == (1, "draft")
    assert body_of() == before
    editing.publish(place(), note="friendlier", by=clerk())
    assert body_of() == "Hello Maria Alvarez\n"
    assert rendering.render(channel="email", template="past_due", language="en", context=CONTEXT).version == 1


def test_the_highest_published_version_is_live_and_the_others_stay() -> None:
    publish("One")
    publish("Two")
    assert body_of() == "Two\n"
    assert list(NoticeTemplateVersion.objects.order_by("number").values_list("number", "body")) == [
        (1, "One"), (2, "Two"),
    ]  # fmt: skip


def test_a_published_version_never_changes() -> None:
    version = publish("One")
    with pytest.raises(DatabaseError, match="never change"), transaction.atomic():
        NoticeTemplateVersion.objects.filter(pk=version.pk).update(body="Two")
    with pytest.raises(DatabaseError, match="never change"), transaction.atomic():
        NoticeTemplateVersion.objects.filter(pk=version.pk).delete()
    assert body_of() == "One\n"


def test_a_text_has_one_draft_and_saving_it_again_changes_it() -> None:
    editing.save_draft(place(), Text("Hi", "One"), by=clerk())
    editing.save_draft(place(), Text("Hi", "Two"), by=clerk())
    draft = NoticeTemplateVersion.objects.get()
    assert (draft.number, draft.body) == (1, "Two")
    assert [row.body for row in draft.history.all()] == ["Two", "One"]
    template = NoticeTemplate.objects.get()
    with pytest.raises(DatabaseError, match="one_draft"), transaction.atomic():
        NoticeTemplateVersion.objects.create(template=template, number=2, body="x")


def test_two_templates_for_one_place_cannot_be() -> None:
    NoticeTemplate.objects.create(key="paid", channel="sms", language="en")
    with pytest.raises(DatabaseError, match="template_once"), transaction.atomic():
        NoticeTemplate.objects.create(key="paid", channel="sms", language="en")


def test_a_version_is_not_published_without_a_note_or_a_text_by_the_database_itself() -> None:
    template = NoticeTemplate.objects.create(key="paid", channel="sms", language="en")
    for wrong in (
        {"state": "published", "published_at": clock.now(), "body": "x"},
        {"state": "published", "note": "why", "body": "x"},
        {"body": ""},
        {"body": "x" * 20_001},
        {"number": 0, "body": "x"},
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            NoticeTemplateVersion.objects.create(**{"template": template, "number": 1, **wrong})


def test_spanish_falls_back_in_the_order_edited_shipped_edited_english_english() -> None:
    publish("English edited")
    shipped = rendering.shipped("email", "past_due", "es")
    assert shipped is not None
    assert body_of(language="es").startswith("Hola, Maria Alvarez")
    publish("Editado", place(language="es"))
    assert body_of(language="es") == "Editado\n"
    assert body_of(language="fr") == "English edited\n"


def test_going_back_to_the_shipped_text_is_a_new_version_that_counts_as_shipped() -> None:
    before = body_of()
    publish("One")
    version = editing.bring_back(place(), 0, note="the old one was clearer", by=clerk())
    assert (version.number, version.is_shipped) == (2, True)
    assert body_of() == before
    assert rendering.render(channel="email", template="past_due", language="en", context=CONTEXT).version == 0
    with pytest.raises(Refused, match="live already"):
        editing.bring_back(place(), 0, note="again", by=clerk())


def test_an_older_version_is_brought_back_as_a_new_one() -> None:
    publish("One")
    publish("Two")
    editing.bring_back(place(), 1, note="one was better", by=clerk())
    assert body_of() == "One\n"
    assert NoticeTemplateVersion.objects.count() == 3
    with pytest.raises(Refused, match="no published version 9"):
        editing.bring_back(place(), 9, note="x", by=clerk())


def test_an_older_version_waits_for_a_draft_to_be_finished() -> None:
    publish("One")
    publish("Two")
    editing.save_draft(place(), Text("Hi", "Three"), by=clerk())
    with pytest.raises(Refused, match="Publish or discard"):
        editing.bring_back(place(), 1, note="x", by=clerk())
    editing.discard_draft(place(), by=clerk())
    editing.bring_back(place(), 1, note="x", by=clerk())
    with pytest.raises(StaleState, match="no draft"):
        editing.discard_draft(place(), by=clerk())


def test_publishing_asks_why_and_refuses_what_changed_meanwhile() -> None:
    editing.save_draft(place(), Text("Hi", "One"), by=clerk())
    with pytest.raises(Refused, match="Say why"):
        editing.publish(place(), note="  ", by=clerk())
    seen = editing.fingerprint(Text("Hi", "One"))
    editing.save_draft(place(), Text("Hi", "Two"), by=clerk())
    with pytest.raises(StaleState, match="changed while you looked"):
        editing.publish(place(), note="why", seen=seen, by=clerk())
    editing.publish(place(), note="why", seen=editing.fingerprint(Text("Hi", "Two")), by=clerk())
    with pytest.raises(StaleState, match="no draft"):
        editing.publish(place(), note="why", by=clerk())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (Text("Hi", ""), "The text is empty"),
        (Text("", "x"), "The subject is empty"),
        (Text("a\nb", "x"), "several lines"),
        (Text("Hi", "{{ promised_on }}"), "can be used in “Promise kept”"),
        (Text("Hi", "{% if contact_nam != '' %}x{% endif %}"), "Did you mean contact_name"),
        (Text("{{ pay_ur }}", "x"), "Did you mean pay_url"),
    ],
)
def test_a_text_with_a_mistake_is_not_kept(text: Text, words: str) -> None:
    with pytest.raises(Refused, match=words):
        editing.save_draft(place(), text, by=clerk())
    assert not NoticeTemplateVersion.objects.exists()


def test_an_answer_without_the_answer_is_not_kept() -> None:
    with pytest.raises(Refused, match="reply_text"):
        editing.save_draft(place("ticket_reply"), Text("Hi", "We answered you."), by=clerk())


def test_a_mistake_is_placed_by_line_and_column() -> None:
    [found] = check("One\n\nTwo {{ contct_name }}", LETTERS["past_due"].names)
    assert (found.line, found.column) == (3, 8)


def test_an_edited_text_is_what_the_outbox_writes_and_names() -> None:
    account = make_account()
    make_contact(account)
    publish("Hello {{ contact_name }}, {{ amount_due }}")
    [notice] = enqueue(
        NoticeRequest(
            account_id=account.pk, anchor_key="case:1", step_key="x", template="past_due", why="late",
            context={"amount_due": "40.00"},
        )
    )  # fmt: skip
    assert (notice.body, notice.template_version) == ("Hello Ann Example, 40.00\n", 1)


def test_live_texts_are_read_once_for_any_number_of_letters() -> None:
    accounts = [make_account() for _ in range(6)]
    for account in accounts:
        make_contact(account)
    publish("Hello {{ amount_due }}")

    def queries(count: int, step: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            enqueue_many(
                NoticeRequest(
                    account_id=account.pk, anchor_key="case:1", step_key=step, template="past_due", why="late",
                    channels=("email", "sms"), context={"amount_due": "40.00"},
                )
                for account in accounts[:count]
            )  # fmt: skip
        return len([q for q in asked if "noticetemplate" in q["sql"]])

    assert queries(1, "a") == queries(6, "b") == 1


def test_a_test_goes_by_the_channel_to_the_one_who_asks_and_is_marked() -> None:
    user = make_staff("sandy", email="sandy@valley.example")
    said = editing.send_test(place(), Letter("Please pay", "Hello\n"), to_address=user.email, by=user)
    assert said == "A test was sent to sandy@valley.example."
    sent = SimulatedMessage.objects.get()
    assert (sent.subject, sent.body) == ("TEST: Please pay", "Hello\n")
    row = TemplateTest.objects.get()
    assert (row.sent_by, row.outcome, row.template_key) == (user, "accepted", "past_due")


def test_a_test_by_text_message_begins_with_its_mark_and_remembers_the_number() -> None:
    user = make_staff("sandy")
    editing.send_test(place(channel="sms"), Letter("", "Hello"), to_address="+15550107777", by=user)
    assert SimulatedMessage.objects.get().body == "TEST: Hello"
    assert editing.last_phone_of(user) == "+15550107777"


def test_at_most_ten_tests_go_out_an_hour() -> None:
    user, letter = make_staff("sandy"), Letter("Hi", "x")
    with clock.at(instant("2026-03-02 10:00")):
        for _ in range(10):
            editing.send_test(place(), letter, to_address="s@valley.example", by=user)
        with pytest.raises(Refused, match="within an hour"):
            editing.send_test(place(), letter, to_address="s@valley.example", by=user)
    with clock.at(instant("2026-03-02 10:00") + timedelta(hours=1, seconds=1)):
        editing.send_test(place(), letter, to_address="s@valley.example", by=user)
    assert SimulatedMessage.objects.count() == 11


@pytest.mark.parametrize(
    ("channel", "address", "words"),
    [
        ("email", "", "no e-mail address"),
        ("email", "bounce@x.example", "did not go out"),
        ("sms", "555 0100", "country code"),
        ("sms", "+1555010X", "country code"),
    ],
)
def test_a_test_to_a_wrong_address_says_how_to_mend_it(channel: str, address: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        editing.send_test(place(channel=channel), Letter("", "x"), to_address=address, by=make_staff("sandy"))
    assert not SimulatedMessage.objects.exists()


def test_while_everything_is_paused_no_test_goes_out() -> None:
    pause_everything(reason="wrong amounts")
    with pytest.raises(Refused, match="Tests wait"):
        editing.send_test(place(), Letter("Hi", "x"), to_address="s@valley.example", by=make_staff("sandy"))
    assert not SimulatedMessage.objects.exists()
