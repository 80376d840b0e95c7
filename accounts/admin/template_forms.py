"""The forms of the text editor: the text, the accounts to show it for, publishing it, and a test to oneself."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings

from accounts.models import Account, Company, OutreachRules, User
from accounts.models.template import SUBJECT_LENGTH
from accounts.outreach import editing
from accounts.outreach.editing import Place
from accounts.outreach.preview import SHOWN, accounts_numbered
from accounts.outreach.rendering import Text, render_text
from accounts.outreach.segments import Measure, measure, spoken_seconds
from billing_project.kernel.errors import Refused

from .field_help import DeskForm


class TextForm(DeskForm):
    """A letter's text; each mistake is told at its field, with line and column."""

    subject = forms.CharField(
        max_length=SUBJECT_LENGTH, required=False, strip=True,
        help_text="One line. Say what the letter is about; an amount and a day help most.",
    )  # fmt: skip
    body = forms.CharField(
        label="Text", required=False, strip=True, widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "true"})
    )

    def __init__(self, *args: Any, place: Place, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.place = place
        self.fields["body"].widget.attrs["lang"] = place.language
        if place.channel != "email":
            del self.fields["subject"]
            self.fields["body"].widget.attrs["rows"] = 8
        self.fields["body"].help_text = {
            "email": "Leave an empty line between paragraphs. A paragraph that ends in {{ pay_url }} becomes a button.",
            "sms": "Line breaks become spaces. Signs such as á or ’ make a message longer; the preview says which.",
            "voice": "Short sentences, as one speaks. Line breaks become pauses of a space.",
        }[place.channel]

    @property
    def typed(self) -> Text:
        """Return what was typed, its line ends made plain."""
        return Text(_plain(self.data.get("subject", "")), _plain(self.data.get("body", "")))

    def clean(self) -> dict[str, Any]:
        """Read the text as the sandbox does, and say at its field what must be mended."""
        cleaned = super().clean() or self.cleaned_data
        for name, findings in editing.mistakes(self.place, self.typed).items():
            for finding in findings:
                self.add_error(name if name in self.fields else "body", str(finding))
        return cleaned


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


class AccountsForm(DeskForm):
    """Up to three accounts, by their numbers."""

    account_1 = forms.CharField(label="First account", required=False, max_length=64)
    account_2 = forms.CharField(label="Second account", required=False, max_length=64)
    account_3 = forms.CharField(label="Third account", required=False, max_length=64)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.accounts: list[Account] = []
        for name in self.fields:
            self.fields[name].widget.attrs["list"] = "some-accounts"

    def clean(self) -> dict[str, Any]:
        """Find the accounts; say at its field which is none."""
        cleaned = super().clean() or self.cleaned_data
        numbers = {name: number for name, number in cleaned.items() if number}
        found = accounts_numbered(numbers.values())
        for name, number in numbers.items():
            if number not in found:
                self.add_error(name, f"There is no account {number}. Write an account's number, such as 10042.")
        self.accounts = [found[number] for number in dict.fromkeys(numbers.values()) if number in found][:SHOWN]
        return cleaned


class PublishForm(DeskForm):
    """Why a text changes; kept with the version."""

    note = forms.CharField(
        label="Why", max_length=200, help_text="Kept with the version, such as “Friendlier first reminder”."
    )
    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)


class TestForm(DeskForm):
    """For which account, and to which of one's own addresses."""

    account = forms.ChoiceField(label="As for account")
    phone = forms.CharField(
        label="Your number", max_length=16, help_text="With its country code, such as +15550109999; it is remembered."
    )

    def __init__(self, *args: Any, place: Place, user: User, numbers: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.place, self.user = place, user
        choices: Any = self.fields["account"]
        choices.choices = [(number, number) for number in numbers]
        if place.channel == "email":
            del self.fields["phone"]
        else:
            self.fields["phone"].initial = editing.last_phone_of(user)

    @property
    def to_address(self) -> str:
        """Return where the test goes: the user's own e-mail address, or the number that was typed."""
        return self.user.email if self.place.channel == "email" else self.cleaned_data["phone"].replace(" ", "")


def example_length(place: Place, text: Text) -> Measure | int | None:
    """Return how long a text is with the example of every variable: segments, or seconds; None for an e-mail."""
    if place.channel == "email":
        return None
    try:
        letter = render_text(
            text, channel=place.channel, template=place.kind.key, language=place.language,
            context=editing.example_context(place),
        )  # fmt: skip
    except Refused:
        return None
    return measure(letter.body) if place.channel == "sms" else spoken_seconds(letter.body)


def own_hosts(host: str) -> list[str]:
    """Return the hosts that links may lead to without a warning: ours, and those the companies write from."""
    senders = Company.objects.exclude(email_sender="").values_list("email_sender", flat=True)
    mail = {sender.rpartition("@")[2].rstrip("> ").lower() for sender in senders if "@" in sender}
    return sorted({host.split(":")[0], urlsplit(settings.PUBLIC_BASE_URL).hostname or "", *mail} - {""})


def price_of(account: Account, channel: str) -> Decimal | None:
    """Return what one segment of a text, or one minute of a call, costs the account's company."""
    rules = getattr(account.company, "outreach_rules", None) or OutreachRules(company=account.company)
    return {"sms": rules.sms_price, "voice": rules.voice_price}.get(channel)
