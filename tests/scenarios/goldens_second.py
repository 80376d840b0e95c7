"""G17 to G19: the golden timelines of the second article's policy."""

from tests.worlds import WORKDAYS, exchange

from .golden import Golden

MAY = {"2026-05-01": "100.00"}
NEWS = ("flagged", "unflagged", "secondary_source_requested", "held", "restricted", "status_switch")
# Every month of half a year is billed on the 1st; what was late last month brings its fee along.
HALF_A_YEAR = {
    "2026-01-01": "100.00", "2026-02-01": "110.00", "2026-03-01": "100.00", "2026-04-01": "110.00",
    "2026-05-01": "100.00", "2026-06-01": "100.00",
}  # fmt: skip
LATE_IN_JANUARY_AND_MARCH = """
    2026-01-08 12:00 pays 100.00 for A
    2026-02-01 12:00 pays 110.00 for B
    2026-03-08 12:00 pays 100.00 for C
    2026-04-01 12:00 pays 110.00 for D
    2026-05-01 12:00 pays 100.00 for E
"""
SUMMER = HALF_A_YEAR | {"2026-07-01": "110.00", "2026-08-01": "110.00"}
FLAGGED_AND_ASKED = (
    LATE_IN_JANUARY_AND_MARCH
    + """
    2026-06-08 12:00 pays 100.00 for F
    2026-07-08 11:00 card 2 tok_insufficient
    2026-07-08 12:00 pays 110.00 for G
"""
)
WINTER = {"2025-11-01": "100.00", "2025-12-01": "110.00", "2026-01-01": "110.00"}
LATE_IN_WINTER = """
    2025-11-08 12:00 pays 100.00 for A
    2025-12-08 12:00 pays 110.00 for B
    2026-01-08 12:00 pays 110.00 for C
"""
CARDS = "a scenario has no funding sources that answer"

