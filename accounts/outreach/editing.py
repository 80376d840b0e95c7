"""Edit the texts of letters: a draft, then a published version that never changes; and a test letter to oneself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from uuid import uuid4

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Max

from accounts.models import NoticeTemplate, NoticeTemplateVersion, TemplateTest, User
from accounts.queries import open_pause
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, StaleState, Unavailable

from .letterbook import CHANNELS, LANGUAGES, LETTERS, LetterKind
from .port import Message
from .registry import channel_for
from .rendering import Letter, Text, live_texts, shipped
from .sandbox import Finding, check, used_variables

State = NoticeTemplateVersion.State
TESTS_PER_HOUR = 10
TEST_MARK = "TEST: "
NO_SHIPPED = Text("", "")


@dataclass(frozen=True, slots=True)
class Place:
    """Which text is meant: a letter, by a channel, in a language; always one that exists."""

    kind: LetterKind
    channel: str
    language: str

    @property
    def shipped(self) -> Text:
        """Return the text that came with the program."""
        return shipped(self.channel, self.kind.key, self.language) or NO_SHIPPED

    @property
    def live(self) -> Text:
        """Return the text that goes out now."""
        return live_texts([self.kind.key]).find(self.channel, self.kind.key, self.language) or self.shipped

    def row(self) -> NoticeTemplate | None:
        """Return the template's row, or None while nobody has edited it."""
        return NoticeTemplate.objects.filter(key=self.kind.key, channel=self.channel, language=self.language).first()


def place_of(key: str, channel: str, language: str) -> Place | None:
    """Return the place of a text, or None if there is no such letter, channel or language."""
    kind = LETTERS.get(key)
    if kind is None or channel not in kind.channels or channel not in CHANNELS or language not in LANGUAGES:
        return None
    return Place(kind, channel, language)


def mistakes(place: Place, text: Text) -> dict[str, list[Finding]]:
    """Return what must be mended before a text can be saved, by field; empty if it is good."""
    found = {"body": check(text.body, place.kind.names)}
    if not text.body.strip():
        found["body"].append(Finding(1, 1, "The text is empty. Write what the customer is to read."))
    if place.channel == "email":
        found["subject"] = check(text.subject, place.kind.names)
        if not text.subject.strip():
            found["subject"].append(Finding(1, 1, "The subject is empty. Say in a few words what the letter is about."))
        elif len(text.subject.splitlines()) > 1:
            found["subject"].append(Finding(1, 1, "The subject has several lines. Write one line."))
    found["body"] += _missing(place, text)
    return {field: findings for field, findings in found.items() if findings}


def _missing(place: Place, text: Text) -> list[Finding]:
    """Ask for what the letter would be pointless without: the answer in an answer, the link in a letter with a link."""
    used = set(used_variables(text.body))
    return [
        Finding(1, 1, f"{{{{ {name} }}}} does not occur, and this letter is about it. Put it into the text.")
        for name in place.kind.needs
        if name in ("reply_text", "pay_url") and name not in used
    ]


@transaction.atomic
def save_draft(place: Place, text: Text, *, by: User) -> NoticeTemplateVersion:
    """Keep a text as the draft of its template; nothing of it goes out. Raises Refused if it has mistakes."""
    _must_be_good(place, text)
    template = _locked(place)
    draft = template.versions.filter(state=State.DRAFT).first() or NoticeTemplateVersion(
        template=template, number=_next_number(template)
    )
    if (draft.subject, draft.body) == (text.subject, text.body):
        return draft
    draft.subject, draft.body = text.subject, text.body
    draft.changed_by, draft.changed_at = by, clock.now()
    draft.save()
    return draft


@transaction.atomic
def discard_draft(place: Place, *, by: User) -> None:
    """Throw a draft away; what was published stays. Raises StaleState if there is none."""
    template = _locked(place)
    draft = template.versions.filter(state=State.DRAFT).first()
    if draft is None:
        raise StaleState("There is no draft any more; somebody has published or discarded it.")
    draft._history_user = by  # type: ignore[attr-defined]
    draft._change_reason = "discarded"  # type: ignore[attr-defined]
    draft.delete()


@transaction.atomic
def publish(place: Place, *, note: str, by: User, seen: str = "") -> NoticeTemplateVersion:
    """Make the draft live: letters written from now on use it; those in the outbox stay as they are.

    ``seen`` is the fingerprint of what the person looked at: raises StaleState if the draft says something else by now.
    """
    _must_have_note(note)
    template = _locked(place)
    draft = template.versions.filter(state=State.DRAFT).first()
    if draft is None:
        raise StaleState("There is no draft to publish; somebody has published or discarded it.")
    if seen and fingerprint(Text(draft.subject, draft.body)) != seen:
        raise StaleState("The draft was changed while you looked at it. Look at the preview again, then publish.")
    _must_be_good(place, Text(draft.subject, draft.body))
    return _published(draft, note, by)


def fingerprint(text: Text) -> str:
    """Return a short mark by which a text is known again."""
    return sha256(f"{text.subject}\0{text.body}".encode("utf-8", "replace")).hexdigest()[:32]


