"""The list of letters: which texts are edited, who writes them, and how many went out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from accounts.models import NoticeTemplateVersion
from accounts.models.notice import Channel
from accounts.outreach.editing import Place
from accounts.outreach.letterbook import CHANNELS, LANGUAGES, LetterKind, Urgency
from accounts.outreach.preview import sent_lately, uses_of_letters
from accounts.outreach.rendering import live_texts

State = NoticeTemplateVersion.State
URGENCY_WORDS = {
    Urgency.ASKED_FOR: "asked for: goes out at any hour",
    Urgency.COURTESY: "a courtesy: if one way is closed, no other is tried",
    Urgency.NEEDED: "needed: takes another way if one is closed",
}
CHANNEL_WORDS = dict(Channel.choices) | {"email": "E-mail", "voice": "Voice"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One text in the list: where it is edited, what is live, and how often it went out."""

    language: str
    url: str
    version: int
    draft: bool
    sent: int


@dataclass(frozen=True, slots=True)
class Row:
    """One letter in the list, with its texts by channel."""

    kind: LetterKind
    urgency: str
    uses: Sequence[str]
    columns: Sequence[tuple[str, Sequence[Cell]]]


def address(place: Place, page: str = "text", **more: Any) -> str:
    """Return the address of one of a text's pages."""
    parts = {"key": place.kind.key, "channel": place.channel, "language": place.language}
    return reverse(f"admin:accounts_noticetemplate_{page}", kwargs=parts | more)


def rows_of(kinds: Sequence[LetterKind]) -> list[Row]:
    """Return the letters with their texts, by a constant number of queries."""
    live = live_texts(kind.key for kind in kinds)
    drafts = set(
        NoticeTemplateVersion.objects.filter(state=State.DRAFT).values_list(
            "template__key", "template__channel", "template__language"
        )
    )
    sent, uses = sent_lately(), uses_of_letters()

    def cell(kind: LetterKind, channel: str, language: str) -> Cell:
        text = live.find(channel, kind.key, language)
        return Cell(
            LANGUAGES[language], address(Place(kind, channel, language)), text.version if text else 0,
            (kind.key, channel, language) in drafts, sent.get((kind.key, channel, language), 0),
        )  # fmt: skip

    return [
        Row(
            kind, URGENCY_WORDS[kind.urgency], uses.get(kind.key, ()),
            [
                (CHANNEL_WORDS[name], [cell(kind, name, one) for one in LANGUAGES] if name in kind.channels else ())
                for name in CHANNELS
            ],
        )
        for kind in kinds
    ]  # fmt: skip
