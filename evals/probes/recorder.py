"""A network that leads nowhere and writes down who tries to use it: default route, resolver, nftables on the way out.

Needs a network namespace of its own. Addresses are those reserved for documentation (RFC 5737, RFC 3849). Packets that
leave over any interface but loopback are counted, remembered by destination, and rejected, so that nobody waits. Not
seen here, but by strace: raw packets (AF_PACKET), VSOCK.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from evals.probes.namespaces import bind_file, empty_run_folder, run_tool

RESOLVER = "198.51.100.53"
_RULES = """
table inet recorder {
    set v4 { type ipv4_addr . inet_proto . inet_service; flags dynamic; size 65535; }
    set v6 { type ipv6_addr . inet_proto . inet_service; flags dynamic; size 65535; }
    counter n_packets { }
    counter n_questions { }
    chain output {
        type filter hook output priority 0; policy accept;
        oif "lo" accept
        meta l4proto { icmp, igmp, ipv6-icmp } accept comment "the kernel's own: neighbours, multicast, our rejections"
        udp dport { 53, 853, 5353, 5355 } counter name n_questions
        tcp dport { 53, 853 } counter name n_questions
        counter name n_packets
        update @v4 { ip daddr . meta l4proto . th dport }
        update @v6 { ip6 daddr . meta l4proto . th dport }
        reject
    }
}
"""


@dataclass(frozen=True)
class Recorded:
    """Since the last reset: packets that left, those to a resolver's port among them, and their destinations."""

    packets: int
    questions: int
    destinations: tuple[str, ...]


def set_up() -> None:
    """Build the network. Raises OSError if this is not a namespace where we may."""
    empty_run_folder()
    bind_file(f"nameserver {RESOLVER}\noptions timeout:1 attempts:1\n", Path("/etc/resolv.conf"))
    for command in (
        "link set lo up",
        "link add out0 type bridge",
        "addr add 198.51.100.1/24 dev out0",
        "link set out0 up",
        "addr add 2001:db8::1/64 dev out0 nodad",
        "route add default via 198.51.100.254 dev out0",
        "-6 route add default via 2001:db8::fe dev out0",
        # Neighbours that do not exist would swallow what is sent before it reaches the recorder's reject:
        "neigh add 198.51.100.254 lladdr 02:00:00:00:00:01 dev out0",
        "neigh add 198.51.100.53 lladdr 02:00:00:00:00:02 dev out0",
        "neigh add 2001:db8::fe lladdr 02:00:00:00:00:01 dev out0",
    ):
        run_tool("ip", *command.split())
    run_tool("nft", "-f", "-", stdin=_RULES)


def reset() -> None:
    for what in ("set inet recorder v4", "set inet recorder v6"):
        run_tool("nft", "flush", *what.split())
    run_tool("nft", "reset", "counters", "table", "inet", "recorder")


def read() -> Recorded:
    listed = json.loads(run_tool("nft", "-j", "list", "table", "inet", "recorder"))["nftables"]
    counters = {entry["counter"]["name"]: entry["counter"]["packets"] for entry in listed if "counter" in entry}
    destinations = [_spell(element) for entry in listed if "set" in entry for element in entry["set"].get("elem", [])]
    return Recorded(counters["n_packets"], counters["n_questions"], tuple(sorted(destinations)))


def _spell(element: object) -> str:
    """nft prints a set element as {"concat": [...]}, or inside {"elem": {"val": ...}}."""
    while isinstance(element, dict):
        element = element.get("concat") or element.get("elem") or element["val"]
    address, protocol, port = element if isinstance(element, list) else (element, "?", "?")
    return f"{protocol} {address} port {port}"
