"""Moves that succeed, and moves that must not: cold and live, formats, firmware, tampering, aborts, cuts."""

import json
import os
import pathlib
import signal
import subprocess
import threading
import time

from harness import EXIT_REFUSED, note, wait_until

SIDE_FILES, MAIN_STREAM, FIRST_MULTIFD = 16, 32, 33
SIDE_FILE_PIECE = 256 << 10


def check_receipt(host, move, vm):
    """The receipt stands on its own, and a changed one doesn't."""
    receipt = pathlib.Path(move["report"]["receipt"])
    facts = host.cli("verify", receipt)
    assert vm in json.dumps(facts) or move["vm_id"] in json.dumps(facts), facts
    words = host.text("verify", receipt, "--genesis", host.state / "genesis.json")
    assert move["from"] in words and move["to"] in words, words
    broken = host.lab.folder / "broken.receipt"
    data = bytearray(receipt.read_bytes())
    at = data.find(b"payload") + 40
    data[at] = ord("A") if data[at] != ord("A") else ord("B")
    broken.write_bytes(data)
    host.fails("verify", broken)


def check_left(host, vm, move):
    """Nothing of the VM runs here any more; its disks are in quarantine."""
    wait_until(f"{host.name} to let go of {vm}", lambda: not host.has_vm(vm) and not host.processes())
    assert any(entry["vm"] == vm for entry in host.cli("quarantine", "list")["entries"])


def check_nothing_arrived(host, vm):
    """A refused move leaves nothing: no VM, no process, no files."""
    wait_until(
        f"{host.name} to destroy what it holds",
        lambda: not host.has_vm(vm)
        and not host.processes()
        and all(move["ended"] for move in host.cli("moves", "list")["moves"]),
    )
    left = [
        str(p)
        for place in ("vms", "moves", "pools/default")
        for p in (host.state / place).glob("*")
        if p.name != ".quarantine"
    ]
    assert left == [], left


def check_reason(source, target, move):
    """Both hosts say in words why the move ended."""
    for host in (source, target):
        ended = host.wait_move(move["id"], lambda m: m["ended"])
        assert len(ended["message"].split()) > 3, f"{host.name} gives no reason: {json.dumps(ended)}"
        assert ended["message"] in host.text("moves", "show", move["id"])


def migrate(source, target, vm, *options):
    move = source.wait_ended(source.begin_move(vm, target, *options), "done")
    wait_until(f"{target.name} to have {vm}", lambda: target.has_vm(vm))
    return move


def case_cold(lab):
    """Powered off, one raw and one qcow2 disk: sparse, verified, receipt; and back again."""
    zurich, bern = lab.pair()
    zurich.create_vm(
        "web-01",
        disks=[("raw", "256M"), ("qcow2", "256M")],
        settings="guest.mem=16 guest.disk=3000 guest.span=8",
    )
    guest = zurich.start_vm("web-01")
    wait_until("blocks", lambda: int(guest.status()["blocks"]) >= 200)
    before = guest.verify()
    zurich.cli("vm", "stop", "web-01")
    zurich.fails("migrate", "web-01", "--to", "bern", "--live", code=EXIT_REFUSED)

    note("dry run, then there")
    zurich.cli("migrate", "web-01", "--to", "bern", "--dry-run")
    assert zurich.vm_state("web-01") == "off" and not bern.has_vm("web-01")
    move = migrate(zurich, bern, "web-01", "--cold")
    assert move["mode"] == "cold" and sum(disk["sent_bytes"] for disk in move["disks"]) < 64 << 20, move[
        "disks"
    ]
    check_receipt(zurich, move, "web-01")
    check_left(zurich, "web-01", move)
    shown = bern.vm("web-01")
    assert [disk["format"] for disk in shown["disks"]] == ["raw", "qcow2"] and shown["epoch"] == 1, shown
    raw = pathlib.Path(shown["disks"][0]["path"])
    assert (
        raw.stat().st_size == 256 << 20 and raw.stat().st_blocks * 512 < 64 << 20
    ), "the raw image is no longer sparse"
    guest = bern.start_vm("web-01")
    after = guest.verify()
    assert all(
        int(b) >= int(a)
        for a, b in zip(before["sequence"].split(","), after["sequence"].split(","), strict=True)
    )
    bern.cli("vm", "stop", "web-01")

    note("and back")
    move = migrate(bern, zurich, "web-01")
    check_left(bern, "web-01", move)
    zurich.start_vm("web-01").verify()
    kinds = [record["kind"] for record in zurich.cli("ledger", "log")["records"]]
    assert sum("commit" in kind for kind in kinds) == 2, kinds
    for host in (zurich, bern):
        host.text("ledger", "verify")


