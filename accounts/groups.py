"""The names of the roles that ship with the program; what each may do is in delinquency/roles.py."""

ADMINISTRATORS, MANAGERS, CLERKS = "Administrators", "Billing managers", "Billing clerks"
SUPPORT, AUDITORS = "Support", "Auditors"
SHIPPED = (ADMINISTRATORS, MANAGERS, CLERKS, SUPPORT, AUDITORS)
