"""Help, with an example, for the fields of the billing room."""

from accounts.admin.field_help import teach

teach(
    "invoicing.billingdefault",
    name="What staff call these terms, such as Residential. Imported accounts name it.",
    bill_day="Day of the month on which invoices are made, such as 1; from 1 to 28 (X11, A34).",
    due_days="Days from the invoice date to the due date (X2), such as 15: an invoice of the 1st is due on the 16th.",
    daily_billing="Bill by itself on the bill date (S29). Off: a clerk bills by hand.",
    prorate_account_status_change="Credit the days from a status switch to the next bill date, and debit them on"
    " return (S27, A20), such as four days of January.",
)
teach(
    "invoicing.billingparameters",
    account="Whose terms these are, such as 10023 Lopez Bakery.",
    billing_default="Where they were copied from, such as Residential; changing that later changes nothing here (X12).",
    bill_day="The day that bills are anchored to, such as 1; 29 to 31 (imports only) bill on the last day of shorter"
    " months, without drifting (A34).",
    due_days="Days from the invoice date to the due date (X2), such as 15: an invoice of the 1st is due on the 16th.",
    next_bill_on="The account's next bill date, such as 2026-02-01. Blank: nothing is billed until one is set.",
)
teach(
    "invoicing.catalogitem",
    name="As it stands on bills, such as Fibre 300.",
    kind="What it is, such as a monthly service or a one-time charge; fees are found by it.",
    price="In the company's currency, such as 49.90.",
)
teach(
    "invoicing.discount",
    name="As it stands on bills, such as Senior discount.",
    percent="Taken off the price, such as 10 for a tenth.",
    amount="Taken off after the percentage, such as 5.00; a line never goes below zero.",
)
teach("invoicing.tax", name="As it stands on bills, such as City tax.")
teach(
    "invoicing.moneylimit",
    group="The role it is for, such as Billing clerks. Who is in several roles has the highest of their limits.",
    waive_max="The largest fee waived, or credit given on an invoice, at one time and in the account's currency, such"
    " as 25.00. Above it a second person decides.",
    write_off_max="The most written off, or voided, at one time, such as 250.00. Above it a second person decides.",
    refund_max="The most paid back at one time, such as 100.00. Above it a second person decides.",
)
teach(
    "invoicing.subscription",
    account="Who has it, such as 10023 Lopez Bakery.",
    item="What is billed each month, such as Fibre 300.",
    quantity="How many of it, such as 1.",
    price="This account's own price, such as 39.90. Blank: the catalogue's.",
    discount="What is taken off, such as Senior discount. Blank: nothing.",
    starts_on="First day billed, such as 2026-02-01. Blank: always.",
    ends_on="Last day billed, such as 2026-08-31. Blank: until cancelled.",
)
