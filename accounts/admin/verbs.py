"""What somebody must be allowed to do to press the buttons of a screen whose rows nobody edits by hand.

A screen that is not named here asks for the right to change its rows. The verbs are in the models'
``Meta.permissions``, and who holds them is in delinquency/roles.py.
"""

VERBS = {
    "accounts.account": "accounts.set_status",
    "accounts.attention": "accounts.resolve_exception",
    "accounts.channelbreaker": "accounts.resume_channel",
    "accounts.contact": "accounts.stop_channel",
    "accounts.fundingsource": "accounts.bar_fundingsource",
    "accounts.inboundmessage": "accounts.file_message",
    "accounts.notice": "accounts.send_notice",
    "accounts.pause": "accounts.pause_everything",
    "accounts.suppression": "accounts.lift_suppression",
    "delinquency.airbagtrip": "delinquency.decide_airbag",
    "delinquency.calltask": "delinquency.log_call",
    "delinquency.dispute": "delinquency.decide_dispute",
    "delinquency.exclusion": "delinquency.copy_holidays",
    "delinquency.holidaycopy": "delinquency.copy_holidays",
    "delinquency.policy": "delinquency.import_policy",
    "delinquency.study": "delinquency.run_study",
    "delinquency.ticket": "delinquency.work_ticket",
    "invoicing.billingparameters": "invoicing.move_bill_date",
    "invoicing.gatewayevent": "invoicing.handle_report",
    "invoicing.paymentattempt": "invoicing.charge_due",
    "netenforce.device": "netenforce.compare_device",
    "netenforce.enforcementtask": "netenforce.retry_order",
    "netenforce.hold": "netenforce.place_hold",
    "netenforce.linestate": "netenforce.release_line",
    "netenforce.paymentwindow": "netenforce.release_line",
}
