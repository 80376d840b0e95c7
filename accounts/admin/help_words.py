"""Help, with an example, for the fields of the customers' room."""

from .field_help import teach

teach(
    "accounts.accountstatus",
    name="What staff call it, such as Active, Vacation or Delinquent. Customers never see it.",
    activates_billing="Accounts in it are billed on their bill date (S13). Untick for some, such as Delinquent.",
    colour="The ground of its badge in lists, such as green for Active and red for Delinquent; the word stands on it.",
)
teach(
    "accounts.accounttype",
    name="A class of customers, such as Residential or Business; policies and address lists may choose by it.",
    is_business="Tick for types such as Business or School. It is shown to staff and changes no bill.",
)
teach(
    "accounts.account",
    number="The number on the customer's bills, such as 10023; up to 64 characters, and it stays as it is.",
    name="Who is billed, such as Lopez Bakery or Maria Lopez.",
    company="The brand whose name stands on the bills, such as Valley Fibre.",
    account_type="The class of customer, such as Residential.",
    status="Where billing begins, such as Active. It is changed later by the button “Change status”.",
    timezone="Zone of the service address, such as America/New_York: it decides which day it is here (A33).",
    opened_on="First day as a customer, such as 2026-01-31.",
    address="Where the bills go, such as 12 Mill Road, Springfield. Printed on invoices.",
    note="Seen by staff only, such as “gate code at the door”. Never write card numbers here.",
)
teach(
    "accounts.company",
    name="The brand as it stands on invoices, such as Valley Fibre.",
    address="Printed on invoices, such as 1 Main Street, Springfield.",
    phone="Printed in notices: who to call, such as +1 555 010 0199.",
    sms_sender="Number or short name that texts come from, such as +15550100199.",
    staff_hours_baseline="Hours a month that staff spent on late accounts before, such as 62 (E10); the home page"
    " compares with it.",
)
teach(
    "accounts.contact",
    account="Whose contact this is, such as 10023 Lopez Bakery.",
    name="The person, such as Maria Lopez.",
    email="Where letters go, such as maria@example.com. Blank: none are sent by e-mail.",
    language="What letters to this person are written in, such as Spanish.",
    timezone="Only if it differs from the account's, such as America/Chicago; quiet hours follow it.",
    email_allowed="Untick where the person does not want e-mails; notices then go another way or wait.",
    sms_allowed="Untick where the person does not want texts.",
    voice_allowed="Untick where the person does not want calls by the program.",
    consented_at="When the person agreed to be texted and called, such as 2026-01-31 14:30.",
)
teach(
    "accounts.serviceline",
    account="Whose line this is, such as 10023 Lopez Bakery.",
    label="What the line is called on this account, such as Internet or Shop.",
    radius_username="The name the line logs in with, such as rosa.k or AA-BB-CC-00-11-22. Blank where it has none.",
    mac="Of the customer's router or radio, as on its label, such as 4c:5e:0c:12:ab:9f; any usual writing is taken.",
)
teach(
    "accounts.fundingsource",
    account="Whose card this is, such as 10023 Lopez Bakery.",
    rank="1 is the primary, 2 the secondary: the order in which they are charged, such as 1.",
    gateway="Where the token is from, such as sandbox or stripe.",
    customer_token="The customer at the gateway, such as cus_NffrFeUfNV2Hib.",  # noqa: S106
    source_token="The card at the gateway, such as pm_1NlXqe. Never a card number.",  # noqa: S106
    brand="What is printed on it, such as Visa.",
    last4="The last four digits, such as 4242.",
    expires_on="Last day of the month it is good until, such as 2027-08-31.",
)
teach(
    "accounts.outreachrules",
    company="Whose rules these are, such as Valley Fibre.",
    opens="Nobody is written to or called before, in their own zone, such as 09:00; 08:00 at the earliest.",
    closes="Nor from this time on, such as 20:00; 21:00 at the latest. A letter then waits for the morning.",
    calls_max="Most call attempts to one customer within 7 days, such as 7, by staff and by voice notices together.",
    quiet_days="Days without calls after somebody was spoken to, such as 7.",
    per_number_max="Most texts and voice notices to one number a day, such as 3.",
    daily_spend_max="What texts and calls together may cost in a day (UTC), such as 200.00; above it both stop until"
    " somebody looks.",
    voice_price="What one minute of a call costs, such as 0.0140.",
)