SECOND = [
    Golden(
        name="G17 declined three days running, then fee, disconnection, and back",
        policy=exchange(), bills=MAY, until="2026-05-21", cards=("tok_declined",),
        missed=("2026-05-02", "2026-05-05", "2026-05-16"),
        facts="2026-05-20 11:00 pays 100.00",
        events="""
            2026-05-01 issued due charge charge
            2026-05-02 past_due charge charge ticket_opened notice call_task
            2026-05-03 charge charge
            2026-05-06 late_fee(10.00) delinquent account_delinquent
            2026-05-16 status_switch restricted
            2026-05-20 payment released cured account_cured status_restored ticket_closed
        """,
        ends={"status": "Active", "charges": ["10.00"], "past_due": [], "next_bill_on": "2026-06-01"},
    ),
    Golden(
        name="G17 with a reconnection fee",
        policy=exchange(reconnection_fee="25.00"), bills=MAY, until="2026-05-21", missed=("2026-05-16",),
        facts="2026-05-20 11:00 pays 100.00",
        shows=("restricted", "released", "account_cured", "status_restored", "reconnection_fee"),
        events="""
            2026-05-16 restricted
            2026-05-20 released account_cured status_restored reconnection_fee(25.00)
        """,
        ends={"status": "Active", "charges": ["10.00", "25.00"]},
    ),
    Golden(
        name="G17 paid by the last second of the 5th: no fee, ticket closed",
        policy=exchange(), bills=MAY, until="2026-05-20", missed=("2026-05-02", "2026-05-05"),
        facts="2026-05-05 23:59:59 pays 100.00",
        events="""
            2026-05-01 issued due charge charge
            2026-05-02 past_due charge charge ticket_opened notice call_task
            2026-05-03 charge charge
            2026-05-05 payment ticket_closed
        """,
        ends={"status": "Active", "charges": []},
    ),
    Golden(
        name="G17 paid a minute later: the fee and the entry stay, nobody is cut",
        policy=exchange(), bills=MAY, until="2026-05-20", missed=("2026-05-06",),
        facts="2026-05-06 00:01 pays 100.00",
        events="""
            2026-05-01 issued due charge charge
            2026-05-02 past_due charge charge ticket_opened notice call_task
            2026-05-03 charge charge
            2026-05-06 payment ticket_closed late_fee(10.00) delinquent account_delinquent cured account_cured
        """,
        ends={"status": "Active", "charges": ["10.00"]},
    ),
    Golden(
        name="G17 with weekends unchecked the suspension waits for Monday, fee and switch do not",
        policy=exchange(check_weekdays=WORKDAYS), bills=MAY, until="2026-05-18", missed=("2026-05-16",),
        events="""
            2026-05-01 issued due charge charge
            2026-05-02 past_due charge charge ticket_opened notice call_task
            2026-05-03 charge charge
            2026-05-06 late_fee(10.00) delinquent account_delinquent
            2026-05-16 status_switch
            2026-05-18 restricted
        """,
        ends={"status": "Delinquent"},
    ),
    Golden(
        name="G18 late in January, March and June: flagged at the third",
        policy=exchange(), bills=HALF_A_YEAR, until="2026-06-07", missed=("2026-03-05", "2026-06-05"),
        facts=LATE_IN_JANUARY_AND_MARCH, shows=("late_fee", "flagged"),
        events="""
            2026-01-06 late_fee
            2026-03-06 late_fee
            2026-06-06 late_fee flagged
        """,
    ),
    Golden(
        name="G18 late twice never flags",
        policy=exchange(), bills=HALF_A_YEAR, until="2026-06-07", missed=("2026-03-05",),
        facts=LATE_IN_JANUARY_AND_MARCH + "2026-06-05 12:00 pays 100.00 for F", shows=("late_fee", "flagged"),
        events="""
            2026-01-06 late_fee
            2026-03-06 late_fee
        """,
    ),
    Golden(
        name="G18 two in one year and one in the next do not flag",
        policy=exchange(), bills=WINTER, until="2026-01-10", missed=("2026-01-05",),
        facts=LATE_IN_WINTER, shows=("late_fee", "flagged"),
        events="""
            2025-11-06 late_fee
            2025-12-06 late_fee
            2026-01-06 late_fee
        """,
    ),
    Golden(
        name="G18 within twelve months that roll, they do",
        policy=exchange(seriously_late_window="rolling_12_months"), bills=WINTER, until="2026-01-10",
        missed=("2026-01-05",), facts=LATE_IN_WINTER, shows=("late_fee", "flagged"),
        events="""
            2025-11-06 late_fee
            2025-12-06 late_fee
            2026-01-06 late_fee flagged
        """,
    ),
    Golden(
        name="G18 a fee that was waived as our own error does not count",
        policy=exchange(), bills=HALF_A_YEAR | {"2026-02-01": "100.00"}, until="2026-06-07", missed=("2026-06-05",),
        facts="2026-01-07 12:00 waives-fee A" + LATE_IN_JANUARY_AND_MARCH.replace("pays 110.00 for B", "pays 100.00"),
        rows_only="a scenario waives no fees", shows=("late_fee", "flagged"),
        events="""
            2026-01-06 late_fee
            2026-03-06 late_fee
            2026-06-06 late_fee
        """,
    ),
    Golden(
        name="G19 both sources declined on three days: suspended on the 4th",
        policy=exchange(), bills=SUMMER, until="2026-08-05", cards=("tok_declined",), missed=("2026-08-04",),
        facts=FLAGGED_AND_ASKED, rows_only=CARDS, shows=NEWS,
        events="""
            2026-06-06 flagged
            2026-07-06 secondary_source_requested
            2026-08-04 restricted
        """,
        ends={"past_due": ["110.00"], "holds": 1, "attempts": [(1, "declined"), (2, "declined")] * 3},
    ),
    Golden(
        name="G19 the secondary source is good on the second day: paid, and nothing else",
        policy=exchange(), bills=SUMMER, until="2026-08-20", cards=("tok_declined",), missed=("2026-08-03",),
        facts=FLAGGED_AND_ASKED + "2026-08-02 05:00 card 2 tok_ok", rows_only=CARDS, shows=(*NEWS, "ticket_closed"),
        events="""
            2026-01-08 ticket_closed
            2026-03-08 ticket_closed
            2026-06-06 flagged
            2026-06-08 ticket_closed
            2026-07-06 secondary_source_requested
            2026-07-08 ticket_closed
        """,
        ends={"status": "Active", "past_due": [], "holds": 0, "open_tickets": 0},
    ),
    Golden(
        name="G19 the letter came back, and there is no other way: held and shown to a clerk, nobody is suspended",
        policy=exchange(), bills=SUMMER, until="2026-08-05", cards=("tok_declined",), missed=("2026-08-03",),
        facts=FLAGGED_AND_ASKED + "2026-07-20 12:00 email bounce@customer.example",
        rows_only="every notice of a scenario counts as accepted", shows=NEWS,
        events="""
            2026-06-06 flagged
            2026-07-06 secondary_source_requested
            2026-08-04 held
        """,
        ends={"status": "Active", "attention": ["cannot-be-reached", "cut-held"], "holds": 0},
    ),
]  # fmt: skip
