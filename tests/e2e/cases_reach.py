"""Hosts that cannot be dialled: they keep a connection to those that they reach, and call back over it."""

import time

from harness import EXIT_REFUSED, free_port, note, wait_until


def there_and_back(lab, zurich, bern, hidden):
    """Live from zurich to bern and back; only `hidden` is the one that nobody can dial."""
    zurich.create_vm("web-01", settings="guest.mem=32 guest.rate=5 guest.disk=200")
    guest = zurich.start_vm("web-01")
    boot = guest.status()["boot"]
    for source, target in ((zurich, bern), (bern, zurich)):
        note(f"{source.name} to {target.name}; {hidden.name} cannot be dialled")
        source.wait_ended(source.begin_move("web-01", target, "--live"), "done")
        guest = target.guest()
        guest.wait_ready()
        guest.verify()
        assert guest.status()["boot"] == boot, "the guest was booted anew"
        wait_until(f"{source.name} to let go", lambda source=source: not source.has_vm("web-01"))


def case_outgoing_only(lab):
    """bern takes no connections: it joins, follows, moves succeed both ways; two such hosts are refused before anything moves."""
    zurich, bern = lab.host("zurich").start(), lab.host("bern", advertise="none").start()
    lab.join(zurich, bern)
    members = {member["name"]: member for member in zurich.cli("domain", "members")["members"]}
    assert members["bern"]["endpoints"] == [], members
    bern.fails("domain", "invite", says="takes no connections")
    there_and_back(lab, zurich, bern, bern)

    note("bern is down")
    bern.kill9()
    words = zurich.fails("migrate", "web-01", "--to", "bern", says=["bern"])
    note(words)
    bern.start()

    note("both take no connections")
    wait_until("the ledger to be whole again", lambda: not zurich.cli("host", "status")["domain"]["waiting_for"])
    zurich.cli("host", "update", "none")
    words = zurich.fails("migrate", "web-01", "--to", "bern", code=EXIT_REFUSED, says="takes connections")
    note(words)
    zurich.cli("host", "update", zurich.advertised)


def case_unreachable_address(lab):
    """zurich, the ledger's server, has told an address that leads nowhere and does not know it: moves succeed both ways."""
    zurich, bern = lab.host("zurich", advertise=free_port()).start(), lab.host("bern").start()
    # zurich serves the ledger and invites; the line names the right address once, the ledger the wrong one.
    line = zurich.cli("domain", "invite")["line"].replace(zurich.advertised, f"{zurich.address}:{zurich.port}")
    bern.cli("domain", "join", line)
    wait_until("zurich to see bern", lambda: "bern" in str(zurich.cli("domain", "members")["members"]))
    there_and_back(lab, bern, zurich, zurich)


def case_cut_called_back(lab):
    """A move to a host that calls back, every connection cut for 10 s during the RAM transfer: it goes on and completes."""
    zurich, bern = lab.host("zurich", relayed=True).start(), lab.host("bern", advertise="none").start()
    lab.join(zurich, bern)
    zurich.create_vm("web-01", memory="256M", settings="guest.mem=128 guest.rate=2 guest.disk=200")
    boot = zurich.start_vm("web-01").status()["boot"]
    move_id = zurich.begin_move("web-01", bern, "--live", "--bandwidth", "16M")
    zurich.wait_move(move_id, lambda m: m["memory"] and m["memory"]["transferred_bytes"] > 20 << 20)
    note("cut")
    zurich.relay.cut(refuse=True)  # everything between the two goes through it
    time.sleep(10)  # the outage itself, not a way to wait for something
    zurich.relay.resume()
    note("whole again")
    zurich.wait_ended(move_id, "done")
    bern.guest().wait_ready()
    assert bern.guest().status()["boot"] == boot
    bern.guest().verify()
