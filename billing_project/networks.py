"""Read addresses and networks from the environment; standard library and environs only."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from environs import Env

from .channels import Wrong


def read_networks(env: Env, variable: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks that a variable names, with commas; raises Wrong for any other text, and for everybody."""
    found = []
    for text in (part.strip() for part in env.str(variable, "").split(",")):
        if not text:
            continue
        try:
            network = ip_network(text)
        except ValueError as error:
            raise Wrong(variable, f"'{text[:60]}' is no network ({error}); write it like 10.0.0.5 or 10.0.0.0/24.")
        if network.prefixlen == 0:
            words = f"'{text[:60]}' is everybody, who could then claim any address; name the proxies alone."
            raise Wrong(variable, words)
        found.append(network)
    return tuple(found)
