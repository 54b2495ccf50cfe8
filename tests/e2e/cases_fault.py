"""Daemons that are stopped, a destination that stands still, a thawed source, strangers and expelled members, lost hosts."""

import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import time

from harness import EXIT_UNAVAILABLE, Guest, note, wait_until
from phases import alive, reached, settle

def case_terminate_source(lab):
    """SIGTERM to the source's daemon before the seal: the guest runs on while the daemon is away, and moves afterwards."""
    zurich, bern = hosts = lab.pair(witness=True)
    zurich.create_vm("web-01", settings="guest.mem=32 guest.rate=5 guest.disk=500")
    guest = zurich.start_vm("web-01")
    boot = guest.status()["boot"]
    for wanted in ("copying", "switching", "switching", "freezing"):
        limit = ["--bandwidth", "8M"] if wanted == "copying" else []
        move_id = zurich.begin_move("web-01", bern, "--live", *limit)
        seen = zurich.wait_move(move_id, reached(wanted))
        note(f"wanted {wanted}, at {seen['phase']}: SIGTERM")
        zurich.terminate()
        journaled = 'state=sealed' in zurich.log_tail(400).split(move_id[:12])[-1] or any(
            f"move={move_id[:12]} role=source state=sealed" in line for line in zurich.log_tail(400).splitlines()
        )
        if not journaled:
            assert guest.status()["boot"] == boot
            first = guest.counter()
            wait_until("the guest to count on without its daemon", lambda first=first: guest.counter() > first)
        zurich.start()
        owner = settle(hosts, "web-01")
        if owner is bern:
            note("it was sealed already, and the move went on")
            bern.wait_ended(bern.begin_move("web-01", zurich, "--live"), "done")
            settle(hosts, "web-01")
        assert zurich.vm_state("web-01") == "running" and guest.status()["boot"] == boot
        guest.verify()
    zurich.wait_ended(zurich.begin_move("web-01", bern, "--live"), "done")
    assert bern.guest().status()["boot"] == boot


def case_silent_destination(lab):
    """Sealed, and the destination's daemon stands still before its commit: that is said, the source's abort is ordered, its guest
    runs again; the next move succeeds."""
    zurich, bern = lab.pair(relayed=True, witness=True)
    zurich.create_vm("web-01", settings="guest.mem=24 guest.rate=5")
    guest = zurich.start_vm("web-01")
    boot = guest.status()["boot"]
    zurich.relay.delay = 0.2  # of all that goes to the ledger's server: the commit is slow enough to be caught
    for attempt in range(6):
        move_id = zurich.begin_move("web-01", bern, "--live")
        zurich.wait_move(move_id, reached("sealed"))
        os.kill(bern.daemon.pid, signal.SIGSTOP)
        move = zurich.move(move_id)
        note(f"attempt {attempt}: the destination stands still, the source is {move['phase']}")
        try:
            if move["phase"] == "sealed":
                said = zurich.wait_move(move_id, lambda m: m["phase"] != "sealed" or "unanswered_since" in m)
                if said["phase"] == "sealed":
                    assert "since" in said["waiting"], said
                    move = zurich.wait_ended(move_id)
        finally:
            os.kill(bern.daemon.pid, signal.SIGCONT)
        if move["state"] == "aborted" and move["phase"] == "ended" and "unanswered" in zurich.log_tail(2000):
            break
        if settle((zurich, bern), "web-01") is bern:
            bern.wait_ended(bern.begin_move("web-01", zurich, "--live"), "done")
            settle((zurich, bern), "web-01")
            boot = guest.status()["boot"]
    else:
        raise AssertionError("the commit was always quicker")
    note(f"aborted: {move['message']}")
    zurich.relay.delay = 0
    assert alive((zurich, bern), "web-01", boot) is zurich
    zurich.wait_ended(zurich.begin_move("web-01", bern, "--live"), "done")
    assert bern.guest().status()["boot"] == boot


