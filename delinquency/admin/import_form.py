"""The form in which a person says which of a file's columns is which of ours, and how dates and amounts are read."""

from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.admin.field_help import DeskForm
from accounts.models import AccountStatus
from delinquency.imports.columns import CHOICE, DAY, MOMENT, YES_NO, Choice, Column, is_needed
from delinquency.imports.converting import DATE_ORDERS, DECIMALS
from delinquency.imports.desk import columns_of
from delinquency.imports.files import DELIMITERS, ENCODINGS, XLSX
from delinquency.models import ImportFile
from invoicing.models import BillingDefault

LINES_MAX = 200
_NAMES = {
    "ipv4": "IPv4 address", "radius_username": "RADIUS user", "timezone": "time zone", "email": "e-mail",
    "next_bill_on": "next bill date", "issued_on": "invoice date", "due_on": "due date", "on": "day of the export",
    "last4": "last four digits", "since": "delinquent since", "reversed_on": "returned on", "expires_on": "expiry date",
}  # fmt: skip
_LABELS = {
    "c0": "column of the file",
    "c1": "joined with",
    "c2": "and with",
    "c3": "and with",
    "i0": "where that is blank",
    "i1": "joined with",
}


class ReadAsForm(DeskForm):
    """Ask for the encoding and the delimiter of a CSV file."""

    encoding = forms.ChoiceField(
        choices=[("", "– choose –"), *ENCODINGS.items()],
        help_text="Choose the one with which names with accents are right below.",
    )
    delimiter = forms.ChoiceField(label="Between the cells", choices=list(DELIMITERS.items()))


def words_of(column: Column) -> str:
    """Return how a person calls a column of ours."""
    return _NAMES.get(column.name) or column.name.replace("_", " ")


