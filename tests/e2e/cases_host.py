"""One host alone: VMs and their life, a daemon that comes and goes, and what a new user does wrong."""

import os
import pathlib
import signal
import subprocess

from harness import BINARY, EXIT_REFUSED, EXIT_UNAVAILABLE, EXIT_USAGE, note, wait_until


def case_vm_life(lab):
    """create, list, show, start, console, stop by power button, kill, remove; quarantine."""
    host = lab.host("zurich").start()
    assert host.cli("vm", "list")["vms"] == []
    host.create_vm(
        "web-01", disks=[("raw", "64M"), ("qcow2", "64M")], settings="guest.mem=16 guest.disk=1000"
    )
    assert host.vm_state("web-01") == "off"
    guest = host.start_vm("web-01")
    shown = host.vm("web-01")
    assert shown["state"] == "running" and shown["accelerator"] == "tcg" and shown["epoch"] == 0, shown
    assert "web-01" in host.text("vm", "list") and "web-01" in host.text("vm", "show", "web-01")
    wait_until("blocks", lambda: int(guest.status()["blocks"]) >= 20)
    guest.verify()

    note("console")
    console = subprocess.Popen(
        host.command("vm", "console", "web-01"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    console.stdin.write(b"counter\n")
    console.stdin.flush()
    seen = b""
    while b"guest: counter " not in seen:
        piece = os.read(console.stdout.fileno(), 4096)
        assert piece, f"console ended: {seen}"
        seen += piece
    console.stdin.write(b"\x1d")
    console.stdin.close()
    assert console.wait(20) == 0

    note("stop, start, kill")
    host.fails("vm", "remove", "web-01", says="stop")
    host.cli("vm", "stop", "web-01")
    assert host.vm_state("web-01") == "off" and not host.processes()
    guest = host.start_vm("web-01")
    guest.verify()
    host.cli("vm", "kill", "web-01")
    assert host.vm_state("web-01") == "off"
    host.start_vm("web-01").verify()
    host.cli("vm", "kill", "web-01")

    note("remove")
    host.cli("vm", "remove", "web-01")
    assert host.cli("vm", "list")["vms"] == []
    entries = host.cli("quarantine", "list")["entries"]
    assert len(entries) == 1 and entries[0]["vm"] == "web-01", entries
    host.cli("quarantine", "purge", entries[0]["id"])
    assert host.cli("quarantine", "list")["entries"] == []


def case_daemon_ends(lab):
    """kill -9 and SIGTERM of the daemon: the guest goes on and is found again; a second daemon is refused."""
    host = lab.host("zurich").start()
    host.create_vm("web-01", settings="guest.mem=16")
    guest = host.start_vm("web-01")
    pid, boot = host.vm("web-01")["pid"], guest.status()["boot"]
    second = host.run("host", "run", seconds=30)
    assert second.returncode != 0 and "another" in (second.stdout + second.stderr).lower(), second

    for how in (host.kill9, host.terminate):
        note(how.__name__)
        how()
        before = guest.counter()
        wait_until("the guest to count without a daemon", lambda: guest.counter() > before)
        host.start()
        shown = host.vm("web-01")
        assert shown["state"] == "running" and shown["pid"] == pid, shown

    note("frozen while the daemon is down")
    host.kill9()
    os.kill(pid, signal.SIGSTOP)
    host.start()
    assert host.vm("web-01")["state"] == "frozen", host.vm("web-01")
    os.kill(pid, signal.SIGCONT)
    wait_until("running again", lambda: host.vm_state("web-01") == "running")

    note("killed while the daemon is down")
    host.kill9()
    os.kill(pid, signal.SIGKILL)
    host.start()
    assert host.vm_state("web-01") == "off"
    guest = host.start_vm("web-01")
    guest.verify()
    assert guest.status()["boot"] != boot


def case_errors(lab):
    """What a new user gets wrong: each error says what happened and what to do, and nothing is left behind."""
    host = lab.host("zurich")
    run = host.fails
    run("vm", "list", code=EXIT_UNAVAILABLE, says=["host run"])
    nowhere = subprocess.run(
        [BINARY, "--state", str(lab.folder / "none"), "host", "run"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert nowhere.returncode != 0 and "host init" in nowhere.stderr + nowhere.stdout, nowhere
    again = host.run("host", "init")
    assert again.returncode != 0 and "already" in (again.stderr + again.stdout).lower(), again
    host.start()
    run("vm", "create", lab.folder / "missing.toml", says="missing.toml")
    run("vm", "start", "nothing", says=["nothing", "vm"])
    run("vm", "frobnicate", code=EXIT_USAGE, says=["vm frobnicate", "sealift vm --help"])
    run("vm", "start", "a", "--frob", code=EXIT_USAGE, says=["--frob", "sealift vm start --help"])
    run("domain", "join", "sealift-invite-1,short", code=EXIT_USAGE, says="whole line")
    run("quarantine", "purge", "none", says="quarantine list")
    second = lab.host("second")
    second.port = host.port
    second.configure()
    busy = second.run("host", "run", seconds=60)
    assert busy.returncode != 0 and "in use" in busy.stderr and "sealift.toml" in busy.stderr, busy
    second.extra = '[qemu]\nprogram = "qemu-that-is-not-there"\n'
    (second.state / "sealift.toml").write_text(second.extra)
    missing = second.run("host", "run", seconds=60)
    assert missing.returncode != 0 and "Install QEMU 9.0" in missing.stderr, missing
    unwritable = subprocess.run(
        [BINARY, "--state", "/proc/sealift", "host", "init", "--name", "bern"], capture_output=True, text=True, timeout=30
    )
    assert unwritable.returncode != 0 and "--state" in unwritable.stderr, unwritable
    run("migrate", "nothing", "--to", "bern", says="nothing")
    run("migrate", "nothing", "--to", "bern", "--bandwidth", "nan", code=EXIT_USAGE, says="size")
    run("moves", "show", "1234", says="1234")
    run("verify", lab.folder / "missing.receipt", says="missing.receipt")

    def bad(text, *says):
        path = lab.folder / "bad.toml"
        path.write_text(text)
        run("vm", "create", path, says=["bad.toml", *says])

    bad('name = "a"\nmemory = "banana"\n', ":2", "memory")
    bad('name = "a"\nmemory = "128M"\ncolour = "red"\n', ":3", "colour")
    bad('name = "a"\nmemory = \n', ":2")
    bad('name = "a"\nmemory = "128M"\n[[disk]]\nname = "vda"\nformat = "vmdk"\nsize = "1G"\n', ":5", "qcow2")
    run_unmapped(lab, host)
    assert host.cli("vm", "list")["vms"] == []
    assert list((host.state / "vms").glob("*")) == [], "a failed create left something"

    note("a full disk")
    pool = lab.folder / "small"
    pool.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M,mode=0755", "none", pool], check=True)
    try:
        host.extra = f'[pools.small]\npath = "{pool}"\n'
        host.configure()
        host.restart()
        source = lab.folder / "big.raw"
        source.write_bytes(os.urandom(8 << 20))
        path = lab.folder / "full.toml"
        path.write_text(
            'name = "full"\nmemory = "128M"\n[[disk]]\nname = "vda"\npool = "small"\nformat = "raw"\n'
            f'source = "{source}"\n'
        )
        run("vm", "create", path, says="space")
        assert host.cli("vm", "list")["vms"] == [] and list(pool.iterdir()) == [], list(pool.iterdir())
    finally:
        host.kill9()
        subprocess.run(["umount", "-l", pool], check=True)

    note("a bad configuration")
    host.extra = "[accept]\nmovez = 3\n"
    host.configure()
    result = host.run("host", "run", seconds=30)
    words = result.stdout + result.stderr
    assert result.returncode != 0 and "sealift.toml" in words and "movez" in words, words


def run_unmapped(lab, host):
    path = lab.folder / "unmapped.toml"
    path.write_text('name = "a"\nmemory = "128M"\n[[network]]\nname = "prod-10"\n')
    host.fails("vm", "create", path, says=["prod-10"])


def case_sealed_at_rest(lab):
    """at_rest = "sealed": a disk altered or rolled back while off is refused by leaf number, and taken only on purpose."""
    host = lab.host("zurich").start()
    host.create_vm("web-01", settings="guest.mem=16 guest.disk=1000", more='at_rest = "sealed"')
    guest = host.start_vm("web-01")
    wait_until("blocks", lambda: int(guest.status()["blocks"]) >= 20)
    host.cli("vm", "stop", "web-01")
    shown = wait_until("the rest root", lambda: (vm := host.vm("web-01")).get("rest_root") and vm)
    path = pathlib.Path(shown["disks"][0]["path"])
    old = path.read_bytes()

    note("unchanged: starts")
    guest = host.start_vm("web-01")
    assert host.vm("web-01")["last_start_verified"], host.vm("web-01")
    sequence = int(guest.status()["sequence"])
    wait_until("more blocks", lambda: int(guest.status()["sequence"]) > sequence)
    host.cli("vm", "stop", "web-01")
    wait_until("the rest root", lambda: host.vm("web-01").get("rest_root"))
    read = [line for line in host.log_tail(10_000).splitlines() if "event=vm.rest" in line]
    assert len(read) == 2 and "read=all" in read[0] and "leaves" in read[1], read
    new = path.read_bytes()

    def overwrite(data):
        with open(path, "r+b") as file:
            file.write(data)

    note("one byte altered in leaf 3")
    altered = bytearray(new)
    altered[3 * 262144 + 17] ^= 1
    overwrite(altered)
    host.fails("vm", "start", "web-01", code=EXIT_REFUSED, says=["leaves", "(3)", "--accept-changes"])
    note("rolled back")
    overwrite(old)
    host.fails("vm", "start", "web-01", code=EXIT_REFUSED, says="leaves")
    overwrite(new)
    host.cli("vm", "start", "web-01")
    host.cli("vm", "kill", "web-01")

    note("accepted on purpose")
    overwrite(old)
    host.cli("vm", "start", "web-01", "--accept-changes", "restored from backup")
    host.guest().wait_ready()
    host.cli("vm", "stop", "web-01")
