"""The one check that keeps card numbers out of what staff type (SEC-13)."""

from typing import TYPE_CHECKING, Any

from django import forms

from billing_project.kernel.texts import CARD_WORDS, holds_card

if TYPE_CHECKING:
    _Form = forms.BaseForm
else:
    _Form = object


def refuse_cards_in(form: forms.BaseForm) -> None:
    """Put an error on each text field of a checked form whose text looks like it holds a card number."""
    for name, value in list(form.cleaned_data.items()):
        if isinstance(value, str) and holds_card(value):
            form.add_error(name, f"This {CARD_WORDS}")
            # What was typed is not shown again either.
            _forget(form, name)


def _forget(form: forms.BaseForm, name: str) -> None:
    data = form.data.copy() if hasattr(form.data, "copy") else dict(form.data)
    data[form.add_prefix(name)] = ""
    form.data = data


class NoCards(_Form):
    """A form in which no text may look like a card number; mix it in before the form's own class."""

    def _clean_form(self) -> None:
        """Check every text once the form's own checks are done."""
        super()._clean_form()  # type: ignore[misc]
        form: Any = self
        refuse_cards_in(form)
