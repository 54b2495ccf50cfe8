"""What the command line promises of moves and domains and no other case shows."""

import os
import pathlib
import signal
import subprocess
import urllib.request

from harness import BINARY, EXIT_REFUSED, EXIT_USAGE, free_port, note, wait_until


def snapshots(path):
    """Internal snapshots of a qcow2 image, in use or not."""
    listed = subprocess.run(["qemu-img", "snapshot", "-U", "-l", path], check=True, capture_output=True, text=True)
    return [line.split()[1] for line in listed.stdout.splitlines()[2:]]


def case_move_options(lab):
    """Live, BIOS, qcow2: --map-net, --map-pool, --streams and --drop-snapshots; Ctrl-C detaches, watch follows to the end."""
    tank = lab.folder / "tank"
    tank.mkdir()
    zurich, bern = lab.pair(relayed=True, extra=("", f'[pools.tank]\npath = "{tank}"\n'))
    zurich.create_vm("web-01", disks=[("qcow2", "64M")], settings="guest.mem=24 guest.rate=5 guest.disk=500")
    disk = zurich.vm("web-01")["disks"][0]["path"]
    subprocess.run(["qemu-img", "snapshot", "-c", "before", disk], check=True)
    boot = zurich.start_vm("web-01").status()["boot"]

    note("everything that is wrong at once, and what to do")
    move = ("migrate", "web-01", "--to", "bern", "--live")
    refused = zurich.fails(
        *move, "--map-net", "lan0=nowhere", "--map-pool", "default=none", code=EXIT_REFUSED,
        says=["nothing moved", "1 internal snapshots would be lost: --drop-snapshots", "network nowhere is not mapped",
              "pool none is not mapped"],
    )
    note(refused)
    assert snapshots(disk) == ["before"] and not bern.has_vm("web-01")
    zurich.fails(*move, "--map-net", "lan0", code=EXIT_USAGE, says="HERE=THERE")
    zurich.fails(*move, "--streams", "9", code=EXIT_USAGE, says="--streams")

    note("Ctrl-C")
    streams = set()
    bern.relay.on_record = lambda record: streams.add(record.stream)
    options = ("--drop-snapshots", "--map-net", "lan0=lan1", "--map-pool", "default=tank", "--streams", "4")
    command = subprocess.Popen(
        zurich.command(*move, *options, "--bandwidth", "8M"),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    shown = ""
    while "sealift moves abort" not in shown:
        line = command.stdout.readline()
        assert line, f"it ended before the move: {shown}{command.stderr.read()}"
        shown += line
    command.send_signal(signal.SIGINT)
    rest, said = command.communicate(timeout=60)
    note(shown + rest + said)
    assert command.returncode == 0 and "detached; the move goes on" in said, (command.returncode, said)
    (move_id,) = (entry["id"] for entry in zurich.cli("moves", "list")["moves"] if not entry["ended"])
    assert f"sealift moves watch {move_id[:8]}" in said, said

    note("watch")
    zurich.cli("moves", "tune", move_id, "--bandwidth", "0")
    followed = zurich.text("moves", "watch", move_id[:8])
    for word in ("vda", "memory", "done", "verified", "receipt"):
        assert f"\n{word}" in "\n" + followed, followed
    assert {1, 2, 3, 4, 33, 34, 35, 36} <= streams and 37 not in streams, streams
    guest = bern.guest(1)
    guest.wait_ready()
    guest.verify()
    assert guest.status()["boot"] == boot
    (arrived,) = bern.vm("web-01")["disks"]
    assert pathlib.Path(arrived["path"]).is_relative_to(tank) and snapshots(arrived["path"]) == [], arrived
    zurich.fails("moves", "watch", "123456789", says="123456789")


def create_empty(host, name, disk="8M"):
    """A VM without a network, and with nothing to boot from: it ignores its power button."""
    path = host.lab.folder / f"{name}.toml"
    path.write_text(
        f'name = "{name}"\nmemory = "64M"\nmachine = "pc-q35-9.2"\ncpu = "qemu64"\n'
        f'[[disk]]\nname = "vda"\nsize = "{disk}"\nformat = "raw"\npool = "default"\n'
    )
    host.cli("vm", "create", path)
    return pathlib.Path(host.vm(name)["disks"][0]["path"])


def case_accept_and_stop(lab):
    """[accept] from, memory, disk and moves: each refusal names its limit. A guest that ignores its power button runs on."""
    limits = '[accept]\nfrom = ["geneva"]\nmemory = "32M"\ndisk = "4M"\nmoves = 0\n'
    zurich, bern = lab.pair(extra=("", limits))
    disk = create_empty(zurich, "web-01")
    create_empty(zurich, "web-02")
    words = zurich.fails(
        "migrate", "web-01", "--to", "bern", code=EXIT_REFUSED,
        says=["nothing moved", "[accept] from: moves from zurich", "[accept] memory: 0 MiB of VMs here and 64 MiB more",
              "[accept] disk: 8 MiB are over the limit of 4 MiB", "[accept] moves: 0 come in already, the limit is 0"],
    )
    note(words)

    note("one at a time")
    bern.extra = '[accept]\nfrom = ["zurich"]\nmemory = "128M"\ndisk = "8M"\nmoves = 1\n'
    bern.configure()
    bern.restart()
    disk.write_bytes(os.urandom(8 << 20))
    wait_until("bern to be back", lambda: zurich.run("migrate", "web-01", "--to", "bern", "--dry-run").returncode == 0)
    move_id = zurich.begin_move("web-01", bern, "--cold", "--bandwidth", "512K")
    wait_until("the first to be there", lambda: bern.move(move_id)["phase"] == "receiving")
    zurich.fails(
        "migrate", "web-02", "--to", "bern", code=EXIT_REFUSED, says="[accept] moves: 1 come in already, the limit is 1"
    )
    zurich.cli("moves", "tune", move_id, "--bandwidth", "0")
    zurich.wait_ended(move_id, "done")

    note("vm stop beyond its deadline")
    zurich.cli("vm", "start", "web-02")
    zurich.fails("vm", "stop", "web-02", "--deadline", "2", says=["web-02", "runs on", "power button", "sealift vm kill"])
    assert zurich.vm_state("web-02") == "running"
    zurich.cli("vm", "kill", "web-02")
    assert zurich.vm_state("web-02") == "off"


def read_http(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as reply:
        return reply.status, reply.headers["Content-Type"], reply.read().decode()


def case_domain_commands(lab):
    """ledger show, export and verify; domain activate and leave; /healthz, /metrics and --version."""
    zurich, bern = lab.host("zurich"), lab.host("bern").start()
    port = zurich.http = free_port()
    zurich.configure()
    zurich.start()
    lab.join(zurich, bern)
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.split()[0] == "sealift" and version.split()[1] == zurich.cli("host", "status")["version"], version
    create_empty(bern, "web-01")

    note("watched")
    assert read_http(port, "healthz") == (200, "text/plain; charset=utf-8", "ok\n")
    status, kind, text = read_http(port, "metrics")
    assert status == 200 and kind.startswith("application/openmetrics-text; version=1.0.0"), kind
    assert text.endswith("\n# EOF\n") and text.count("# EOF") == 1 and "\nsealift_domain_members 2\n" in text, text

    note("the ledger's records")
    records = zurich.cli("ledger", "log")["records"]
    (record,) = (entry["record"] for entry in records if entry["kind"] == "vm.register")
    shown = zurich.text("ledger", "show", record[:12])
    assert record in shown and "vm.register" in shown and "bern" in shown, shown
    zurich.fails("ledger", "show", "0123456789abcdef", says="0123456789abcdef")

    note("an export, checked elsewhere")
    export = lab.folder / "export"
    zurich.text("ledger", "export", export)
    zurich.fails("ledger", "export", export, says="exists already")
    facts = lab.host("geneva").cli("ledger", "verify", export)
    assert facts["valid"] and facts["final"] == facts["blocks"] >= 2, facts
    assert facts["domain"] == zurich.cli("domain", "members")["id"], facts
    block = export / "blocks" / "00000001.block"
    good = block.read_bytes()
    block.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    zurich.fails("ledger", "verify", export, says="00000001.block")
    block.write_bytes(good)
    for note_file in (export / "checkpoints").iterdir():
        note_file.unlink()
    zurich.fails("ledger", "verify", export)

    note("leave")
    bern.fails("domain", "leave", says=["owns VM", "move or remove it first"])  # at once, before anybody is asked
    bern.cli("vm", "remove", "web-01")
    leaving = subprocess.Popen(
        bern.command("domain", "leave"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_until(
        "zurich to let bern go",
        lambda: leaving.poll() is not None or zurich.run("domain", "approve", "bern").returncode == 0,
    )
    said = leaving.communicate(timeout=60)[0]
    assert leaving.returncode == 0 and "left" in said, said
    for host in (zurich, bern):
        wait_until("each to be alone", lambda host=host: len(host.cli("domain", "members")["members"]) == 1)
    bern.fails("domain", "leave", says="nothing to leave")
    create_empty(bern, "web-02")

    note("newer rules than this build knows")
    height = zurich.cli("host", "status")["domain"]["height"]
    zurich.fails("domain", "activate", "--rules", "1", "--from-height", height + 2, says="not above version 1")
    zurich.fails("domain", "activate", "--rules", "2", "--from-height", height, says="is not after")
    zurich.cli("domain", "activate", "--rules", "2", "--from-height", height + 2)
    assert any(entry["kind"] == "rules.activate" for entry in zurich.cli("ledger", "log")["records"])