def disk_bytes(move, what):
    return sum(disk[what] for disk in move["disks"])


def kept_disks(host, vm):
    """The disk files of the VM's newest entry in quarantine."""
    entries = [entry for entry in host.cli("quarantine", "list")["entries"] if entry["vm"] == vm]
    newest = max(entries, key=lambda entry: entry["since"])["id"]
    return sorted((host.state / "pools/default/.quarantine" / newest).iterdir())


def alter(path, at, data=None):
    """Other bytes there; without data one bit is flipped."""
    with open(path, "r+b") as file:
        byte = os.pread(file.fileno(), 1, at)[0]
        os.pwrite(file.fileno(), data or bytes([byte ^ 0x10]), at)


def case_the_way_back(lab):
    """What a VM left behind in quarantine is not sent when it comes back, cold and live, raw and qcow2: only what changed since,
    or was altered there; also when the destination is killed meanwhile. After a purge everything is sent."""
    zurich, bern = lab.pair()
    lab.folder.joinpath("seed.raw").write_bytes(lab.random.randbytes(100 << 20))
    seed = f'source = "{lab.folder}/seed.raw"\nsource_format = "raw"'
    zurich.create_vm(
        "web-01",
        disks=[("raw", "160M", seed), ("qcow2", "160M", seed)],
        settings="guest.mem=16 guest.disk=200 guest.span=4",
    )
    there = migrate(zurich, bern, "web-01", "--cold")
    everything = disk_bytes(there, "sent_bytes")
    assert everything == 200 << 20 and disk_bytes(there, "had_bytes") == 0, there["disks"]

    note("back, live, after the guest wrote a little")
    guest = bern.start_vm("web-01")
    guest.verify()
    boot = guest.status()["boot"]
    move = migrate(bern, zurich, "web-01", "--live")
    note(f"sent {disk_bytes(move, 'sent_bytes') >> 20} MiB, had {disk_bytes(move, 'had_bytes') >> 20} MiB")
    assert all(0 < disk["sent_bytes"] < 30 << 20 for disk in move["disks"]), move["disks"]
    assert all(disk["had_bytes"] > 80 << 20 for disk in move["disks"]), move["disks"]
    shown = bern.text("moves", "show", move["id"])
    assert ", had " in shown and "in quarantine until " in shown, shown
    ours = next(entry for entry in bern.cli("quarantine", "list")["entries"] if entry["id"] == move["id"])
    assert move["report"]["kept_until"] == ours["until"], (move["report"], ours)
    check_receipt(bern, move, "web-01")
    guest = zurich.guest()
    guest.wait_ready()
    guest.verify()
    assert guest.status()["boot"] == boot
    zurich.cli("vm", "stop", "web-01")

    note("there, cold")
    move = migrate(zurich, bern, "web-01", "--cold")
    note(f"sent {disk_bytes(move, 'sent_bytes') >> 10} KiB, had {disk_bytes(move, 'had_bytes') >> 20} MiB")
    assert all(disk["sent_bytes"] < 20 << 20 and disk["had_bytes"] > 80 << 20 for disk in move["disks"]), move["disks"]

    note("back, cold, one bit flipped in each copy that waits there")
    for path in kept_disks(zurich, "web-01"):
        alter(path, 50 << 20)
    move = migrate(bern, zurich, "web-01", "--cold")
    assert [disk["sent_bytes"] for disk in move["disks"]] == [256 << 10] * 2, move["disks"]
    check_receipt(bern, move, "web-01")

    note("there, cold, much altered, and the destination killed in the middle")
    for path in kept_disks(bern, "web-01"):
        alter(path, 30 << 20, lab.random.randbytes(30 << 20))
    move_id = zurich.begin_move("web-01", bern, "--cold", "--bandwidth", "8M")
    move = zurich.wait_move(move_id, lambda m: m["ended"] or disk_bytes(m, "had_bytes") > 0)
    assert not move["ended"], move
    bern.restart()
    zurich.wait_ended(move_id, "done")
    wait_until("bern to have web-01", lambda: bern.has_vm("web-01"))
    bern.start_vm("web-01").verify()
    bern.cli("vm", "stop", "web-01")

    note("purged: everything is sent")
    for entry in zurich.cli("quarantine", "list")["entries"]:
        zurich.cli("quarantine", "purge", entry["id"])
    move = migrate(bern, zurich, "web-01", "--cold")
    assert disk_bytes(move, "sent_bytes") >= everything and disk_bytes(move, "had_bytes") == 0, move["disks"]
    zurich.start_vm("web-01").verify()