def case_tampered_control(lab):
    """A bit flipped on the TLS connections between the hosts, to either side, early and late in a live move: the move goes on over a
    new connection or is off; the guest is right, and the next move succeeds."""
    zurich, bern = hosts = lab.pair(relayed=True)
    zurich.create_vm("web-01", settings="guest.mem=32 guest.rate=5 guest.disk=500")
    zurich.start_vm("web-01")
    boot, source = zurich.guest().status()["boot"], zurich
    for direction in ("to_server", "to_client"):
        for phase in ("copying", "switching"):
            target = bern if source is zurich else zurich
            flipped = []

            def flip(way, data, direction=direction, flipped=flipped):
                if flipped or way != direction or len(data) < 6 or data[0] != 23:  # application data only
                    return data
                flipped.append(len(data))
                return data[:-1] + bytes([data[-1] ^ 1])

            limit = ["--bandwidth", "8M"] if phase == "copying" else []
            move_id = source.begin_move("web-01", target, "--live", *limit)
            source.wait_move(move_id, reached(phase))
            target.relay.on_control = flip
            move = source.wait_ended(move_id)
            wait_until("a byte to be flipped", lambda flipped=flipped: flipped)
            target.relay.honest()
            note(f"{phase}, {direction}: {move['state']} {move['message']}")
            source = alive(hosts, "web-01", boot)
    target = bern if source is zurich else zurich
    source.wait_ended(source.begin_move("web-01", target, "--live"), "done")
    assert target.guest().status()["boot"] == boot


def case_thawed_source(lab):
    """The destination has started; the frozen source gets SIGTERM, then SIGCONT, as in an orderly shutdown: it doesn't run."""
    zurich, bern = lab.pair(witness=True)
    # The ledger is served by zurich: the move goes from bern to zurich, so that bern's daemon may die.
    bern.create_vm("web-01", settings="guest.mem=24 guest.rate=5")
    old = bern.start_vm("web-01")
    for attempt in range(12):
        boot, counter, pid = old.status()["boot"], old.counter(), bern.vm("web-01")["pid"]
        move_id = bern.begin_move("web-01", zurich, "--live")
        # By its log, which is quicker than to ask: between the seal and the end of the source's copy lie some 30 ms.
        sealed = f"move={move_id[:12]} role=source state=sealed"
        end = time.monotonic() + 120
        while sealed not in bern.log_tail(40):
            assert time.monotonic() < end, "the move never came to its seal"
            time.sleep(0.001)
        time.sleep(0.003 * attempt)  # looks for the moment: the seal is out, the source's copy isn't ended
        os.kill(bern.daemon.pid, signal.SIGSTOP)
        new = zurich.guest()
        try:
            new.wait_ready(10)
        except AssertionError:
            bern.kill9()
            note(f"attempt {attempt}: the daemon died before the seal was out; the source runs again after its restart")
            bern.start()
            assert alive((zurich, bern), "web-01") is not None
        else:
            bern.kill9()
            assert new.status()["boot"] == boot and new.counter() >= counter
            if os.path.exists(f"/proc/{pid}"):
                break
            note(f"attempt {attempt}: the source's copy was ended already")
            bern.start()
        if settle((zurich, bern), "web-01") is zurich:
            zurich.wait_ended(zurich.begin_move("web-01", bern, "--live"), "done")
            settle((zurich, bern), "web-01")
    else:
        raise AssertionError("the source's daemon never died between the seal and the end of its copy")
    note("thaw")
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGCONT)
    try:
        seen = Guest("127.0.0.1", bern.forwards[0]).get("counter", 3)
        raise AssertionError(f"the old guest runs: {seen}")
    except OSError:
        pass
    new.verify()
    bern.start()
    assert settle((zurich, bern), "web-01") is zurich


