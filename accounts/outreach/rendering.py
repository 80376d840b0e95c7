"""Letter, language and a flat dictionary of texts in; subject and body out.

A text is looked for in this order: the live version in the contact's language, the shipped file in it, the live
version in English, the English file. The files are ``templates/notices/{email,sms,voice}/KEY.LANGUAGE.txt``; the
first line of an e-mail's file is its subject. All of them are Liquid in a sandbox (see ``sandbox``), and what they
may say is in the ``letterbook``. A variable with a language's suffix, such as next_step_es, wins over the plain one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from liquid.exceptions import LiquidError

from accounts.models import Account, Contact, NoticeTemplateVersion
from billing_project.kernel.errors import Refused

from .letterbook import LANGUAGES, VARIABLES, letter_kind
from .sandbox import SIZE_MAX, compiled

FALLBACK_LANGUAGE = "en"
SUBJECT_LENGTH = 200

# Unicode's categories Cc and Cs, but for the line feed and the tabulator.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_LANGUAGE = re.compile(r"[a-z]{2}(-[a-z]{2})?")
_LIVE_FIELDS = (
    "template__channel", "template__key", "template__language", "subject", "body", "number", "is_shipped",
)  # fmt: skip
TextKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Letter:
    """A rendered letter; only e-mails have a subject. ``version`` 0 is the shipped text."""

    subject: str
    body: str
    version: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """The source of a letter. ``version`` 0 is the shipped file."""

    subject: str
    body: str
    version: int = 0


class Texts:
    """The edited texts that are live, read once for many letters."""

    def __init__(self, edited: Mapping[TextKey, Text]) -> None:
        """Keep the live texts by channel, letter and language."""
        self._edited = edited

    def find(self, channel: str, template: str, language: str) -> Text | None:
        """Return the text in use for a letter in a language; English stands in for one that has none."""
        for name in dict.fromkeys((language, FALLBACK_LANGUAGE)):
            text = self._edited.get((channel, template, name)) or shipped(channel, template, name)
            if text is not None:
                return text
        return None


def live_texts(templates: Iterable[str]) -> Texts:
    """Return what is live of some letters, by one query for any number of them."""
    rows = (
        NoticeTemplateVersion.objects.filter(
            template__key__in=set(templates), state=NoticeTemplateVersion.State.PUBLISHED
        )
        .order_by("template_id", "-number")
        .distinct("template_id")
        .values_list(
            "template__channel", "template__key", "template__language", "subject", "body", "number", "is_shipped"
        )
    )
    return Texts({
        (channel, key, language): Text(subject, body, number)
        for channel, key, language, subject, body, number, is_shipped in rows
        if not is_shipped
    })  # fmt: skip


def render(
    *, channel: str, template: str, language: str, context: Mapping[str, str], texts: Texts | None = None
) -> Letter:
    """Render a letter; raises Refused("template_error") if it is unknown, wrong, or lacks a variable.

    ``texts`` are the live texts if many letters are rendered; without them they are read for this one.
    """
    if not (_KEY.fullmatch(template) and _LANGUAGE.fullmatch(language)):
        raise _broken(channel, template, language, "its name is impossible; use small letters, digits, _ and -.")
    text = (texts or live_texts([template])).find(channel, template, language)
    if text is None:
        words = f"there is no such file in templates/notices/{channel}/; add it."
        raise _broken(channel, template, language, words)
    return render_text(text, channel=channel, template=template, language=language, context=context)


def render_text(text: Text, *, channel: str, template: str, language: str, context: Mapping[str, str]) -> Letter:
    """Render a given text, such as a draft, just as :func:`render` would."""
    flat = _flat(context, template, language)
    try:
        body = compiled(text.body).render(**flat)
        subject = compiled(text.subject).render(**flat) if channel == "email" else ""
    except LiquidError as error:
        reason = str(error.message or type(error).__name__)
        raise _broken(channel, template, language, f"{reason}; mend the template or supply the variable.") from error
    except Refused as refusal:
        raise _broken(channel, template, language, refusal.words) from refusal
    if len(body) > SIZE_MAX:
        raise _broken(channel, template, language, f"the letter is longer than {SIZE_MAX:,} characters; shorten it.")
    if channel != "email":
        return Letter("", " ".join(_printable(body).split()), text.version)
    # One line and no control characters: a name must not be able to add headers.
    return Letter(" ".join(_printable(subject).split())[:SUBJECT_LENGTH], _tidy(body), text.version)


def account_texts(account: Account, contact: Contact | None) -> dict[str, str]:
    """Return the variables that every letter knows; without a contact, all but its name."""
    texts = {
        "account_name": account.name,
        "account_number": account.number,
        "company_name": account.company.name,
        "company_phone": account.company.phone,
        "currency": account.company.currency,
    }
    return texts | {"contact_name": contact.name} if contact else texts


def known_templates(channel: str = "email") -> frozenset[str]:
    """Return the keys of all letters that a channel has."""
    return frozenset(path.name.partition(".")[0] for path in (_folder() / channel).glob("*.txt"))


@lru_cache(maxsize=512)
def shipped(channel: str, template: str, language: str) -> Text | None:
    """Return the text that came with the program, or None if there is none in that language."""
    if not (_KEY.fullmatch(template) and _LANGUAGE.fullmatch(language)):
        return None
    file = _folder() / channel / f"{template}.{language}.txt"
    if not file.is_file():
        return None
    source = file.read_text(encoding="utf-8").strip()
    if channel != "email":
        return Text("", source)
    subject, _, body = source.partition("\n")
    return Text(subject.strip(), body.strip())


def _flat(context: Mapping[str, str], template: str, language: str) -> dict[str, str]:
    """Return a letter's variables for one language; raises Refused for one that is no text or has no such name."""
    kind = letter_kind(template)
    flat = dict.fromkeys(kind.names if kind else VARIABLES, "")
    for name in kind.needs if kind else ():
        del flat[name]
    for name, value in sorted(context.items(), key=lambda item: item[0].endswith(f"_{language}")):
        if not isinstance(value, str):
            raise Refused(
                "template_error", f"Variable {name} of a notice is a {type(value).__name__}; pass it as text."
            )
        plain, _, suffix = name.rpartition("_")
        own = name if name in VARIABLES else plain
        if own not in VARIABLES or (own != name and suffix not in LANGUAGES):
            raise Refused("template_error", f"Notices have no variable {name}; add it to the letterbook.")
        if own == name or suffix == language:
            flat[own] = value
    return flat


def _folder() -> Path:
    return Path(settings.BASE_DIR) / "templates" / "notices"


def _printable(text: str) -> str:
    """Return a text without control characters, which can add headers or break a provider's interface."""
    return _CONTROL.sub("", text)


def _tidy(body: str) -> str:
    """Close the gaps that left-out sentences leave."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", _printable(body))).strip() + "\n"


def _broken(channel: str, template: str, language: str, reason: str) -> Refused:
    return Refused("template_error", f"Notice template {channel}/{template}.{language}: {reason}")
