"""Two network namespaces with bridges and taps: a user's TCP session through a live move, and hosts that speak IPv6."""

import os

from harness import note, wait_until
from netlab import GUEST_ADDRESS, NetLab


def bridged_pair(lab, net, addresses):
    """zurich and bern in their namespaces, in one domain, listening on these addresses."""
    for name in net.addresses:
        lab.host(
            name,
            namespace=net.name(name),
            address=addresses[name],
            networks='[networks.lan0]\nbridge = "br0"\n',
        ).start()
    zurich, bern = lab.hosts
    lab.join(zurich, bern)
    return zurich, bern


def start_bridged_vm(net, host, settings):
    host.create_vm("web-01", settings=f"guest.ip={GUEST_ADDRESS}/24 {settings}")
    host.cli("vm", "start", "web-01")
    wait_until("the guest to answer", lambda: net.get("counter", 3))


def case_ipv6(lab):
    """Two hosts that know each other by IPv6 addresses alone: invitation, join, a live move, a receipt."""
    with NetLab(f"s6{os.getpid()}", ["zurich", "bern"]) as net:
        zurich, bern = bridged_pair(lab, net, {name: f"[{text}]" for name, text in net.addresses6.items()})
        shown = {member["name"]: member for member in bern.cli("domain", "members")["members"]}
        for name, address in net.addresses6.items():
            assert f"[{address}]:7420" in str(shown[name]), shown
        start_bridged_vm(net, zurich, "guest.mem=24 guest.rate=5 guest.disk=500")
        before = int(net.get("counter"))
        move = zurich.wait_ended(zurich.begin_move("web-01", bern, "--live"), "done")
        assert net.get("verify").startswith("ok ")
        assert int(net.get("counter")) >= before
        assert bern.vm_state("web-01") == "running" and not zurich.has_vm("web-01")
        zurich.text("verify", move["report"]["receipt"], "--genesis", zurich.state / "genesis.json")


def case_session_kept(lab):
    """One TCP connection loses no line, new requests are all answered, while the guest moves there and back over bridges."""
    with NetLab(f"sl{os.getpid()}", ["zurich", "bern"]) as net:
        zurich, bern = bridged_pair(lab, net, net.addresses)
        start_bridged_vm(net, zurich, "guest.mem=48 guest.rate=8")
        client = net.spawn("lan", "client.py", GUEST_ADDRESS)
        wait_until("the session", lambda: net.ask(client)["lines"] > 0)
        for source, target in ((zurich, bern), (bern, zurich)):
            move = source.wait_ended(source.begin_move("web-01", target, "--live"), "done")
            assert net.get("verify").startswith("ok ")
            seen = net.ask(client)

            def answered(seen=seen):
                # A quick move ends before the request that spans it: that one counts too, nothing seen so far is dropped.
                if seen["requests"] == 0:
                    more = net.ask(client)
                    for count in ("lost", "requests", "failed", "counter_went_back"):
                        seen[count] += more[count]
                    seen["session"] = more["session"]
                return seen["requests"] > 0

            wait_until("a request over the move", answered)
            note(f"{seen}; pause {move['report']['pause_ms']:.0f} ms")
            assert seen["session"] == "open" and seen["lost"] == 0 and seen["counter_went_back"] == 0, seen
            assert seen["requests"] > 0 and seen["failed"] == 0, seen