def case_strangers(lab):
    """A host that is no member gets no session; an expelled one neither, and stops serving as a member."""
    zurich, bern = lab.pair(witness=True)
    basel = lab.hosts[2]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", zurich.port), 10) as raw, context.wrap_socket(raw) as tls:
            tls.sendall(b"SLFT" + bytes(12))
            assert tls.recv(1) == b"", "a client without a certificate was answered"
    except OSError as error:
        note(f"no certificate: {error}")
    for first in (b"GET / HTTP/1.1\r\n\r\n", b"BULK" + bytes(52), bytes(64)):
        with socket.create_connection(("127.0.0.1", zurich.port), 10) as raw:
            raw.settimeout(20)
            raw.sendall(first)
            try:
                while raw.recv(4096):
                    pass
            except ConnectionError:
                pass
    stranger = lab.host("geneva").start()
    stranger.fails("migrate", "web-01", "--to", "zurich")

    note("expel basel")
    zurich.cli("domain", "expel", "basel", "--reason", "test")
    if "basel" in [m["name"] for m in zurich.cli("domain", "members")["members"]]:
        bern.cli("domain", "approve", "basel")
    wait_until(
        "basel to be out",
        lambda: "basel" not in [m["name"] for m in zurich.cli("domain", "members")["members"]],
    )

    note("it shows the proof, and refuses to go on, also after a restart")
    for again in (False, True):
        if again:
            basel.restart()
        proof = wait_until("basel to know", lambda: basel.cli("host", "status")["domain"]["expelled"])
        entry = next(r for r in zurich.cli("ledger", "log")["records"] if r["kind"] == "host.expel")
        assert proof["block"] == entry["height"] and "basel" in proof["text"] and "test" in proof["text"], (proof, entry)
        assert sum(line.startswith("\u2014 ") for line in proof["checkpoint"].splitlines()) >= 2, proof["checkpoint"]
        shown = basel.text("host", "status")
        assert f"in block {proof['block']}" in shown and "this host is expelled" in shown, shown
        basel.fails("domain", "expel", "bern", "--reason", "revenge", says=["basel", "no member", "any more"])
        basel.fails("host", "update", "192.0.2.1:7420", says=["basel", "no member", "any more"])
    seen = basel.cli("host", "status")["domain"]["height"]
    bern.create_vm("web-01", settings="guest.mem=16")
    bern.start_vm("web-01")
    bern.wait_ended(bern.begin_move("web-01", zurich, "--live"), "done")
    zurich.guest().verify()
    assert basel.cli("host", "status")["domain"]["height"] == seen, "it was told what came after its expulsion"
    zurich.fails("migrate", "web-01", "--to", "basel", says="basel")


def frozen_with_reason(host, name, owner):
    """Exactly that: the process is stopped, and the listing and the VM itself say who owns it now."""
    shown = wait_until(
        f"{host.name} to freeze its copy",
        lambda: (vm := host.vm(name))["state"] == "frozen" and vm["note"] and vm,
    )
    assert f"{owner} owns it now" in shown["note"], shown
    assert "frozen" in host.text("vm", "list") and f"{owner} owns it" in host.text("vm", "show", name)
    state = pathlib.Path(f"/proc/{shown['pid']}/stat").read_text().rsplit(")", 1)[1].split()[0]
    assert state == "T", f"process {shown['pid']} is in state {state}"
    return shown