class ColumnsForm(DeskForm):
    """Ask for each of our columns from which of the file's it comes, or one value for all rows."""

    def __init__(self, *args: Any, file: ImportFile, **kwargs: Any) -> None:
        self.file = file
        self.columns = columns_of(file)
        choice = Choice.read(file.mapping)
        kwargs["initial"] = {**_initial(self.columns, choice), **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)
        headers = [("", "– none –"), *((name, name) for name in file.headers)]
        known = _known_values()
        for column in self.columns:
            for place in column.places:
                self.fields[f"{column.name}-{place}"] = forms.ChoiceField(
                    label=_LABELS[place], choices=headers, required=False,
                    help_text=column.hint if place == "c0" else "",
                )  # fmt: skip
            if column.may_be_fixed:
                field = forms.CharField(label="or one value for all rows", max_length=200, required=False)
                if column.name in known:
                    names = list(known[column.name])
                    field = forms.ChoiceField(  # type: ignore[assignment]
                        label="or one for all rows", required=False,
                        choices=[("", "– none –"), *((name, name) for name in names)],
                    )  # fmt: skip
                self.fields[f"{column.name}-fixed"] = field
            if column.holds in (CHOICE, YES_NO):
                self.fields[f"{column.name}-words"] = forms.CharField(
                    label=f"What its words mean for {words_of(column)}", required=False, max_length=10_000,
                    widget=forms.Textarea(attrs={"rows": 3}),
                    help_text="One a line, such as “Suspended = Delinquent”. What is not named stays as it is.",
                )  # fmt: skip
        self._add_the_rest()

    def _add_the_rest(self) -> None:
        if any(column.holds in (DAY, MOMENT) for column in self.columns):
            self.fields["date_order"] = forms.ChoiceField(
                label="Dates are written as", required=False,
                choices=[("", "only dates that can be read in one way"), *DATE_ORDERS.items()],
                help_text="02/03/04 can be three days. While none is chosen, such a date is refused; 2026-01-31 and"
                " 31 Jan 2026 are always understood.",
            )  # fmt: skip
        if any(column.holds in ("amount", "balance") for column in self.columns):
            self.fields["decimal"] = forms.ChoiceField(
                label="Decimal sign",
                required=False,
                choices=[("", "only amounts that can be read in one way"), *DECIMALS.items()],
                help_text="1.234 can be one thousand or a little over one. While none is chosen, it is refused.",
            )
            self.fields["negate"] = forms.BooleanField(
                label="Turn the sign of amounts around",
                required=False,
                help_text="For a program that writes payments, or what is owed, with a minus sign.",
            )
        self.fields["leave_out"] = forms.CharField(
            label="Leave out rows where",
            required=False,
            max_length=10_000,
            widget=forms.Textarea(attrs={"rows": 3}),
            help_text="One a line, a column of the file and its value, such as “Status = Draft”.",
        )

    @property
    def groups(self) -> list[dict[str, Any]]:
        """Return the fields, column by column of ours, as the page shows them."""
        return [
            {
                "needed": is_needed(self.file.kind, column), "words": words_of(column),
                "fields": [self[f"{column.name}-{place}"] for place in column.places]
                + [self[name] for name in (f"{column.name}-fixed",) if name in self.fields],
            }
            for column in self.columns
        ]  # fmt: skip

    @property
    def translations(self) -> list[Any]:
        """Return the fields in which words are translated."""
        return [self[name] for name in self.fields if name.endswith("-words")]

    @property
    def reading(self) -> list[Any]:
        """Return the fields about dates, amounts and rows."""
        return [self[name] for name in ("date_order", "decimal", "negate", "leave_out") if name in self.fields]

    def clean(self) -> dict[str, Any]:
        """Read the lines of words and of rows to leave out."""
        found: dict[str, Any] = super().clean() or self.cleaned_data
        for name in [name for name in self.fields if name.endswith("-words") or name == "leave_out"]:
            if name in found:
                found[name] = self._pairs(name, found[name])
        for theirs, _value in found.get("leave_out") or ():
            if theirs not in self.file.headers:
                self.add_error("leave_out", f"“{theirs}” is no column of this file; write one of its names.")
        return found

    def _pairs(self, name: str, text: str) -> list[tuple[str, str]]:
        pairs = []
        for line in text.splitlines()[:LINES_MAX]:
            theirs, equals, ours = line.rpartition("=") if name == "leave_out" else line.partition("=")
            if equals:
                pairs.append((theirs.strip(), ours.strip()))
            elif line.strip():
                self.add_error(name, f"“{line.strip()[:60]}” has no equals sign; write it like “Suspended = Inactive”.")
        return pairs

    def choice(self) -> Choice:
        """Return what was chosen; call it once the form is valid."""
        data = self.cleaned_data
        columns: dict[str, dict[str, str]] = {}
        for column in self.columns:
            places = {place: data[f"{column.name}-{place}"] for place in column.places}
            if any(places.values()):
                columns[column.name] = {place: name for place, name in places.items() if name}
        leave_out: dict[str, list[str]] = {}
        for theirs, value in data.get("leave_out") or ():
            leave_out.setdefault(theirs, []).append(value)
        return Choice(
            columns=columns,
            fixed={c.name: data[f"{c.name}-fixed"] for c in self.columns if data.get(f"{c.name}-fixed")},
            words={c.name: dict(data[f"{c.name}-words"]) for c in self.columns if data.get(f"{c.name}-words")},
            date_order=data.get("date_order", ""), decimal=data.get("decimal", ""),
            negate=bool(data.get("negate")), leave_out=leave_out,
        )  # fmt: skip


def _initial(columns: tuple[Column, ...], choice: Choice) -> dict[str, Any]:
    found: dict[str, Any] = {
        "date_order": choice.date_order, "decimal": choice.decimal, "negate": choice.negate,
        "leave_out": "\n".join(f"{name} = {value}" for name, values in choice.leave_out.items() for value in values),
    }  # fmt: skip
    for column in columns:
        for place, name in choice.columns.get(column.name, {}).items():
            found[f"{column.name}-{place}"] = name
        found[f"{column.name}-fixed"] = choice.fixed.get(column.name, "")
        words = choice.words.get(column.name, {})
        found[f"{column.name}-words"] = "\n".join(f"{theirs} = {ours}" for theirs, ours in words.items())
    return found


def _known_values() -> Mapping[str, Any]:
    """Return our columns whose values are names of rows here, and the names."""
    return {
        "status": AccountStatus.objects.order_by("name").values_list("name", flat=True),
        "billing_default": BillingDefault.objects.order_by("name").values_list("name", flat=True),
    }


def reads_text(file: ImportFile) -> bool:
    """Tell whether a file is text, so that its encoding can be chosen."""
    return file.encoding != XLSX
