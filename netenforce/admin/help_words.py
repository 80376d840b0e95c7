"""Help, with an example, for the fields of the network room."""

from accounts.admin.field_help import teach

teach(
    "netenforce.device",
    name="What staff call it, such as Edge 1. Lines are placed on it by this name, in imports too.",
    driver="How it is spoken to, such as RouterOS. A simulated one needs nothing else.",
    enabled="Untick for a device that is out of use; refused while lines on it are restricted.",
    host="Its name or address, such as edge1.example.net or 192.0.2.7.",
    port="Blank: the usual one of its kind, such as 8728 or 8729 for RouterOS.",
    username="Who the program logs in as, such as billing.",
    new_secret="Its password or key, such as a long random one. Kept encrypted, never shown; blank: it stays.",  # noqa: S106
    repairs_max="Most lines restricted anew in one comparison, such as 20; the rest waits for the next, so that a"
    " device that came back empty does not cut everybody at once.",
)
teach(
    "netenforce.addresslist",
    name="The list's name on the device, such as Delinquent.",
    level="What can still be reached, such as the payment page only.",
    rate_down_kbit="Download speed in kbit/s, such as 1024; blank: not limited.",
    rate_up_kbit="Upload speed in kbit/s, such as 512; blank: not limited.",
    statuses="Only for accounts with one of these, such as Delinquent; none chosen: for all.",
    account_types="Only for accounts of one of these, such as Residential; none chosen: for all.",
    devices="Only on these, such as Edge 1; none chosen: on all.",
    position="Where an account meets several lists of a level, the smallest number wins, such as 1.",
    by_account="On: every account with such a status or type is restricted, without any step of a policy.",
)
teach(
    "netenforce.lineplacement",
    line="The customer's line, such as 100.64.3.7.",
    device="Where it is slowed or blocked, such as Edge 1.",
)
teach(
    "netenforce.releaselimit",
    group="The role it is for, such as Support.",
    hours_max="Longest courtesy, in hours, such as 24.",
    releases_a_month="So many for one account in 30 days, such as 2, whoever of the role gives them.",
)
