"""G1 to G9, G13 to G16, G20 and G21: the golden timelines of the first article's policy."""

from tests.worlds import WORKDAYS, sonar

from .golden import Golden

FRIDAY_OFF = ["mon", "tue", "wed", "thu"]
CHRISTMAS = [
    {"name": "Christmas Eve", "month": 12, "day": 24, "year": 2026},
    {"name": "Christmas Day", "month": 12, "day": 25, "year": None},
    {"name": "Day off", "month": 12, "day": 28, "year": 2026},
]
NEW_YEAR = [{"name": "New Year", "month": 1, "day": 1, "year": None}]
LEAP_DAY = [{"name": "Leap day", "month": 2, "day": 29, "year": None}]
JANUARY = {"2026-01-01": "100.00"}
FEBRUARY = JANUARY | {"2026-02-01": "100.00"}
FEE = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "10.00"}
WITH_FEE = sonar(steps=[FEE, *sonar()["steps"]])

FIRST = [
    Golden(
        name="G1 entry on the 21st, switch on the 28th, no bill on the first",
        policy=sonar(), bills=JANUARY, until="2026-02-02", missed=("2026-01-21", "2026-01-28"),
        events="""
            2026-01-01 issued
            2026-01-16 due
            2026-01-17 past_due
            2026-01-21 delinquent account_delinquent ticket_opened notice restricted
            2026-01-28 status_switch
        """,
        ends={"status": "Delinquent", "next_bill_on": "2026-02-01", "past_due": ["100.00"]},
    ),
    Golden(
        name="G2 weekends unchecked in November: one day to spare",
        policy=sonar(check_weekdays=WORKDAYS), bills={"2026-11-01": "100.00"}, until="2026-12-02",
        missed=("2026-11-21", "2026-11-30"),
        events="""
            2026-11-01 issued
            2026-11-16 due
            2026-11-17 past_due
            2026-11-23 delinquent account_delinquent ticket_opened notice restricted
            2026-11-30 status_switch
        """,
        ends={"status": "Delinquent", "next_bill_on": "2026-12-01"},
    ),
    Golden(
        name="G3 weekends unchecked in February: the switch comes after the next bill",
        policy=sonar(check_weekdays=WORKDAYS), bills={"2026-02-01": "100.00", "2026-03-01": "100.00"},
        until="2026-03-03", missed=("2026-02-21", "2026-03-01"),
        events="""
            2026-02-01 issued(A)
            2026-02-16 due(A)
            2026-02-17 past_due(A)
            2026-02-23 delinquent(A) account_delinquent ticket_opened notice restricted
            2026-03-01 issued(B)
            2026-03-02 status_switch
        """,
        ends={"status": "Delinquent", "next_bill_on": "2026-04-01"},
    ),
    Golden(
        name="G3 every day checked in February: in time",
        policy=sonar(), bills={"2026-02-01": "100.00"}, until="2026-03-02", missed=("2026-02-21", "2026-02-28"),
        events="""
            2026-02-01 issued
            2026-02-16 due
            2026-02-17 past_due
            2026-02-21 delinquent account_delinquent ticket_opened notice restricted
            2026-02-28 status_switch
        """,
        ends={"status": "Delinquent", "next_bill_on": "2026-03-01"},
    ),
    *(
        Golden(
            name=f"G3b a tie on {switch}, {len(days)} days checked: the switch comes first and nothing is billed",
            policy=sonar(check_weekdays=days), bills={issued: "100.00"}, until=until, missed=(entry, switch),
            events=f"""
                {issued} issued
                {due} due
                {past} past_due
                {entry} delinquent account_delinquent ticket_opened notice restricted
                {switch} status_switch
            """,
            ends={"status": "Delinquent", "next_bill_on": switch},
        )
        for days, issued, due, past, entry, switch, until in [
            (WORKDAYS, "2027-02-01", "2027-02-16", "2027-02-17", "2027-02-22", "2027-03-01", "2027-03-03"),
            (FRIDAY_OFF, "2027-02-01", "2027-02-16", "2027-02-17", "2027-02-22", "2027-03-01", "2027-03-03"),
            (FRIDAY_OFF, "2028-04-01", "2028-04-16", "2028-04-17", "2028-04-24", "2028-05-01", "2028-05-03"),
        ]
    ),
    Golden(
        name="G4 five closed days in a row, and one more bill",
        policy=sonar(bill_day=4, check_weekdays=WORKDAYS, exclusions=CHRISTMAS),
        bills={"2026-12-04": "100.00", "2027-01-04": "100.00"}, until="2027-01-06",
        missed=("2026-12-25", "2026-12-29", "2027-01-04"),
        events="""
            2026-12-04 issued(A)
            2026-12-19 due(A)
            2026-12-20 past_due(A)
            2026-12-29 delinquent(A) account_delinquent ticket_opened notice restricted
            2027-01-04 issued(B)
            2027-01-05 status_switch
        """,
        ends={"status": "Delinquent", "next_bill_on": "2027-02-04"},
    ),
    Golden(
        name="G4 a year later the dated exclusion is over",
        policy=sonar(bill_day=4, check_weekdays=WORKDAYS, exclusions=CHRISTMAS), bills={"2027-12-04": "100.00"},
        until="2028-01-05", missed=("2027-12-24", "2027-12-31"),
        events="""
            2027-12-04 issued
            2027-12-19 due
            2027-12-20 past_due
            2027-12-24 delinquent account_delinquent ticket_opened notice restricted
            2027-12-31 status_switch
        """,
        ends={"status": "Delinquent", "next_bill_on": "2028-01-04"},
    ),
    Golden(
        name="G5 an annual date over the year end",
        policy=sonar(bill_day=12, check_weekdays=WORKDAYS, exclusions=NEW_YEAR), bills={"2026-12-12": "100.00"},
        until="2027-01-13", missed=("2027-01-01", "2027-01-04", "2027-01-11"),
        events="""
            2026-12-12 issued
            2026-12-27 due
            2026-12-28 past_due
            2027-01-04 delinquent account_delinquent ticket_opened notice restricted
            2027-01-11 status_switch
        """,
        ends={"status": "Delinquent", "next_bill_on": "2027-01-12"},
    ),
    *(
        Golden(
            name=f"G6 grace until {until}, {len(days)} days checked: protected through Sunday, billed once more",
            policy=sonar(check_weekdays=days), bills=FEBRUARY, until="2026-02-03", missed=("2026-01-25", "2026-02-01"),
            facts=f"2026-01-20 11:00 grace {until}",
            events="""
                2026-01-01 issued(A)
                2026-01-16 due(A)
                2026-01-17 past_due(A)
                2026-01-26 delinquent(A) account_delinquent ticket_opened notice restricted
                2026-02-01 issued(B)
                2026-02-02 status_switch
            """,
            ends={"status": "Delinquent", "next_bill_on": "2026-03-01"},
        )
        for until, days in [("2026-01-26", [*WORKDAYS, "sat", "sun"]), ("2026-01-25", WORKDAYS)]
    ),
    Golden(
        name="G7 grace that ends before the natural day has no effect",
        policy=sonar(), bills=JANUARY, until="2026-02-02", missed=("2026-01-17", "2026-01-21"),
        facts="2026-01-16 11:00 grace 2026-01-18",
        events="""
            2026-01-01 issued
            2026-01-16 due
            2026-01-17 past_due
            2026-01-21 delinquent account_delinquent ticket_opened notice restricted
            2026-01-28 status_switch
        """,
        ends={"status": "Delinquent", "next_bill_on": "2026-02-01"},
    ),
    Golden(
        name="G7b grace for a delinquent account changes nothing by itself",
        policy=sonar(), bills=JANUARY, until="2026-02-02", missed=("2026-01-23", "2026-01-28"),
        facts="2026-01-23 10:00 grace 2026-01-30",
        events="""
            2026-01-01 issued
            2026-01-16 due
            2026-01-17 past_due
            2026-01-21 delinquent account_delinquent ticket_opened notice restricted
            2026-01-28 status_switch
        """,
        ends={"status": "Delinquent", "next_bill_on": "2026-02-01"},
    ),
    Golden(
        name="G7b lifted: released at once, entered anew, billed between",
        policy=sonar(), bills=FEBRUARY, until="2026-02-07", missed=("2026-01-23", "2026-01-30", "2026-02-06"),
        facts="2026-01-23 10:00 grace 2026-01-30 lift",
        events="""
            2026-01-01 issued(A)
            2026-01-16 due(A)
            2026-01-17 past_due(A)
            2026-01-21 delinquent(A) account_delinquent ticket_opened notice restricted
            2026-01-23 released cured(A) account_cured
            2026-01-30 delinquent(A) account_delinquent notice restricted
            2026-02-01 issued(B)
            2026-02-06 status_switch
        """,
        ends={"status": "Delinquent", "delinquent_since": "2026-01-30"},
    ),
    Golden(
        name="G8 a part payment leaves the rest delinquent and the last cent clears",
        policy=sonar(), bills=FEBRUARY, until="2026-02-01", missed=("2026-01-20", "2026-01-24"),
        facts="""
            2026-01-19 12:00 pays 60.00
            2026-01-24 14:10 pays 40.00
        """,
        events="""
            2026-01-01 issued(A)
            2026-01-16 due(100.00)
            2026-01-17 past_due(100.00)
            2026-01-19 payment(60.00)
            2026-01-21 delinquent(40.00) account_delinquent ticket_opened notice restricted
            2026-01-24 payment(40.00) released cured account_cured ticket_closed
            2026-02-01 issued(B)
        """,
        ends={"status": "Active", "next_bill_on": "2026-03-01", "holds": 0, "open_tickets": 0},
    ),
    Golden(
        name="G8 below the minimum it ages and is never delinquent",
        policy=sonar(minimum_amount_due="50.00"), bills=JANUARY, until="2026-01-31", missed=("2026-01-21",),
        facts="2026-01-19 12:00 pays 60.00",
        events="""
            2026-01-01 issued
            2026-01-16 due
            2026-01-17 past_due
            2026-01-19 payment(60.00)
        """,
        ends={"status": "Active", "past_due": ["40.00"], "holds": 0, "open_tickets": 0},
    ),
    Golden(
        name="G9 paid a minute before the check: nothing happens and nobody is written to",
        policy=sonar(), bills=JANUARY, until="2026-01-31", missed=("2026-01-21",),
        facts="2026-01-21 08:59 pays 100.00",
        events="""
            2026-01-01 issued
            2026-01-16 due
            2026-01-17 past_due
            2026-01-21 payment(100.00)
        """,
        ends={"status": "Active", "past_due": []},
    ),
    Golden(
        name="G9 paid twenty minutes after the check: an episode of no days",
        policy=sonar(), bills=JANUARY, until="2026-01-31", missed=("2026-01-21",),
        facts="2026-01-21 09:20 pays 100.00",
        events="""
            2026-01-01 issued
            2026-01-16 due
            2026-01-17 past_due
            2026-01-21 delinquent account_delinquent ticket_opened notice restricted
            2026-01-21 payment(100.00) released cured account_cured ticket_closed
        """,
        ends={"status": "Active", "past_due": [], "holds": 0, "open_tickets": 0},
    ),
    Golden(
        name="G13 an anchor of 31 bills at month ends without drifting",
        policy=sonar(bill_day=31), until="2026-06-01",
        bills=dict.fromkeys(["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"], "100.00"),
        facts="""
            2026-02-05 12:00 pays 100.00
            2026-03-05 12:00 pays 100.00
            2026-04-05 12:00 pays 100.00
            2026-05-05 12:00 pays 100.00
        """,
        events="""
            2026-01-31 issued
            2026-02-05 payment
            2026-02-28 issued
            2026-03-05 payment
            2026-03-31 issued
            2026-04-05 payment
            2026-04-30 issued
            2026-05-05 payment
            2026-05-31 issued
        """,
        ends={"next_bill_on": "2026-06-30"}, missed=("2026-02-27", "2026-04-30"),
    ),
    Golden(
        name="G13 an anchor of 31 in a leap year",
        policy=sonar(bill_day=31), until="2028-05-01",
        bills=dict.fromkeys(["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"], "100.00"),
        facts="""
            2028-02-05 12:00 pays 100.00
            2028-03-05 12:00 pays 100.00
            2028-04-05 12:00 pays 100.00
        """,
        events="""
            2028-01-31 issued
            2028-02-05 payment
            2028-02-29 issued
            2028-03-05 payment
            2028-03-31 issued
            2028-04-05 payment
            2028-04-30 issued
        """,
        ends={"next_bill_on": "2028-05-31"}, missed=("2028-02-28", "2028-04-30"),
    ),
    Golden(
        name="G13 the short February still switches before its bill",
        policy=sonar(bill_day=31), bills={"2026-01-31": "100.00"}, until="2026-03-01",
        missed=("2026-02-20", "2026-02-27"),
        events="""
            2026-01-31 issued
            2026-02-15 due
            2026-02-16 past_due
            2026-02-20 delinquent account_delinquent ticket_opened notice restricted
            2026-02-27 status_switch
        """,
        ends={"status": "Delinquent", "next_bill_on": "2026-02-28"},
    ),
    *(
        Golden(
            name=f"G13 an exclusion on 29 February in {year}",
            policy=sonar(bill_day=9, exclusions=LEAP_DAY), bills={f"{year}-02-09": "100.00"}, until=f"{year}-03-10",
            missed=(f"{year}-02-28", f"{year}-03-08"),
            events=f"""
                {year}-02-09 issued
                {year}-02-24 due
                {year}-02-25 past_due
                {year}-03-01 delinquent account_delinquent ticket_opened notice restricted
                {year}-03-08 status_switch
            """,
            ends={"status": "Delinquent", "next_bill_on": f"{year}-03-09"},
        )
        for year in (2027, 2028)
    ),
]  # fmt: skip
