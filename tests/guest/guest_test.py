#!/usr/bin/env python3
"""Proves that the test guest is fit to judge a move: it boots, notices damage, and survives QEMU's own migration.
Usage: guest_test.py CASE [FOLDER]; the cases are the functions case_*."""

import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from qemu_vm import PlainQemu, wait_until  # noqa: E402

SEED = random.randrange(1 << 30)


def make_disk(path, image_format="raw", size="64M"):
    subprocess.run(["qemu-img", "create", "-q", "-f", image_format, str(path), size], check=True)
    return path, image_format


def case_commands(folder):
    """Boots, answers on both sides, writes two disks, powers off by command; a second boot goes on where it was."""
    disks = [make_disk(folder / "a.raw"), make_disk(folder / "b.qcow2", "qcow2")]
    with PlainQemu(folder / "vm", disks, settings=f"guest.mem=48 guest.seed={SEED} guest.disk=1000") as vm:
        vm.serial.wait_for(r"guest: ready .*")
        vm.guest.wait_ready()
        wait_until(
            "blocks on both disks",
            lambda: all(int(n) >= 20 for n in vm.guest.status()["sequence"].split(",")),
        )
        first = vm.guest.verify()
        assert int(first["pages"]) == 48 * 256 and int(first["blocks"]) >= 40, first
        assert vm.serial.command("verify").startswith("ok pages=12288")
        assert int(vm.serial.command("counter")) >= int(first["counter"])
        assert "sealift test guest" in vm.guest.get("")
        vm.serial.socket.sendall(b"poweroff\n")
        counter = int(vm.serial.wait_for(r"guest: poweroff cause=command counter=(\d+)").group(1))
        assert vm.wait_end() == 0
    with PlainQemu(folder / "vm", disks, settings=f"guest.mem=16 guest.seed={SEED} guest.disk=0") as vm:
        vm.guest.wait_ready()
        again = vm.guest.verify()
        # One block each is written at start, over what a crash may have torn.
        pairs = zip(first["sequence"].split(","), again["sequence"].split(","), strict=True)
        assert all(int(new) > int(old) for old, new in pairs), (first, again)
        assert int(again["counter"]) + 500 >= counter, (again, counter)


def case_damage(folder):
    """One flipped bit in one of its blocks is found and its slot named; mended, all is well again."""
    path, _ = disk = make_disk(folder / "a.raw")
    settings = f"guest.mem=16 guest.seed={SEED} guest.rate=0 guest.disk=2000"
    with PlainQemu(folder / "vm", [disk], settings=settings) as vm:
        vm.guest.wait_ready()
        wait_until("blocks", lambda: int(vm.guest.status()["sequence"]) >= 50)
        vm.guest.rate(0, 0)
        vm.guest.verify()
        with open(path, "r+b") as file:
            data = bytearray(path.read_bytes()[: 16 << 20])
            slots = [s for s in range(1024) if data[s * 16384] or data[s * 16384 + 8]]
            file.seek(slots[3] * 16384 + 5000)
            file.write(bytes([data[slots[3] * 16384 + 5000] ^ 1]))
        answer = vm.guest.get("verify")
        assert answer.startswith("DIFFERS pages=0/4096 blocks=1/") and f"slot={slots[3]}," in answer, answer
        with open(path, "r+b") as file:
            file.seek(0)
            file.write(data)
        vm.guest.verify()


def case_button(folder):
    """ACPI's power button ends it in order, within seconds."""
    with PlainQemu(folder / "vm", [make_disk(folder / "a.raw")], settings="guest.mem=16") as vm:
        vm.serial.wait_for(r"guest: ready .*")
        vm.qmp("system_powerdown")
        vm.serial.wait_for(r"guest: poweroff cause=button", 30)
        assert vm.wait_end() == 0


def case_uefi(folder):
    """Boots under OVMF with -kernel, verifies."""
    with PlainQemu(folder / "vm", [make_disk(folder / "a.raw")], uefi=True, settings="guest.mem=16") as vm:
        vm.serial.wait_for(r"guest: ready .*")
        vm.guest.wait_ready()
        vm.guest.verify()


def case_migration(folder):
    """QEMU's own live migration, disk copied while stopped: the guest finds every page and block, its counter went on."""
    disk = make_disk(folder / "a.raw")
    copy = (folder / "copy.raw", "raw")
    settings = f"guest.mem=64 guest.seed={SEED} guest.rate=20 guest.disk=1000"
    with PlainQemu(folder / "from", [disk], settings=settings) as source:
        source.guest.wait_ready()
        wait_until("blocks", lambda: int(source.guest.status()["sequence"]) >= 20)
        before = source.guest.verify()
        boot = source.guest.status()["boot"]
        source.qmp(
            "migrate-set-capabilities",
            capabilities=[
                {"capability": name, "state": True}
                for name in ("events", "return-path", "pause-before-switchover")
            ],
        )
        # The disk is copied at pre-switchover, when the guest no longer writes.
        make_disk(copy[0])
        with PlainQemu(folder / "to", [copy], incoming=True, settings=settings) as target:
            target.qmp(
                "migrate-set-capabilities",
                capabilities=[
                    {"capability": name, "state": True}
                    for name in ("events", "return-path", "late-block-activate")
                ],
            )
            target.qmp("migrate-incoming", uri=f"unix:{folder}/migrate")
            source.qmp("migrate", uri=f"unix:{folder}/migrate")
            wait_until("pre-switchover", lambda: source.qmp("query-migrate")["status"] == "pre-switchover")
            subprocess.run(["cp", "--sparse=always", disk[0], copy[0]], check=True)
            source.qmp("migrate-continue", state="pre-switchover")
            wait_until("completed", lambda: source.qmp("query-migrate")["status"] == "completed")
            wait_until("loaded", lambda: target.qmp.status() == "paused")
            source.kill()
            target.qmp("cont")
            assert target.qmp.status() == "running"
            target.guest.wait_ready()
            after = target.guest.verify()
            assert target.guest.status()["boot"] == boot, "the guest was booted anew"
            assert int(after["counter"]) > int(before["counter"]), (before, after)
            assert int(after["sequence"]) >= int(before["sequence"]), (before, after)


def main():
    cases = {name[5:]: body for name, body in globals().items() if name.startswith("case_")}
    if len(sys.argv) < 2 or sys.argv[1] not in cases:
        print(f"usage: guest_test.py {'|'.join(cases)} [FOLDER]")
        return 2
    print(f"seed {SEED}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sealift-guest-") as folder:
        cases[sys.argv[1]](pathlib.Path(folder))
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