def case_cold_uefi(lab):
    """UEFI, one qcow2 disk, powered off: its variable store, a file of its own, goes with it."""
    zurich, bern = lab.pair()
    zurich.create_vm(
        "web-01", disks=[("qcow2", "64M")], firmware="uefi", memory="256M", settings="guest.mem=16 guest.disk=2000"
    )
    guest = zurich.start_vm("web-01")
    wait_until("blocks", lambda: int(guest.status()["blocks"]) >= 50)
    before = guest.verify()
    zurich.cli("vm", "stop", "web-01")
    variables = (pathlib.Path(zurich.vm("web-01")["directory"]) / "vars.fd").read_bytes()
    # The firmware writes into it: a template that was never booted has other bytes.
    assert variables and variables != pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd").read_bytes()
    move = migrate(zurich, bern, "web-01", "--cold")
    check_receipt(zurich, move, "web-01")
    assert "firmware" in [part["name"] for part in bern.cli("verify", move["report"]["receipt"])["parts"]]
    assert (pathlib.Path(bern.vm("web-01")["directory"]) / "vars.fd").read_bytes() == variables
    after = bern.start_vm("web-01").verify()
    assert int(after["sequence"]) >= int(before["sequence"]), (before, after)


def live_there_and_back(lab, disks, firmware, settings, memory="160M"):
    zurich, bern = lab.pair()
    zurich.create_vm("web-01", disks=disks, firmware=firmware, memory=memory, settings=settings)
    guest = zurich.start_vm("web-01")
    wait_until("blocks", lambda: int(guest.status()["blocks"]) >= 20)
    boot, last = guest.status()["boot"], guest.verify()
    for source, target in ((zurich, bern), (bern, zurich)):
        note(f"{source.name} to {target.name}")
        move = migrate(source, target, "web-01", "--live")
        guest = target.guest()
        guest.wait_ready()
        now = guest.verify()
        assert guest.status()["boot"] == boot, "the guest was booted anew"
        assert int(now["counter"]) >= int(last["counter"]), (last, now)
        assert move["report"]["pause_ms"] > 0, move
        note(
            f"pause {move['report']['pause_ms']:.0f} ms of {move['report']['total_ms']} ms: {move['report']['pause_parts_ms']}"
        )
        check_receipt(source, move, "web-01")
        check_left(source, "web-01", move)
        last = guest.verify()
    return zurich, bern


def case_live(lab):
    """Running, BIOS, one raw disk, there and back: every page and block, the same boot, a counter that goes on."""
    live_there_and_back(lab, [("raw", "128M")], "bios", "guest.mem=48 guest.rate=10 guest.disk=500")


def case_live_uefi_two_disks(lab):
    """Running, UEFI, qcow2 and raw, there and back."""
    live_there_and_back(
        lab,
        [("qcow2", "128M"), ("raw", "64M")],
        "uefi",
        "guest.mem=48 guest.rate=10 guest.disk=500",
        memory="256M",
    )


def case_live_fast_writer(lab):
    """Running, while the guest rewrites memory and disk as fast as it can, with a limited link."""
    zurich, bern = lab.pair()
    zurich.create_vm(
        "web-01", memory="256M", settings="guest.mem=64 guest.rate=60 guest.disk=8000 guest.span=32"
    )
    guest = zurich.start_vm("web-01")
    wait_until("blocks", lambda: int(guest.status()["blocks"]) >= 100)
    boot = guest.status()["boot"]
    move = migrate(zurich, bern, "web-01", "--live", "--max-downtime", "1000")
    guest = bern.guest()
    guest.wait_ready()
    guest.verify()
    assert guest.status()["boot"] == boot
    note(f"pause {move['report']['pause_ms']:.0f} ms, rounds {[disk['round'] for disk in move['disks']]}")


