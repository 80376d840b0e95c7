"""G10 to G12, G14 to G16 and G22: payments, returned payments, fees, and the way back into billing."""

from tests.worlds import sonar

from .golden import Golden
from .goldens_first import FEBRUARY, JANUARY, WITH_FEE

# G1 up to its last event; most of these begin like that.
G1 = """
    2026-01-01 issued(A)
    2026-01-16 due(A)
    2026-01-17 past_due(A)
    2026-01-21 delinquent(A) account_delinquent ticket_opened notice restricted
    2026-01-28 status_switch
"""
LATER_ISSUE = "an invoice of a scenario is issued at 00:05, not at the tick after a payment"
SEED = """
    2023-09-17 issued
    2023-10-02 due
    2023-10-03 past_due
    2023-10-07 delinquent account_delinquent ticket_opened notice restricted
    2023-10-14 status_switch
"""

BACK = [
    Golden(
        name="G10 paid on the bill day: billed at the next hourly run",
        policy=sonar(), bills=FEBRUARY, until="2026-02-02", missed=("2026-01-28",),
        facts="2026-02-01 10:15 pays 100.00", rows_only=LATER_ISSUE,
        events=G1 + """
            2026-02-01 payment released cured account_cured status_restored ticket_closed issued(B)
        """,
        ends={"status": "Active", "next_bill_on": "2026-03-01", "attention": []},
    ),
    Golden(
        name="G10 found out two days late: the bill still bears its date",
        policy=sonar(), bills=FEBRUARY, until="2026-02-04", missed=("2026-02-01",),
        facts="2026-02-01 10:15 pays 100.00", rows_only=LATER_ISSUE, shows=("account_cured", "status_restored"),
        events="""
            2026-02-01 account_cured status_restored
        """,
        ends={"status": "Active", "next_bill_on": "2026-03-01"},
    ),
    Golden(
        name="G10 with daily billing off nothing is billed and a clerk is told",
        policy=sonar(), bills=JANUARY, until="2026-02-04", missed=("2026-02-01",),
        facts="""
            2026-01-30 12:00 daily-billing off
            2026-02-01 10:15 pays 100.00
        """,
        rows_only="a scenario knows no daily billing",
        events=G1 + """
            2026-02-01 payment released cured account_cured status_restored ticket_closed
        """,
        ends={"status": "Active", "next_bill_on": "2026-02-01", "attention": ["bill-date-waits"]},
    ),
    *(
        Golden(
            name=f"G11 paid at {hour} of the bill day: an hour is left",
            policy=sonar(), bills=FEBRUARY, until="2026-02-02", missed=("2026-01-28",),
            facts=f"2026-02-01 {hour} pays 100.00", rows_only=LATER_ISSUE,
            events=G1 + """
                2026-02-01 payment released cured account_cured status_restored ticket_closed issued(B)
            """,
            ends={"status": "Active", "next_bill_on": "2026-03-01"},
        )
        for hour in ("22:59:59", "23:00:00")
    ),
    *(
        Golden(
            name=f"G11 paid at {hour} of the bill day: less than an hour is left",
            policy=sonar(), bills=JANUARY, until="2026-02-02", missed=("2026-02-01",),
            facts=f"2026-02-01 {hour} pays 100.00",
            events=G1 + """
                2026-02-01 payment released cured account_cured status_restored ticket_closed
            """,
            ends={"status": "Active", "next_bill_on": "2026-03-01"},
        )
        for hour in ("23:00:01", "23:30:00")
    ),
    Golden(
        name="G12 a bill date in the past moves on and is never made up for",
        policy=sonar(), bills=JANUARY, until="2026-02-04", missed=("2026-01-28", "2026-02-02"),
        facts="2026-02-03 12:00 pays 100.00",
        events=G1 + """
            2026-02-03 payment released cured account_cured status_restored ticket_closed
        """,
        ends={"status": "Active", "next_bill_on": "2026-03-01"},
    ),
    *(
        Golden(
            name=f"G12 bill day 17, bill date 2023-10-17, paid {paid}: next on {next_bill_on}",
            policy=sonar(bill_day=17), bills={"2023-09-17": "100.00"}, until=paid, missed=("2023-10-07", "2023-10-14"),
            facts=f"{paid} 12:00 pays 100.00",
            events=SEED + f"""
                {paid} payment released cured account_cured status_restored ticket_closed
            """,
            ends={"status": "Active", "next_bill_on": next_bill_on},
        )
        for paid, next_bill_on in [
            ("2023-10-20", "2023-11-17"), ("2023-11-16", "2023-11-17"),
            ("2023-11-17", "2023-12-17"), ("2023-11-18", "2023-12-17"),
        ]
    ),
    Golden(
        name="G12b status proration: the days off are credited, the days back owed, both on the March bill",
        policy=sonar(), bills={"2026-01-01": "86.80", "2026-03-01": "156.20"}, price="86.80", until="2026-03-01",
        terms={"prorate_account_status_change": True}, missed=("2026-01-28", "2026-02-03"),
        facts="2026-02-03 12:00 pays 86.80",
        events=G1 + """
            2026-02-03 payment released cured account_cured status_restored ticket_closed
            2026-03-01 issued(156.20)
        """,
        ends={"status": "Active", "charges": ["-11.20", "80.60"]},
    ),
    Golden(
        name="G12b proration of delinquency alone prorates no throttling",
        policy=sonar(status_switch_days=None), bills={"2026-01-01": "86.80"}, price="86.80", until="2026-01-31",
        terms={"prorate_account_delinquency_status_change": True}, missed=("2026-01-21",),
        facts="2026-01-30 12:00 pays 86.80",
        events="""
            2026-01-01 issued
            2026-01-16 due
            2026-01-17 past_due
            2026-01-21 delinquent account_delinquent ticket_opened notice restricted
            2026-01-30 payment released cured account_cured ticket_closed
        """,
        ends={"charges": []},
    ),
    Golden(
        name="G14a the older of two is paid before the younger is late",
        policy=sonar(status_switch_days=None), bills=FEBRUARY, until="2026-02-28", missed=("2026-02-10", "2026-02-21"),
        facts="2026-02-10 12:00 pays 100.00 for A",
        events="""
            2026-01-01 issued(A)
            2026-01-16 due(A)
            2026-01-17 past_due(A)
            2026-01-21 delinquent(A) account_delinquent ticket_opened notice restricted
            2026-02-01 issued(B)
            2026-02-10 payment released cured(A) account_cured ticket_closed
            2026-02-16 due(B)
            2026-02-17 past_due(B)
            2026-02-21 delinquent(B) account_delinquent ticket_opened notice restricted
        """,
        ends={"delinquent_since": "2026-02-21"},
    ),
    Golden(
        name="G14b the older of two is paid when both are delinquent: still delinquent, since the younger",
        policy=sonar(status_switch_days=None), bills=FEBRUARY, until="2026-02-28", missed=("2026-02-21", "2026-02-24"),
        facts="2026-02-24 12:00 pays 100.00 for A",
        events="""
            2026-01-01 issued(A)
            2026-01-16 due(A)
            2026-01-17 past_due(A)
            2026-01-21 delinquent(A) account_delinquent ticket_opened notice restricted
            2026-02-01 issued(B)
            2026-02-16 due(B)
            2026-02-17 past_due(B)
            2026-02-21 delinquent(B)
            2026-02-24 payment cured(A)
        """,
        ends={"status": "Active", "delinquent_since": "2026-02-21"},
    ),
    Golden(
        name="G14c nobody pays: the switch counts from the first",
        policy=sonar(status_switch_days=40), bills=FEBRUARY | {"2026-03-01": "100.00"}, until="2026-03-03",
        missed=("2026-03-01",),
        events="""
            2026-01-01 issued(A)
            2026-01-16 due(A)
            2026-01-17 past_due(A)
            2026-01-21 delinquent(A) account_delinquent ticket_opened notice restricted
            2026-02-01 issued(B)
            2026-02-16 due(B)
            2026-02-17 past_due(B)
            2026-02-21 delinquent(B)
            2026-03-01 issued(C)
            2026-03-02 status_switch
        """,
        ends={"status": "Delinquent", "delinquent_since": "2026-01-21"},
    ),
    Golden(
        name="G14c the older is paid: the switch counts from the younger, and no step is repeated",
        policy=sonar(status_switch_days=40), until="2026-04-03", missed=("2026-02-24", "2026-04-01"),
        bills=FEBRUARY | {"2026-03-01": "100.00", "2026-04-01": "100.00"},
        facts="2026-02-24 12:00 pays 100.00 for A",
        events="""
            2026-01-01 issued(A)
            2026-01-16 due(A)
            2026-01-17 past_due(A)
            2026-01-21 delinquent(A) account_delinquent ticket_opened notice restricted
            2026-02-01 issued(B)
            2026-02-16 due(B)
            2026-02-17 past_due(B)
            2026-02-21 delinquent(B)
            2026-02-24 payment cured(A)
            2026-03-01 issued(C)
            2026-03-16 due(C)
            2026-03-17 past_due(C)
            2026-03-21 delinquent(C)
            2026-03-31 flagged(C)
            2026-04-01 issued(D)
            2026-04-02 status_switch
        """,
        ends={"status": "Delinquent", "delinquent_since": "2026-02-21"},
    ),
    Golden(
        name="G15 a returned payment restarts: a new episode repeats its steps, the fee is not repeated",
        policy=WITH_FEE, bills=JANUARY | {"2026-02-01": "110.00"}, until="2026-02-06",
        missed=("2026-01-23", "2026-01-29", "2026-02-05"),
        facts="""
            2026-01-23 12:00 pays 100.00
            2026-01-29 08:30 returns 1
        """,
        events="""
            2026-01-01 issued(A)
            2026-01-16 due(A)
            2026-01-17 past_due(A)
            2026-01-19 late_fee(10.00)
            2026-01-21 delinquent(A) account_delinquent ticket_opened notice restricted
            2026-01-23 payment released cured account_cured ticket_closed
            2026-01-29 reversal delinquent(A) account_delinquent ticket_opened notice restricted
            2026-02-01 issued(B)
            2026-02-05 status_switch
        """,
        ends={"status": "Delinquent", "delinquent_since": "2026-01-29", "charges": ["10.00"]},
    ),
    Golden(
        name="G15 a returned payment resumes: counted from the first entry, switched at the same check",
        policy=sonar(on_reversal="resume"), bills=JANUARY, until="2026-02-02", missed=("2026-01-23", "2026-01-29"),
        facts="""
            2026-01-23 12:00 pays 100.00
            2026-01-29 08:30 returns 1
        """,
        events="""
            2026-01-01 issued(A)
            2026-01-16 due(A)
            2026-01-17 past_due(A)
            2026-01-21 delinquent(A) account_delinquent ticket_opened notice restricted
            2026-01-23 payment released cured account_cured ticket_closed
            2026-01-29 reversal delinquent(A) account_delinquent status_switch
        """,
        ends={"status": "Delinquent", "delinquent_since": "2026-01-21", "next_bill_on": "2026-02-01"},
    ),
    Golden(
        name="G15 a return recorded after the check counts the next morning",
        policy=sonar(), bills=JANUARY, until="2026-01-31", missed=("2026-01-29",),
        facts="""
            2026-01-23 12:00 pays 100.00
            2026-01-29 10:00 returns 1
        """,
        events="""
            2026-01-01 issued(A)
            2026-01-16 due(A)
            2026-01-17 past_due(A)
            2026-01-21 delinquent(A) account_delinquent ticket_opened notice restricted
            2026-01-23 payment released cured account_cured ticket_closed
            2026-01-29 reversal
            2026-01-30 delinquent(A) account_delinquent ticket_opened notice restricted
        """,
        ends={"delinquent_since": "2026-01-30"},
    ),
    Golden(
        name="G16 the late fee, once",
        policy=WITH_FEE, bills={"2026-01-01": "86.80"}, price="86.80", until="2026-02-02",
        missed=("2026-01-19", "2026-01-28"),
        events="""
            2026-01-01 issued
            2026-01-16 due
            2026-01-17 past_due
            2026-01-19 late_fee(10.00)
            2026-01-21 delinquent account_delinquent ticket_opened notice restricted
            2026-01-28 status_switch
        """,
        ends={"status": "Delinquent", "charges": ["10.00"]},
    ),
    Golden(
        name="G16 grace granted before the fee puts it off with the entry",
        policy=WITH_FEE, bills={"2026-01-01": "86.80", "2026-02-01": "96.80"}, price="86.80", until="2026-02-02",
        missed=("2026-01-19", "2026-01-25"),
        facts="2026-01-18 11:00 grace 2026-01-26",
        events="""
            2026-01-01 issued
            2026-01-16 due
            2026-01-17 past_due
            2026-01-26 late_fee(10.00) delinquent account_delinquent ticket_opened notice restricted
            2026-02-01 issued(96.80)
            2026-02-02 status_switch
        """,
        ends={"status": "Delinquent", "charges": ["10.00"]},
    ),
    Golden(
        name="G16 the invoice paid without its fee is never delinquent; the fee ages with the next invoice",
        policy=WITH_FEE, bills={"2026-01-01": "86.80", "2026-02-01": "96.80"}, price="86.80", until="2026-02-17",
        missed=("2026-01-19", "2026-02-01"),
        facts="2026-01-20 12:00 pays 86.80",
        events="""
            2026-01-01 issued(A)
            2026-01-16 due(A)
            2026-01-17 past_due(A)
            2026-01-19 late_fee(10.00)
            2026-01-20 payment
            2026-02-01 issued(B)
            2026-02-16 due(96.80)
            2026-02-17 past_due(B)
        """,
        ends={"status": "Active", "past_due": ["96.80"]},
    ),
    Golden(
        name="G16 paid without its fee after the entry: cured that day",
        policy=WITH_FEE, bills={"2026-01-01": "86.80"}, price="86.80", until="2026-01-31", missed=("2026-01-21",),
        facts="2026-01-22 12:00 pays 86.80",
        events="""
            2026-01-01 issued
            2026-01-16 due
            2026-01-17 past_due
            2026-01-19 late_fee(10.00)
            2026-01-21 delinquent account_delinquent ticket_opened notice restricted
            2026-01-22 payment released cured account_cured ticket_closed
        """,
        ends={"status": "Active", "charges": ["10.00"], "past_due": []},
    ),
    Golden(
        name="G21 another grace published in between moves nobody",
        policy=sonar(), bills=JANUARY, until="2026-02-02", missed=("2026-01-18",),
        facts="2026-01-18 12:00 publishes grace_days=10", rows_only="a scenario has one policy",
        events=G1,
        ends={"status": "Delinquent", "delinquent_since": "2026-01-21"},
    ),
    Golden(
        name="G22 a status set by hand stays after payment",
        policy=sonar(), bills=JANUARY, until="2026-02-04", missed=("2026-01-28", "2026-02-03"),
        facts="""
            2026-01-30 12:00 status Vacation
            2026-02-03 12:00 pays 100.00
        """,
        rows_only="a scenario has no status that a clerk could set",
        events=G1 + """
            2026-02-03 payment released cured account_cured ticket_closed
        """,
        ends={"status": "Vacation", "next_bill_on": "2026-02-01", "holds": 0},
    ),
]  # fmt: skip
