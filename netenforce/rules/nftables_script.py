"""Pure: the frame of the file that is installed on a Linux inline device; ``%WORDS%`` are filled in by ruleset()."""

HEAD = r"""#!/bin/sh
# What lines on %NAME% are restricted by. Made by "manage.py nftables_ruleset"; do not edit, make it anew instead.
#
# Lists on this device:
%LISTS%
#
# Install (as root; packages nftables, iproute2, conntrack):
#   install -m 0755 THIS_FILE /usr/local/sbin/billing-line
#   billing-line load     rules and classes, made anew; who is in the sets stays, and nothing passes by meanwhile
#   billing-line check    shows forwarding, rules with their counters, members of the sets, classes
#   billing-line names    looks the garden's host names up again; from cron, every five minutes:
#       */5 * * * * root /usr/local/sbin/billing-line names
#   billing-line remove   takes all of it away: every line is free
#   billing-line serve    answers the billing program over SSH: the one command its key is bound to
#
# At boot, /etc/systemd/system/billing-line.service:
#   [Unit]
#   Description=Restricted lines
#   After=network-online.target nftables.service
#   Wants=network-online.target
#   [Service]
#   Type=oneshot
#   RemainAfterExit=yes
#   ExecStart=/usr/local/sbin/billing-line load
#   [Install]
#   WantedBy=multi-user.target
# then: systemctl enable --now billing-line
#
# After a reboot the sets are empty, so nobody is restricted; the billing program sees it and fills them within five
# minutes. "nft flush ruleset" and "systemctl restart nftables" delete this table with all others: load it again.
#
# It stands in a table of its own and comes before your own rules: what it accepts your rules still judge, what it
# refuses is refused. If your rules offload connections (a flowtable, hardware), keep the members of these sets out.
set -eu
PATH=$PATH:/usr/sbin:/sbin
export PATH

ruleset() {
    cat <<'RULESET'
%RULESET%
RULESET
}

# A root that shapes nothing by itself: what has no class leaves as fast as the interface can.
root() {
    tc qdisc show dev "$1" root | grep -q '^qdisc htb 1: ' || tc qdisc replace dev "$1" root handle 1: htb default 0
}

# classes INTERFACE FIRST KBIT BURST QUEUE: 1024 classes of one speed; a line's address chooses its own.
classes() {
    leaf="bfifo limit $5"
    number=$2
    # The fair queue where the kernel has it; else half a second of the speed, so that slow is not late as well.
    tc class replace dev "$1" parent 1: classid "1:$(printf %x "$2")" htb rate "$3kbit" burst "$4" quantum 3028
    tc qdisc replace dev "$1" parent "1:$(printf %x "$2")" fq_codel 2>/dev/null && leaf=fq_codel
    while [ "$number" -lt $(($2 + 1024)) ]; do
        hex=$(printf %x "$number")
        echo "class replace dev $1 parent 1: classid 1:$hex htb rate $3kbit ceil $3kbit burst $4 cburst $4 quantum 3028"
        echo "qdisc replace dev $1 parent 1:$hex handle $hex: $leaf"
        number=$((number + 1))
    done | tc -batch -
}

load() {
    ruleset | nft -f -
%SLOWING%
    names
}
"""

NAMES = r"""
# The hosts of the garden that are known by name. What a name once meant is let through for a day longer.
names() {
    for name in %NAMES%; do
        for address in $(getent ahosts "$name" | awk '{ print $1 }' | sort -u); do
            case $address in *:*) set_name=gardennames6;; *) set_name=gardennames4;; esac
            echo "add element inet %TABLE% $set_name { $address timeout 1d }"
            echo "delete element inet %TABLE% $set_name { $address }"
            echo "add element inet %TABLE% $set_name { $address timeout 1d }"
        done
    done | nft -f -
}
"""

TAIL = r"""
check() {
    echo "forwarding: IPv4 $(cat /proc/sys/net/ipv4/ip_forward), IPv6 $(cat /proc/sys/net/ipv6/conf/all/forwarding)"
    nft -t list table inet %TABLE%
    for name in %CUSTOMERS% %UPSTREAM%; do
        [ "$name" = - ] || echo "$name: $(tc class show dev "$name" | grep -c htb) HTB classes"
    done
}

remove() {
    nft delete table inet %TABLE%
    for name in %CUSTOMERS% %UPSTREAM%; do
        [ "$name" = - ] || tc qdisc del dev "$name" root 2>/dev/null || :
    done
}

serve() {
    set +eu
    exec sh -c "$(program)" billing-line
}

program() {
    cat <<'PROGRAM'
%PROGRAM%
PROGRAM
}

case ${1:-load} in
load | check | names | remove | serve) "${1:-load}" ;;
*)
    echo "usage: $0 load|check|names|remove|serve" >&2
    exit 2
    ;;
esac
"""