def side_file_records(host, vm):
    """How many records the files beside a VM's disks are: for each one that begins it, and its pieces."""
    directory = pathlib.Path(host.vm(vm)["directory"])
    sizes = [(directory / name).stat().st_size for name in ("kernel", "initrd", "vars.fd")]
    return sum(1 + -(-size // SIDE_FILE_PIECE) for size in sizes)


def tampered(lab, mode, streams, firmware="bios", memory="128M"):
    zurich, bern = lab.pair(relayed=True)
    settings = "guest.mem=32 guest.rate=5 guest.disk=2000"
    zurich.create_vm("web-01", firmware=firmware, memory=memory, settings=settings)
    guest = zurich.start_vm("web-01")
    wait_until("blocks", lambda: int(guest.status()["blocks"]) >= 50)
    boot = guest.status()["boot"]
    if mode == "--cold":
        zurich.cli("vm", "stop", "web-01")
    for name, arguments in streams:
        note(f"flip one bit: {name}")
        if arguments.get("after") == "all side files":
            arguments = {**arguments, "after": side_file_records(zurich, "web-01") + 1}
        # Whoever dials: the flipped record is one from the source.
        bern.relay.tamper_once(direction="to_server", **arguments)
        move = zurich.wait_ended(zurich.begin_move("web-01", bern, mode))
        assert bern.relay.flipped, f"nothing was flipped: {json.dumps(move)}"
        bern.relay.honest()
        assert move["state"] == "aborted", f"{name} flipped, but the move ended as {move['state']}"
        note(f"refused: {move['message']}")
        check_reason(zurich, bern, move)
        check_nothing_arrived(bern, "web-01")
        if mode == "--live":
            assert zurich.vm_state("web-01") == "running" and guest.status()["boot"] == boot
            guest.verify()
    note("honest again: the next move succeeds")
    migrate(zurich, bern, "web-01", mode)
    (bern.start_vm("web-01") if mode == "--cold" else bern.guest()).verify()


def case_tampered_cold(lab):
    """A bit flipped in a cold move's streams: refused, nothing kept, the next move succeeds."""
    tampered(
        lab,
        "--cold",
        [
            ("disk data", {"stream": 1}),
            ("tag of disk data", {"stream": 1, "offset": -1, "after": 3}),
            ("header of disk data", {"stream": 1, "offset": 12}),
            ("the files beside the disks", {"stream": SIDE_FILES, "after": 1}),
        ],
    )


def case_tampered_live(lab):
    """UEFI: a bit flipped in each kind of stream of a live move: refused, the guest runs on, the next move succeeds."""
    tampered(
        lab,
        "--live",
        [
            ("disk data", {"stream": 1}),
            ("the files beside the disks", {"stream": SIDE_FILES, "after": 1}),
            ("UEFI's variables, sent again after the stop", {"stream": SIDE_FILES, "after": "all side files"}),
            ("QEMU's main channel", {"stream": MAIN_STREAM}),
            ("a multifd channel", {"stream": FIRST_MULTIFD}),
            ("a late record of memory", {"stream": FIRST_MULTIFD, "after": 20}),
        ],
        firmware="uefi",
        memory="256M",
    )


def case_aborts(lab):
    """abort while a live move copies, and while it waits for the ledger to begin; the next one succeeds."""
    zurich, bern = lab.pair()
    zurich.create_vm("web-01", settings="guest.mem=48 guest.rate=5 guest.disk=500")
    guest = zurich.start_vm("web-01")
    boot = guest.status()["boot"]
    for phase in ("offering", "copying"):
        move_id = zurich.begin_move("web-01", bern, "--live", "--bandwidth", "4M")
        zurich.wait_move(move_id, lambda m, phase=phase: m["phase"] == phase or m["phase"] == "copying")
        note(f"abort in {zurich.move(move_id)['phase']}")
        zurich.cli("moves", "abort", move_id)
        zurich.wait_ended(move_id, "aborted")
        check_nothing_arrived(bern, "web-01")
        assert zurich.vm_state("web-01") == "running" and guest.status()["boot"] == boot
        guest.verify()
    note("from the destination")
    move_id = zurich.begin_move("web-01", bern, "--live", "--bandwidth", "4M")
    zurich.wait_move(move_id, lambda m: m["phase"] == "copying")
    wait_until("bern to know the move", lambda: bern.cli("moves", "abort", move_id))
    zurich.wait_ended(move_id, "aborted")
    note("the next one")
    move_id = zurich.begin_move("web-01", bern, "--live")
    zurich.wait_ended(move_id, "done")
    zurich.fails("moves", "abort", move_id)
    bern.guest().wait_ready()
    bern.guest().verify()


def check_qemu_logs(*hosts):
    """No QEMU of these hosts, here or set aside, has said anything: it speaks of errors only."""
    for host in hosts:
        logs = list(host.state.rglob("qemu.log"))
        assert logs, f"{host.name} keeps no log of its QEMU"
        for log in logs:
            assert log.read_text() == "", f"{log}: {log.read_text()}"


def case_cut(lab):
    """All connections cut for 10 s during the RAM transfer: the move goes on, QEMU saw no error, everything is there."""
    zurich, bern = lab.pair(relayed=True)
    zurich.create_vm("web-01", memory="256M", settings="guest.mem=128 guest.rate=2 guest.disk=200")
    guest = zurich.start_vm("web-01")
    boot = guest.status()["boot"]
    move_id = zurich.begin_move("web-01", bern, "--live", "--bandwidth", "16M")
    zurich.wait_move(move_id, lambda m: m["memory"] and m["memory"]["transferred_bytes"] > 20 << 20)
    note("cut")
    for relay in (zurich.relay, bern.relay):
        relay.cut(refuse=True)
    time.sleep(10)  # the outage itself, not a way to wait for something
    for relay in (zurich.relay, bern.relay):
        relay.resume()
    note("whole again")
    zurich.wait_ended(move_id, "done")
    bern.guest().wait_ready()
    assert bern.guest().status()["boot"] == boot
    bern.guest().verify()
    check_qemu_logs(zurich, bern)


def case_refusals(lab):
    """Pre-flight names every reason at once and moves nothing."""
    zurich, bern = lab.pair(extra=("", '[accept]\nmemory = "64M"\n'))
    zurich.create_vm("web-01", network="", settings="guest.mem=16")
    zurich.networks = "[networks.prod-10]\n"
    zurich.configure()
    zurich.restart()
    zurich.create_vm("web-02", network="prod-10", settings="guest.mem=16")
    words = zurich.fails(
        "migrate", "web-02", "--to", "bern", code=EXIT_REFUSED, says=["nothing moved", "prod-10", "memory"]
    )
    note(words)
    zurich.fails("migrate", "web-01", "--to", "zurich", code=EXIT_REFUSED)
    zurich.fails("migrate", "web-01", "--to", "nowhere", says="nowhere")
    bern.extra = ""
    bern.configure()
    bern.restart()
    bern.create_vm("web-01", network="", settings="guest.mem=16")
    wait_until(
        "bern to be seen again", lambda: "name" in zurich.fails("migrate", "web-01", "--to", "bern").lower()
    )
    bern.kill9()
    zurich.fails("migrate", "web-01", "--to", "bern", says="bern")
    assert zurich.vm_state("web-01") == "off"
    bern.start()


def case_never_converges(lab):
    """A guest that writes faster than the link: said before, said during, given up with what to do; tuned, it moves."""
    zurich, bern = lab.pair()
    zurich.create_vm("web-01", memory="96M", settings="guest.mem=12 guest.rate=60 guest.disk=100")
    guest = zurich.start_vm("web-01")
    boot = guest.status()["boot"]
    slow = ["--live", "--bandwidth", "1M", "--max-downtime", "50"]
    words = zurich.text("migrate", "web-01", "--to", "bern", *slow, "--dry-run")
    note(words)
    for word in ("expect", "will not converge", "--cold", "nothing moved"):
        assert word in words, words
    move_id = zurich.begin_move("web-01", bern, "--live", "--bandwidth", "24M", "--max-downtime", "1", "--patience", "4")
    zurich.wait_move(move_id, lambda m: m["ended"] or m["memory"])
    zurich.cli("moves", "tune", move_id, "--bandwidth", "6M")
    move = zurich.wait_ended(move_id, "aborted")
    note(move["message"])
    assert "no progress" in move["message"] and "--max-downtime" in move["message"], move["message"]
    check_reason(zurich, bern, move)
    check_nothing_arrived(bern, "web-01")
    assert guest.status()["boot"] == boot

    note("tuned on its way")
    move_id = zurich.begin_move("web-01", bern, "--live", "--bandwidth", "6M", "--max-downtime", "1", "--patience", "0")
    zurich.wait_move(move_id, lambda m: m.get("problem"))
    zurich.cli("moves", "tune", move_id, "--bandwidth", "0", "--max-downtime", "3000")
    zurich.wait_ended(move_id, "done")
    bern.guest().wait_ready()
    bern.guest().verify()


def small_pool(lab, host, size):
    """A pool of its own that can be filled."""
    pool = lab.folder / f"small-{host.name}"
    pool.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "none", pool], check=True)
    host.extra = f'[pools.small]\npath = "{pool}"\n'
    host.configure()
    host.restart()
    return pool