def case_recover(lab):
    """The owner is lost; the VM is recovered elsewhere by two of three, from a backup, and starts there with what its disk
    held; the old owner comes back and freezes its copy, which is set aside by hand."""
    zurich, bern = lab.pair(witness=True)
    basel = lab.hosts[2]
    bern.create_vm("web-01", settings="guest.mem=16 guest.disk=1000", more='at_rest = "sealed"')
    guest = bern.start_vm("web-01")
    wait_until("blocks", lambda: int(guest.status()["blocks"]) >= 20)
    bern.cli("vm", "stop", "web-01", "--deadline", "240")
    shown = wait_until("the rest root", lambda: (vm := bern.vm("web-01")).get("rest_root") and vm)
    vm_id = shown["id"]

    note("a backup of the VM at rest")
    backup = lab.folder / "backup"
    backup.mkdir()
    (backup / "definition.json").write_text(json.dumps(shown["definition"]))
    for name in ("kernel", "initrd"):
        shutil.copy(pathlib.Path(shown["directory"]) / name, backup / name)
    shutil.copy(shown["disks"][0]["path"], backup / "vda.raw")

    recover = ("vm", "recover", vm_id, "--from", backup, "--fenced", "the test says so")
    note("not lost: refused")
    zurich.fails(*recover, says=["bern", "not lost", "nothing was changed"])
    guest = bern.start_vm("web-01")
    pid, blocks = bern.vm("web-01")["pid"], int(guest.status()["blocks"])
    bern.kill9()

    note("what is wrong is said, and changes nothing")
    zurich.fails("vm", "recover", vm_id, "--from", backup, says=["--fenced"])
    zurich.fails(*recover[:3], *recover[5:], says=["no copy was given", "nothing was changed", "--from"])
    zurich.fails("vm", "recover", vm_id, "--from", "/nowhere", *recover[5:], says=["/nowhere", "nothing was changed"])
    zurich.fails("vm", "recover", "web-01", *recover[3:], says=["by its id"])
    # It has run since: nothing says that this is what its disk should hold.
    zurich.fails(*recover, says=["--accept-changes", "Nothing was changed"])
    assert zurich.cli("vm", "list")["vms"] == [] and list((zurich.state / "vms").iterdir()) == []

    note("one of two: nothing changes, and the copy waits, also for the next daemon")
    answer = zurich.cli(*recover, "--accept-changes", "the last backup")
    assert answer["recorded"] is False and "signed by 1 of 2" in answer["message"], answer
    assert zurich.cli("vm", "list")["vms"] == []
    basel.fails("vm", "start", vm_id)
    zurich.kill9()
    zurich.start()
    if basel.run("domain", "approve", vm_id).returncode != 0:
        note("the proposal went with the daemon: once more")
        zurich.cli(*recover, "--accept-changes", "the last backup")
        basel.cli("domain", "approve", vm_id)

    note("recorded: the VM is zurich's")
    wait_until("the VM at zurich", lambda: zurich.has_vm("web-01"))
    here = zurich.vm("web-01")
    assert here["id"] == vm_id and here["epoch"] == 1 and here["owner"] == "zurich" and here["state"] == "off", here
    log = zurich.text("ledger", "log")
    assert "the test says so" in log and "the last backup" in log, log
    guest = zurich.start_vm("web-01")
    assert zurich.vm("web-01")["last_start_verified"], zurich.vm("web-01")
    guest.verify()
    assert int(guest.status()["blocks"]) >= 20, (guest.status(), blocks)

    note("bern comes back")
    assert os.path.exists(f"/proc/{pid}"), "its guest ran on"
    bern.start()
    assert frozen_with_reason(bern, "web-01", "zurich")["pid"] == pid
    bern.fails("vm", "start", "web-01")
    bern.restart()
    frozen_with_reason(bern, "web-01", "zurich")
    bern.fails("vm", "remove", "web-01", says="vm kill")
    bern.cli("vm", "kill", "web-01")
    bern.cli("vm", "remove", "web-01")
    assert [entry["why"] for entry in bern.cli("quarantine", "list")["entries"]] == ["recovered elsewhere"]
    assert not bern.processes() and not bern.has_vm("web-01")
    zurich.guest().verify()