@transaction.atomic
def bring_back(place: Place, number: int, *, note: str, by: User) -> NoticeTemplateVersion:
    """Publish an older version again, as a new one; 0 is the text that ships with the program.

    Raises Refused if there is no such version, if it is live already, or if it is not allowed any more.
    """
    _must_have_note(note)
    template = _locked(place)
    if template.versions.filter(state=State.DRAFT).exists():
        raise Refused("draft_open", "There is a draft. Publish or discard it first, so that nothing of it is lost.")
    old = template.versions.filter(number=number, state=State.PUBLISHED).first()
    if number and old is None:
        raise Refused("no_version", f"There is no published version {number} of this text.")
    is_shipped = old is None or old.is_shipped
    text = place.shipped if old is None or is_shipped else Text(old.subject, old.body)
    live = place.live
    if (live.version == 0 and is_shipped) or (live.version == number and number):
        raise Refused("live_already", "This text is live already.")
    _must_be_good(place, text)
    version = NoticeTemplateVersion(
        template=template, number=_next_number(template), subject=text.subject, body=text.body, is_shipped=is_shipped
    )
    return _published(version, note, by)


def _published(version: NoticeTemplateVersion, note: str, by: User) -> NoticeTemplateVersion:
    version.state, version.note = State.PUBLISHED, note.strip()
    version.published_at, version.published_by = clock.now(), by
    version.changed_by = version.changed_by or by
    version._change_reason = f"published: {note.strip()}"[:100]  # type: ignore[attr-defined]
    version.save()
    return version


def _locked(place: Place) -> NoticeTemplate:
    """Return the template's row, made if need be, so that two people cannot publish at once."""
    NoticeTemplate.objects.get_or_create(key=place.kind.key, channel=place.channel, language=place.language)
    return NoticeTemplate.objects.select_for_update().get(
        key=place.kind.key, channel=place.channel, language=place.language
    )


def _next_number(template: NoticeTemplate) -> int:
    return (template.versions.aggregate(most=Max("number"))["most"] or 0) + 1


def _must_be_good(place: Place, text: Text) -> None:
    for field, findings in mistakes(place, text).items():
        raise Refused("template_error", f"{field.capitalize()}: {findings[0]}")


def _must_have_note(note: str) -> None:
    if not note.strip():
        raise Refused("no_note", "Say why the text changes, such as “Friendlier first reminder”.")


def send_test(place: Place, letter: Letter, *, to_address: str, by: User, sender: str = "") -> str:
    """Send a rendered letter to the member of staff who asks, marked as a test; return what came of it.

    It goes by the real channel but not through the outbox: no customer's history shows it. Raises Refused after
    ten within an hour, while everything is paused, or for an address that is none.
    """
    pause = open_pause()
    if pause is not None:
        raise Refused("paused", f"{pause.words} Tests wait as well; end the pause first.")
    _must_be_address(place.channel, to_address)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=by.pk)
        since = clock.now() - timedelta(hours=1)
        if TemplateTest.objects.filter(sent_by=by, sent_at__gt=since).count() >= TESTS_PER_HOUR:
            raise Refused("too_many", f"You have sent {TESTS_PER_HOUR} tests within an hour. Wait a little.")
        row = TemplateTest.objects.create(
            template_key=place.kind.key, channel=place.channel, language=place.language, to_address=to_address,
            sent_by=by, outcome="sending",
        )  # fmt: skip
    row.outcome, row.detail = _hand_over(place, letter, to_address, sender)
    row.save(update_fields=["outcome", "detail"])
    if row.outcome != "accepted":
        raise Refused("not_sent", f"The test to {to_address} did not go out: {row.detail}")
    return f"A test was sent to {to_address}."


def _hand_over(place: Place, letter: Letter, to_address: str, sender: str) -> tuple[str, str]:
    message = Message(
        key=f"test:{uuid4()}",
        channel=place.channel,
        to_address=to_address,
        subject=f"{TEST_MARK}{letter.subject}" if letter.subject else "",
        body=letter.body if letter.subject else f"{TEST_MARK}{letter.body}",
        language=place.language,
        sender=sender,
    )
    try:
        receipt = channel_for(place.channel).send(message)
    except Rejected as error:
        return "rejected", error.words[:300]
    except Unavailable as error:
        return "unavailable", str(error)[:300]
    except OutcomeUnknown as error:
        return "unknown", f"Nobody knows whether it went out. {error}"[:300]
    return "accepted", receipt.provider_id


def _must_be_address(channel: str, address: str) -> None:
    """Refuse what is no address of the channel, with how to write one."""
    if channel == "email":
        try:
            validate_email(address)
        except ValidationError as error:
            words = "Your user has no e-mail address that can be used. Ask an administrator to enter one."
            raise Refused("no_address", words) from error
        return
    digits = address.removeprefix("+")
    if not (address.startswith("+") and digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15):
        raise Refused("no_address", "Write your number with its country code, such as +15550109999.")


def last_phone_of(user: User) -> str:
    """Return the number to which a member of staff has sent a test last, so that it is typed once."""
    rows = TemplateTest.objects.filter(sent_by=user).exclude(channel="email")
    return rows.values_list("to_address", flat=True).first() or ""


def example_context(place: Place) -> dict[str, str]:
    """Return the example of every variable of a letter, for what no real account knows."""
    return {variable.name: variable.example_in(place.language) for variable in place.kind.variables}


def left_to_examples(place: Place, known: Mapping[str, str], text: Text) -> Sequence[str]:
    """Return which variables that a text uses are shown with an example, because the account has none."""
    used = used_variables(text.subject) + used_variables(text.body)
    return [
        name for name in dict.fromkeys(used)
        if name in place.kind.names and name not in known and f"{name}_{place.language}" not in known
    ]  # fmt: skip