def case_full_disk(lab):
    """No room at the destination before and in the middle of a move, and under a guest: each says so, nothing is lost."""
    zurich, bern = lab.pair()
    pools = []
    try:
        pools.append(small_pool(lab, bern, "160M"))
        zurich.create_vm("web-01", settings="guest.mem=16 guest.disk=500")
        zurich.start_vm("web-01")
        filler = pools[0] / "filler"
        filler.write_bytes(bytes(150 << 20))
        note(
            zurich.fails(
                "migrate", "web-01", "--to", "bern", "--map-pool", "default=small", code=EXIT_REFUSED,
                says=["nothing moved", "bern", "pool small", "MiB free"],
            )
        )
        filler.unlink()
        move_id = zurich.begin_move("web-01", bern, "--live", "--map-pool", "default=small", "--bandwidth", "2M")
        zurich.wait_move(move_id, lambda m: m["disks"][0]["sent_bytes"] > 0)
        with open(filler, "wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError:
                pass
        move = zurich.wait_ended(move_id, "aborted")
        note(move["message"])
        check_reason(zurich, bern, move)
        assert "space" in move["message"].lower(), move["message"]
        zurich.guest().verify()

        note("under a guest")
        pools.append(small_pool(lab, zurich, "12M"))
        zurich.create_vm("web-02", disks=[("qcow2", "64M")], network="lan1",
                         settings="guest.mem=16 guest.disk=8000 guest.span=32", pool="small")
        zurich.cli("vm", "start", "web-02")
        shown = wait_until("the guest to be stopped", lambda: (vm := zurich.vm("web-02"))["state"] == "paused" and vm)
        assert "room" in shown["note"], shown
        subprocess.run(["mount", "-o", "remount,size=200M", pools[1]], check=True)
        assert "went on" in zurich.text("vm", "start", "web-02")
        assert zurich.vm("web-02")["state"] == "running"
        zurich.guest(1).wait_ready()
        zurich.guest(1).verify()
    finally:
        for host in (zurich, bern):
            for pid in host.processes():
                os.kill(pid, signal.SIGKILL)
            host.kill9()
        for pool in pools:
            subprocess.run(["umount", "-l", pool], check=True)


def case_many_at_once(lab):
    """Two VMs cross each other, live, at the same time."""
    zurich, bern = lab.pair()
    zurich.create_vm("web-01", network="lan0", settings="guest.mem=24")
    bern.create_vm("web-02", network="lan1", settings="guest.mem=24")
    zurich.start_vm("web-01", 0)
    bern.start_vm("web-02", 1)
    moves = [
        (zurich, zurich.begin_move("web-01", bern, "--live")),
        (bern, bern.begin_move("web-02", zurich, "--live")),
    ]
    threads = [threading.Thread(target=host.wait_ended, args=(move_id, "done")) for host, move_id in moves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for host, move_id in moves:
        assert host.move(move_id)["state"] == "done"
    bern.guest(0).verify()
    zurich.guest(1).verify()
