"""A user's TCP session over bridge and tap, through a live move between two network namespaces."""

import os

from harness import note, wait_until
from netlab import GUEST_ADDRESS, NetLab


def case_session_kept(lab):
    """One TCP connection loses no line, new requests are all answered, while the guest moves there and back over bridges."""
    with NetLab(f"sl{os.getpid()}", ["zurich", "bern"]) as net:
        hosts = []
        for name, address in net.addresses.items():
            hosts.append(
                lab.host(
                    name,
                    namespace=net.name(name),
                    address=address,
                    networks='[networks.lan0]\nbridge = "br0"\n',
                ).start()
            )
        zurich, bern = hosts
        lab.join(zurich, bern)
        zurich.create_vm("web-01", settings=f"guest.ip={GUEST_ADDRESS}/24 guest.mem=48 guest.rate=8")
        zurich.cli("vm", "start", "web-01")
        wait_until("the guest to answer", lambda: net.get("counter", 3))
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
