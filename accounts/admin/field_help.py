"""What stands under the fields of the back office's forms: help with an example, errors that help (U14, U16).

Each room teaches its own fields here, in its ``admin/help_words.py``. The words are of the forms alone, so that a
better one needs no migration. What Django says of itself about a wrong value ("Enter a valid date.") tells nobody how
to mend it; here it does.
"""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import ProhibitNullCharactersValidator

if TYPE_CHECKING:
    _Form = forms.BaseForm
else:
    _Form = object

_TAUGHT: dict[str, dict[str, str]] = {}

REQUIRED = "Fill this in; it cannot be left blank."
# Whatever the kind of field.
_ALWAYS = {
    "required": REQUIRED,
    "unique": "Another %(model_name)s has this already; open that one, or choose another %(field_label)s.",
    "null_characters_not_allowed": "This holds a character that cannot be kept; type it anew.",
}
# By kind of field, the most special first: what is wrong, and how it is written.
_WORDS: tuple[tuple[type[forms.Field], dict[str, str]], ...] = (
    (forms.DateTimeField, {"invalid": "This is no date and time; write it like 2026-01-31 14:30."}),
    (forms.DateField, {"invalid": "This is no date; write it like 2026-01-31."}),
    (forms.TimeField, {"invalid": "This is no time of day; write it like 09:00."}),
    (
        forms.DecimalField,
        {"invalid": "This is no amount; write it with digits and a point, such as 12.50, without a currency."},
    ),
    (forms.IntegerField, {"invalid": "This is no whole number; write it with digits alone, such as 5."}),
    (forms.EmailField, {"invalid": "This is no e-mail address; write it like ann@example.com."}),
    (forms.URLField, {"invalid": "This is no web address; write it like https://billing.example.net."}),
    (forms.JSONField, {"invalid": "This cannot be read as JSON; write it like {\"tls\": true}, in double quotes."}),
    (
        forms.ModelMultipleChoiceField,
        {
            "invalid_choice": "One of these is not in the list any more; open the page again and choose anew.",
            "invalid_pk_value": "One of these is not in the list; choose from it.",
            "invalid_list": "Choose from the list.",
        },
    ),
    (
        forms.ModelChoiceField,
        {"invalid_choice": "This is not in the list any more; open the page again and choose anew."},
    ),
    (
        forms.ChoiceField,
        {
            "invalid_choice": "“%(value)s” is not in the list; choose one of it.",
            "invalid_list": "Choose from the list.",
        },
    ),
    (
        forms.FileField,
        {
            "invalid": "No file arrived; choose it once more.",
            "missing": "No file arrived; choose it once more.",
            "empty": "The file is empty; choose another.",
            "max_length": "Its name has %(length)d characters; rename it to at most %(max)d, and choose it again.",
            "invalid_image": "This is no picture, or a damaged one; choose a PNG or JPEG.",
            "contradiction": "Choose a file or tick “Clear”, not both.",
        },
    ),
    (
        forms.MultiValueField,
        {
            "invalid": "Fill in each part: the day like 2026-01-31, the time like 14:30.",
            "incomplete": "Fill in each part.",
        },
    ),
)  # fmt: skip
_LIMITS = {
    "min_value": "The least is %(limit_value)s; you wrote %(show_value)s.",
    "max_value": "The most is %(limit_value)s; you wrote %(show_value)s.",
    "max_length": "This is too long: at most %(limit_value)d characters, and you wrote %(show_value)d.",
    "min_length": "This is too short: at least %(limit_value)d characters, and you wrote %(show_value)d.",
}
_DIGITS = {
    "max_digits": "Write at most %(max)s digits.",
    "max_decimal_places": "Write at most %(max)s digits after the point.",
    "max_whole_digits": "Write at most %(max)s digits before the point.",
}
_STOCK_EMAIL = "Enter a valid email address."


def teach(model: str, **fields: str) -> None:
    """Keep the help texts of a model's fields, such as ``teach("accounts.accounttype", name="Such as …")``."""
    _TAUGHT.setdefault(model, {}).update(fields)


def explain(fields: dict[str, forms.Field], model: Any = None) -> None:
    """Give the fields of a form the help that was taught for its model, and errors that say how to mend them."""
    taught = _TAUGHT.get(model._meta.label_lower, {}) if model is not None else {}
    for name, field in fields.items():
        if name in taught:
            field.help_text = taught[name]
        _say_how_to_mend(field)


class SaysHow(_Form):
    """A form whose errors say how to mend them, those of fields that are added late too; mix it in first."""

    def full_clean(self) -> None:
        """Check what was typed, with the house's words in place of Django's."""
        explain(self.fields)
        super().full_clean()


class DeskForm(SaysHow, forms.Form):
    """What the forms of the back office are that belong to no row."""


def _say_how_to_mend(field: forms.Field) -> None:
    """Replace Django's own words, and no others."""
    stock: dict[str, Any] = {}
    for kind in reversed(type(field).__mro__):
        stock |= getattr(kind, "default_error_messages", {})
    better = {**_ALWAYS, **next((words for kind, words in _WORDS if isinstance(field, kind)), {})}
    for code, words in better.items():
        if field.error_messages.get(code) == stock.get(code):
            field.error_messages[code] = words
    if isinstance(field, forms.DecimalField):
        field.error_messages = {**_DIGITS, **field.error_messages}
    if hasattr(field, "validate_no_null_characters"):  # choices of rows ask it before anything else
        field.validate_no_null_characters = ProhibitNullCharactersValidator(_ALWAYS["null_characters_not_allowed"])
    for part in getattr(field, "fields", ()):  # a date and its time of day
        _say_how_to_mend(part)
    # The limits of a column are checked with the row, and their errors are worded by the field all the same; but a
    # limit that says itself how to mend it knows better.
    own = {getattr(validator, "code", "") for validator in field.validators if _has_own_words(validator)}
    field.error_messages = {
        **{code: words for code, words in _LIMITS.items() if code not in own}, **field.error_messages
    }  # fmt: skip
    if any(str(getattr(validator, "message", "")) == _STOCK_EMAIL for validator in field.validators):
        field.error_messages["invalid"] = "This is no e-mail address; write it like ann@example.com."


def _has_own_words(validator: Any) -> bool:
    return getattr(validator, "code", "") in _LIMITS and getattr(validator, "message", "") != type(validator).message