def case_recover_quarantine(lab):
    """Moved away, and the new owner is lost: recovered from the quarantine copy, which is older, and says so."""
    zurich, bern = lab.pair(witness=True)
    basel = lab.hosts[2]
    zurich.create_vm("web-01", settings="guest.mem=16 guest.disk=1000")
    guest = zurich.start_vm("web-01")
    wait_until("blocks", lambda: int(guest.status()["blocks"]) >= 20)
    move_id = zurich.begin_move("web-01", bern, "--live")
    zurich.wait_ended(move_id, "done")
    bern.wait_ended(move_id, "done")
    (entry,) = zurich.cli("quarantine", "list")["entries"]
    bern.kill9()
    for pid in bern.processes():
        os.kill(pid, signal.SIGKILL)
    recover = ("vm", "recover", "web-01", "--from", entry["id"], "--fenced", "its QEMU was seen dead")
    zurich.fails(*recover[:3], *recover[5:], says=["no copy was given", entry["id"][:12]])
    zurich.fails(*recover, says=["sealed", "--accept-changes", "Nothing was changed"])
    zurich.cli(*recover, "--accept-changes", "nothing newer is left")
    basel.cli("domain", "approve", entry["vm_id"])
    wait_until("the VM at zurich", lambda: zurich.has_vm("web-01"))
    guest = zurich.start_vm("web-01")
    assert zurich.vm("web-01")["last_start_verified"], zurich.vm("web-01")
    guest.verify()
    assert int(guest.status()["blocks"]) >= 20, guest.status()
    assert len(zurich.cli("quarantine", "list")["entries"]) == 1, "the copy is kept"

    note("bern comes back without a process: its copy is not started there")
    bern.start()
    wait_until("bern to know", lambda: "zurich owns it now" in str(bern.vm("web-01")["note"]))
    bern.fails("vm", "start", "web-01")
    assert not bern.processes()


def case_restored_state(lab):
    """A state directory of before the move: the ledger's epoch is another, its VM is not started, nor offline from the
    ledger."""
    zurich, bern = lab.pair(witness=True)
    bern.create_vm("web-01", settings="guest.mem=16")
    bern.terminate()
    old = lab.folder / "old"
    shutil.copytree(bern.state, old, ignore=shutil.ignore_patterns("*.sock", "run"))
    bern.start()
    bern.wait_ended(bern.begin_move("web-01", zurich), "done")
    zurich.start_vm("web-01").verify()
    bern.terminate()
    shutil.rmtree(bern.state)
    shutil.copytree(old, bern.state)

    note("the ledger out of reach: nothing is started on the old copy's word")
    zurich.kill9()
    bern.start()
    bern.fails("vm", "start", "web-01", code=EXIT_UNAVAILABLE, says=["not started", "--offline"])
    assert not bern.processes()

    note("the ledger within reach: bern's copy of it is older than what bern has cosigned, so it takes no part and starts nothing")
    zurich.start()
    wait_until("bern to know", lambda: "restored from a backup" in bern.run("vm", "start", "web-01").stderr)
    bern.fails("vm", "start", "web-01", says=["not started", "restored from a backup"])
    assert not bern.processes()
    zurich.guest().verify()


def case_shutdown_in_move(lab):
    """The host shuts down in the middle of a move: it is cancelled, the guest powered off in good order, and starts again."""
    zurich, bern = lab.pair(witness=True, extra=("", "[shutdown]\nwith_daemon = true\n"))
    bern.create_vm("web-01", settings="guest.mem=48 guest.rate=4", more='at_rest = "sealed"')
    bern.start_vm("web-01")
    move_id = bern.begin_move("web-01", zurich, "--live", "--bandwidth", "4M")
    bern.wait_move(move_id, lambda m: m["ended"] or m["phase"] == "copying")
    bern.terminate(120)
    assert not bern.processes(), "the guest was left running"
    bern.start()
    assert bern.wait_ended(move_id)["state"] == "aborted"
    # Powered off by its button, not killed: its disks' root was recorded.
    assert bern.vm("web-01")["rest_root"], bern.vm("web-01")
    zurich.wait_ended(move_id)
    assert list((zurich.state / "vms").iterdir()) == [], "the destination kept something"
    bern.start_vm("web-01").verify()
