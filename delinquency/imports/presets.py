"""How other billing programs name and write what they export: a first choice of columns, to be looked at by a person.

The names are those of the programs' lists and of their published interfaces; they are compared without capitals, spaces
and signs, so “First Name”, “firstName” and “first_name” are one. See docs/imports.md for what each export lacks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from delinquency.models import ImportFile

from .columns import Choice

Kind = ImportFile.Kind
OURS = "ours"
SOURCES: Mapping[str, str] = {
    OURS: "Our own columns", "sonar": "Sonar", "uisp": "UISP (UCRM)", "whmcs": "WHMCS", "splynx": "Splynx",
    "old system": "Another program",
}  # fmt: skip

# The names that one of our columns may have there, the likeliest first; a tuple is joined, if its first is there.
Names = tuple[str | tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One export of one program."""

    columns: Mapping[str, Names]
    instead: Mapping[str, Names] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    leave_out: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def choose(self, headers: Sequence[str]) -> Choice:
        """Return the choice of columns for a file with these headers; what it lacks is left to the person."""
        by_name = {_plain(name): name for name in reversed(headers)}
        columns: dict[str, dict[str, str]] = {}
        for letter, wanted in (("c", self.columns), ("i", self.instead)):
            for ours, names in wanted.items():
                found = _first(names, by_name)
                columns.setdefault(ours, {}).update({f"{letter}{n}": name for n, name in enumerate(found)})
        return Choice(
            columns={ours: places for ours, places in columns.items() if places},
            fixed=dict(self.fixed),
            words={ours: dict(words) for ours, words in self.words.items()},
            leave_out={
                by_name[_plain(name)]: list(values)
                for name, values in self.leave_out.items() if _plain(name) in by_name
            },
        )  # fmt: skip


def find(source: str, kind: str) -> Preset | None:
    """Return what is known about a program's export of a kind."""
    return PRESETS.get((source, kind))


def _first(names: Names, by_name: Mapping[str, str]) -> list[str]:
    for name in names:
        wanted = (name,) if isinstance(name, str) else name
        if _plain(wanted[0]) in by_name:
            return [by_name[plain] for one in wanted if (plain := _plain(one)) in by_name]
    return []


def _plain(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalnum())


_PERSON: Names = (("First Name", "Last Name"), "Primary Contact", "Contact Name", "Full Name", "Name")
_STREET: Names = (("Street 1", "Street 2", "City", "Zip Code"), ("Street", "City", "Zip Code"),
                  ("Address 1", "Address 2", "City", "Postcode"), ("Line 1", "Line 2", "City", "Zip"),
                  "Full address", "Service Address", "Address")  # fmt: skip

