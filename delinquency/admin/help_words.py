"""Help, with an example, for the fields of policies, exclusions and the desk."""

from accounts.admin.field_help import teach

_DAY = "Day of the month, such as 25."
_YEAR = "Such as 2026. Blank: every year; 29 February then counts in leap years only (A10)."

teach(
    "delinquency.policy",
    name="What staff call it, such as Residential. Its versions are numbered by themselves.",
    billing_default="New accounts with this billing default, such as Residential, start under this policy's newest"
    " published version (S32).",
)
teach(
    "delinquency.policyversion",
    policy="Whose version this is, such as Residential.",
    grace_days="Days after the due date on which an unpaid invoice is delinquent (A3), such as 5: due on the 16th,"
    " delinquent on the 21st.",
    check_weekdays="Days on which accounts may become delinquent (X5). Untick some, such as Saturday and Sunday, to"
    " spare weekends.",
    delinquency_status="Status to switch to, such as Delinquent; it should not activate billing (S22).",
    removal_status="Status to return to, such as Active; blank: the one it had before the switch (X3, A19).",
    on_reversal="What a returned payment does (A23), such as restart: a new episode that repeats its steps.",
    window_opens="Earliest local time of cuts, such as 09:00 (D6).",
    window_closes="Latest local time of cuts, such as 21:00 (D6).",
    seriously_late_after_days="Days after the due date at whose end an unpaid invoice counts as seriously late, such"
    " as 14 (A27).",
    seriously_late_limit="More than this many seriously late invoices flag the account (E6), such as 2: the third"
    " flags.",
    seriously_late_window="Over what they are counted, such as one calendar year (A28).",
)
teach(
    "delinquency.policystep",
    action="What is done, such as a notice, a late fee or a restriction.",
    anchor="From when it is counted, such as delinquent: the day on which the account becomes it.",
    offset_days="Days after the anchor, such as 3; negative is before due, such as -2.",
    at="Local time, such as 10:30; blank: 09:00, charges 06:00.",
    position="Its place in the ladder, such as 1 for the first.",
    channels="For a notice: by which ways, such as e-mail and SMS. Each goes where the contact allows it.",
    template="For a notice: the letter, such as delinquent.",
    source="For a charge: which funding source, such as primary.",
    level="For a restriction: how hard, such as throttle.",
    flat="For a late fee: the amount, such as 10.00.",
    percent="For a late fee: of what is unpaid, such as 1.5.",
    cap="Most that the fee may be, such as 25.00. Blank: no cap.",
    minimum_amount="Only if at least this much is unpaid, such as 20.00. Blank: always.",
    requires_notice="Key of a notice or ticket step that must have been accepted before, such as notice-1 (D9).",
    only_flagged="Only for accounts flagged for being seriously late (E7, E8).",
    honours_exclusions="Put off on excluded days. Blank: restrictions are, everything else is not (A6).",
)
teach(
    "delinquency.exclusion",
    name="Such as Christmas Day.",
    month="Such as December.",
    day=_DAY,
    year=_YEAR,
    also_28="Only for 29 February with the year left blank, which counts in leap years alone (A10): adds a second"
    " exclusion on 28 February, such as for 2027.",
    policy="Only for accounts under this one, such as Residential. Blank: all policies.",
)
teach("delinquency.ticketqueue", name="What staff call it, such as Billing.")
teach(
    "delinquency.cannedreply",
    title="What staff pick it by, such as Thanks for paying.",
    text_en="What is written, such as “Thank you, your payment has arrived.”",
    text_es="The same in Spanish, such as “Gracias, su pago ha llegado.” Blank: these customers get the English one.",
)
teach(
    "delinquency.gracelimit",
    group="The role it is for, such as Support.",
    days_max="Counted from today to Grace Until, such as 14; 366 is the longest that anybody can give.",
    times_a_year="So often for one account in 12 months, such as 2, whoever gave it, promises included.",
)
