"""Template key, language and a flat dictionary of texts in; subject and body out.

The files are ``templates/notices/{email,sms,voice}/KEY.LANGUAGE.txt``, written in Liquid; the first line
of an e-mail's file is its subject. Staff edit them, so they are rendered in a sandbox: texts only, no
objects, an unknown variable is an error and not a blank, and size and loops are limited.

Variables: account_name, account_number, company_name, contact_name, currency, amount_due; and these that
may be left out and are then blank: company_phone, oldest_due_on, oldest_invoice, next_step, pay_url,
restore_amount. A variable with a language's suffix, such as next_step_es, wins over the plain one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from liquid import BoundTemplate, Environment, StrictUndefined
from liquid.exceptions import LiquidError

from billing_project.kernel.errors import Refused

OPTIONAL = ("company_phone", "oldest_due_on", "oldest_invoice", "next_step", "pay_url", "restore_amount")
FALLBACK_LANGUAGE = "en"
SUBJECT_LENGTH = 200

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_LANGUAGE = re.compile(r"[a-z]{2}(-[a-z]{2})?")


class _Sandbox(Environment):
    """Liquid with limits: a template cannot loop, nest or write without end."""

    context_depth_limit = 10
    loop_iteration_limit = 1_000
    output_stream_limit = 20_000
    local_namespace_limit = 20_000


_environment = _Sandbox(undefined=StrictUndefined, strict_filters=True)


@dataclass(frozen=True, slots=True)
class Letter:
    """A rendered letter; only e-mails have a subject."""

    subject: str
    body: str


def render(*, channel: str, template: str, language: str, context: Mapping[str, str]) -> Letter:
    """Render a letter; raises Refused("template_error") if it is unknown, wrong, or lacks a variable."""
    try:
        text = _load(channel, template, language).render(**_flat(context, language))
    except LiquidError as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _broken(channel, template, language, f"{reason}; mend the template or supply the variable.") from error
    if channel != "email":
        return Letter("", " ".join(text.split()))
    subject, _, body = text.strip().partition("\n")
    # One line and no control characters: a name must not be able to add headers.
    return Letter(" ".join(subject.split())[:SUBJECT_LENGTH], _tidy(body))


def render_text(text: str, *, context: Mapping[str, str], language: str) -> str:
    """Render a text that staff have written, such as a canned reply; raises Refused as `render` does."""
    try:
        return _tidy(_environment.from_string(text).render(**_flat(context, language))).strip()
    except LiquidError as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Refused("template_error", f"The text cannot be filled in: {reason}; mend it.") from error


def variables_of(text: str) -> frozenset[str]:
    """Return the names of the variables that a text uses; raises Refused if it is no template at all."""
    try:
        return frozenset(_environment.from_string(text).analyze().globals)
    except LiquidError as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Refused("template_error", f"The text cannot be read: {reason}; mend it.") from error


def known_templates(channel: str = "email") -> frozenset[str]:
    """Return the keys of all templates that a channel has."""
    return frozenset(path.name.partition(".")[0] for path in (_folder() / channel).glob("*.txt"))


def _flat(context: Mapping[str, str], language: str) -> dict[str, str]:
    """Return the variables for one language; raises Refused if one is not a text."""
    for name, value in context.items():
        if not isinstance(value, str):
            raise Refused(
                "template_error", f"Variable {name} of a notice is a {type(value).__name__}; pass it as text."
            )
    suffix = f"_{language}"
    translated = {name.removesuffix(suffix): text for name, text in context.items() if name.endswith(suffix)}
    return {**dict.fromkeys(OPTIONAL, ""), **context, **translated}


@lru_cache(maxsize=256)
def _load(channel: str, template: str, language: str) -> BoundTemplate:
    """Return the parsed template; English stands in for a language that has no file."""
    if not (_KEY.fullmatch(template) and _LANGUAGE.fullmatch(language)):
        raise _broken(channel, template, language, "its name is impossible; use small letters, digits, _ and -.")
    folder = _folder() / channel
    for name in (f"{template}.{language}.txt", f"{template}.{FALLBACK_LANGUAGE}.txt"):
        if (folder / name).is_file():
            return _environment.from_string((folder / name).read_text(encoding="utf-8"))
    raise _broken(channel, template, language, f"there is no such file in templates/notices/{channel}/; add it.")


def _folder() -> Path:
    return Path(settings.BASE_DIR) / "templates" / "notices"


def _tidy(body: str) -> str:
    """Close the gaps that left-out sentences leave."""
    return re.sub(r"\n{3,}", "\n\n", body).strip() + "\n"


def _broken(channel: str, template: str, language: str, reason: str) -> Refused:
    return Refused("template_error", f"Notice template {channel}/{template}.{language}: {reason}")