PRESETS: Mapping[tuple[str, str], Preset] = {
    ("whmcs", Kind.ACCOUNTS): Preset(
        columns={
            "number": ("ID", "Client ID"), "name": ("Company Name", ("First Name", "Last Name")),
            "contact_name": _PERSON, "status": ("Status",), "email": ("Email", "Email Address"),
            "phone": ("Phone Number", "Phone"), "address": _STREET,
        },
        instead={"name": (("First Name", "Last Name"),)},
        words={"status": {"Closed": "Inactive"}},
        fixed={"bill_day": "1"},
    ),
    ("whmcs", Kind.SERVICES): Preset(
        columns={
            "account": ("Client ID", "User ID"), "monthly_charge": ("Recurring Amount",), "ipv4": ("Dedicated IP",),
            "radius_username": ("Username",),
        },
        leave_out={
            "Status": ("Terminated", "Cancelled", "Fraud", "Pending", "Completed"),
            # What is not paid by the month is no monthly charge.
            "Billing Cycle": ("Quarterly", "Semi-Annually", "Annually", "Biennially", "Triennially", "One Time",
                              "Free Account"),
        },
    ),
    ("uisp", Kind.SERVICES): Preset(
        columns={
            "account": ("Client custom ID", "Client User Ident", "Client ID"),
            "monthly_charge": ("Total price", "Price"), "ipv4": ("IP Address", "IPs"),
        },
        leave_out={"Status": ("Ended", "Prepared", "Quoted", "Obsolete", "2")},
    ),
    ("splynx", Kind.SERVICES): Preset(
        columns={
            "account": ("Customer ID", "Customer"), "monthly_charge": ("Unit price", "Price", "Total price"),
            "ipv4": ("IPv4", "IP"), "radius_username": ("Login", "Service login"),
        },
        leave_out={
            "Status": ("stopped", "Stopped", "disabled", "Disabled", "pending", "Pending", "archived", "Archived"),
        },
    ),
    ("sonar", Kind.SERVICES): Preset(
        columns={
            "account": ("Account ID",), "monthly_charge": ("Price", "Amount", "Price Override"),
            "ipv4": ("IP Address", "Assigned IP"), "radius_username": ("RADIUS Username", "Username"),
        },
        leave_out={"Type": ("ONE TIME", "One Time", "EXPIRING", "Expiring")},
    ),
    ("whmcs", Kind.INVOICES): Preset(
        columns={
            "number": ("Invoice Number", "Invoice Num", "ID"), "account": ("Client ID", "User ID"),
            "issued_on": ("Creation Date", "Invoice Date", "Date"), "due_on": ("Due Date",), "amount": ("Total",),
            "description": ("Notes",),
        },
        leave_out={"Status": ("Draft", "Cancelled", "Refunded"), "Total": ("0.00", "0")},
    ),
    ("whmcs", Kind.PAYMENTS): Preset(
        columns={
            "reference": ("ID", "Transaction ID"), "account": ("Client ID", "User ID"), "received": ("Date",),
            "amount": ("Amount In",), "invoice": ("Invoice ID",), "method": ("Payment Method", "Gateway"),
        },
        leave_out={"Amount In": ("0.00", "0")},
    ),
    ("uisp", Kind.ACCOUNTS): Preset(
        columns={
            "number": ("Custom ID", "User Ident", "ID"),
            "name": ("Company Name", "Name", "Client Name", ("First Name", "Last Name")),
            "contact_name": (("Company Contact First Name", "Company Contact Last Name"), *_PERSON),
            "status": ("Is Active", "Status"), "email": ("Email", "Emails", "Contact email", "Username"),
            "phone": ("Phone", "Phones", "Contact phone"), "address": _STREET,
        },
        instead={
            "name": (("First Name", "Last Name"),), "contact_name": (("First Name", "Last Name"), "Name"),
        },
        words={"status": {"1": "Active", "true": "Active", "yes": "Active", "Yes": "Active", "0": "Inactive",
                          "false": "Inactive", "no": "Inactive", "No": "Inactive", "Suspended": "Delinquent",
                          "Ended": "Inactive", "Archived": "Inactive", "Lead": "Inactive"}},
        fixed={"bill_day": "1", "status": "Active"},
    ),
    ("uisp", Kind.INVOICES): Preset(
        columns={
            "number": ("Number", "Invoice Number"),
            "account": ("Client custom ID", "Client User Ident", "Client ID"),
            "issued_on": ("Created Date", "Created date (invoice date)", "Date"), "due_on": ("Due Date",),
            "amount": ("Total", "Total amount"), "description": ("Notes",),
        },
        leave_out={"Status": ("0", "4", "5", "6", "Draft", "Void", "Proforma"), "Is Proforma": ("true", "1", "Yes")},
    ),
    ("uisp", Kind.PAYMENTS): Preset(
        columns={
            "reference": ("Provider Payment ID", "Receipt Number", "ID"),
            "account": ("Client custom ID", "Client User Ident", "Client ID"),
            "received": ("Created Date", "Date"), "amount": ("Amount",), "method": ("Method", "Payment Method"),
        },
    ),
    ("splynx", Kind.ACCOUNTS): Preset(
        columns={
            "number": ("ID", "Customer ID", "Portal login"), "name": ("Full name", "Name"),
            "contact_name": ("Full name", "Name"), "status": ("Status",), "email": ("Billing email", "Email"),
            "phone": ("Phone number", "Phone"), "address": (("Street", "ZIP code", "City"), *_STREET),
            "bill_day": ("Billing day",), "radius_username": ("Internet login", "Service login"),
            "ipv4": ("IPv4", "IP", "IP address"),
        },
        words={"status": {"active": "Active", "new": "Inactive", "New": "Inactive", "New (Not yet connected)":
                          "Inactive", "blocked": "Delinquent", "Blocked": "Delinquent", "disabled": "Inactive",
                          "Inactive (Doesn't use services)": "Inactive"}},
        fixed={"bill_day": "1"},
    ),
    ("splynx", Kind.INVOICES): Preset(
        columns={
            "number": ("Number", "Invoice number"), "account": ("Customer ID", "Customer"),
            "issued_on": ("Date created", "Date"), "due_on": ("Payment due", "Date till", "Due date"),
            "amount": ("Total",), "description": ("Note", "Memo"),
        },
        leave_out={"Status": ("deleted", "Deleted"), "Deleted": ("1",)},
    ),
    ("splynx", Kind.PAYMENTS): Preset(
        columns={
            "reference": ("Receipt number", "ID"), "account": ("Customer ID", "Customer"),
            "received": ("Date", "Real create datetime"), "amount": ("Amount", "Sum"),
            "invoice": ("Invoice number", "Invoice"), "method": ("Payment type", "Type"),
        },
    ),
    ("sonar", Kind.ACCOUNTS): Preset(
        columns={
            "number": ("Account ID", "ID"), "name": ("Account Name", "Name"),
            "contact_name": ("Primary Contact", "Primary Contact Name", "Contact Name", "Name"),
            "status": ("Account Status", "Status"), "email": ("Email Address", "Primary Contact Email", "Email"),
            "phone": ("Phone Number", "Primary Contact Phone", "Phone"), "address": _STREET,
            "next_bill_on": ("Next Bill Date",), "bill_day": ("Bill Day", "Anchor Day"),
            "ipv4": ("IP Address", "Assigned IP"), "monthly_charge": ("MRR", "Monthly Recurring Charge"),
        },
        fixed={"bill_day": "1"},
    ),
    ("sonar", Kind.INVOICES): Preset(
        columns={
            "number": ("Invoice ID", "Invoice Number", "ID"), "account": ("Account ID",),
            "issued_on": ("Date", "Invoice Date"), "due_on": ("Due Date",),
            "amount": ("Total", "Total Debits", "Invoice Total"), "description": ("Message",),
        },
        leave_out={"Void": ("true", "1", "Yes")},
    ),
    ("sonar", Kind.PAYMENTS): Preset(
        columns={
            "reference": ("Payment ID", "Transaction ID", "ID"), "account": ("Account ID",),
            "received": ("Payment Date", "Payment Datetime", "Date"), "amount": ("Amount",),
            "method": ("Payment Type", "Type"),
        },
        leave_out={"Successful": ("false", "0", "No")},
    ),
}  # fmt: skip
_OLD = {
    "whmcs": {"account": ("ID", "Client ID"), "status": ("Status",), "balance": ("Balance", "Amount Due")},
    "uisp": {
        "account": ("Custom ID", "User Ident", "ID"), "balance": ("Account Outstanding", "Outstanding"),
        "delinquent": ("Has Overdue Invoice",), "restricted": ("Has Suspended Service",),
    },
    "splynx": {"account": ("ID", "Customer ID"), "status": ("Status",), "balance": ("Account balance", "Deposit")},
    "sonar": {
        "account": ("Account ID", "ID"), "status": ("Account Status",), "balance": ("Total Balance", "Total Due"),
        "delinquent": ("Is Delinquent", "Delinquent"), "since": ("Delinquency Date", "Delinquent Since"),
    },
}  # fmt: skip
PRESETS = {**PRESETS, **{(source, Kind.OLD_STATES): Preset(columns=names) for source, names in _OLD.items()}}
