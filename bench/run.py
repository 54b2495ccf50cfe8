"""tools/bench: groups of measurements, sealift and its peers in one run, contestants alternating, medians."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import balance_peer
import qemu_peer
import rows

MEMORY_MIB, FILLED_MIB = 2048, 1536
DEFINITION = """name = "bench"
memory = "{memory}MiB"
memory_preallocate = true
kernel = "{guest}/vmlinuz"
initrd = "{guest}/initrd.img"
cmdline = "console=ttyS0 quiet guest.mem={filled} guest.rate=0 guest.disk=0"
"""


class Host:
    def __init__(self, sealift, directory, name):
        self.sealift, self.state, self.name = sealift, directory / name, name
        self.port = qemu_peer.free_port()
        self("host", "init", "--name", name, "--listen", f"127.0.0.1:{self.port}")
        self.log = open(directory / f"{name}.log", "w")
        self.process = subprocess.Popen([sealift, "--state", self.state, "host", "run"], stderr=self.log)
        while not (self.state / "api.sock").exists():
            if self.process.poll() is not None:
                raise RuntimeError(f"{name} did not start: {directory / (name + '.log')}")
            time.sleep(0.05)

    def __call__(self, *words, check=True):
        done = subprocess.run([self.sealift, "--state", self.state, *words], capture_output=True, text=True)
        if check and done.returncode != 0:
            raise RuntimeError(f"sealift {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def vm_pid(self):
        return json.loads(self("--json", "vm", "show", "bench"))["pid"]

    def peak_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024

    def end(self):
        self.process.terminate()
        self.process.wait()


def wait_ready(host):
    serial = next(iter((host.state / "vms").glob("*/serial.log")))
    end = time.monotonic() + 120
    while "guest: ready" not in serial.read_text(errors="replace"):
        if time.monotonic() > end:
            raise RuntimeError(f"the guest never got ready: {serial}")
        time.sleep(0.1)


def our_move(source, target):
    """One live move. Milliseconds, CPU seconds of both daemons and both QEMUs, the report."""
    pid = source.vm_pid()
    before = qemu_peer.cpu_seconds(source.process.pid) + qemu_peer.cpu_seconds(target.process.pid) + qemu_peer.cpu_seconds(pid)
    move = subprocess.Popen([source.sealift, "--state", source.state, "--json", "migrate", "bench", "--to", target.name],
                            stdout=subprocess.PIPE, text=True)
    last_source_cpu = 0
    while move.poll() is None:
        try:
            last_source_cpu = qemu_peer.cpu_seconds(pid)
        except (FileNotFoundError, ProcessLookupError, IndexError):
            pass
        time.sleep(0.01)
    lines = [json.loads(line) for line in move.stdout.read().splitlines()]
    if move.returncode != 0:
        raise RuntimeError(f"the move failed: {lines[-1]}")
    report = lines[-1]["report"]
    after = qemu_peer.cpu_seconds(source.process.pid) + qemu_peer.cpu_seconds(target.process.pid) + last_source_cpu
    after += qemu_peer.cpu_seconds(target.vm_pid())
    return {"ms": report["total_ms"], "cpu": after - before, "report": report}


def bench_move(options):
    work = pathlib.Path(tempfile.mkdtemp(prefix="sealift-bench-"))
    os.chmod(work, 0o711)
    zurich = bern = None
    try:
        qemu_peer.make_certificates(work / "certificates")
        zurich, bern = (Host(options.sealift, work, name) for name in ("zurich", "bern"))
        bern(*zurich("domain", "invite").split()[1:])
        (work / "vm.toml").write_text(DEFINITION.format(memory=MEMORY_MIB, filled=FILLED_MIB, guest=options.guest.resolve()))
        zurich("vm", "create", str(work / "vm.toml"))
        zurich("vm", "start", "bench")
        wait_ready(zurich)
        ours, theirs = [], {}
        here, there = zurich, bern
        for _ in range(options.runs):
            ours.append(our_move(here, there))
            here, there = there, here
            for name, tls, channels in (("TLS", True, 0), ("TLS multifd 2", True, 2), ("plain TCP", False, 0)):
                theirs.setdefault(name, []).append(qemu_peer.migrate(work, options.guest, MEMORY_MIB, FILLED_MIB, tls, channels))
        gib = FILLED_MIB / 1024
        median = {name: (rows.median([r["ms"] for r in runs]), rows.median([r["cpu"] for r in runs]) / gib) for name, runs in theirs.items()}
        for name, (ms, cpu) in median.items():
            print(f"QEMU {name}: {ms:.0f} ms, {cpu:.2f} CPU s/GiB")
        best = min(("TLS", "TLS multifd 2"), key=lambda name: median[name][0])
        totals = [run["ms"] for run in ours]
        custody = ("seal", "compare", "freeze", "ledger", "start")
        added = [sum(run["report"]["pause_parts_ms"].get(part, 0) for part in custody) for run in ours]
        parts = sorted({part for run in ours for part in run["report"]["pause_parts_ms"]})
        print("pause, medians in ms: " + ", ".join(
            f"{part} {rows.median([run['report']['pause_parts_ms'].get(part, 0) for run in ours]):.0f}" for part in parts))
        return [
            rows.Row("live move, 2 GiB guest, 1.5 GiB random, idle", f"QEMU {best}", rows.median(totals), median[best][0], "ms", 0.65,
                     rows.spread(totals)),
            rows.Row("the same, CPU of all processes", f"QEMU {best}", rows.median([r["cpu"] for r in ours]) / gib, median[best][1],
                     "s/GiB", 0.7),
            rows.Row("what custody adds to the downtime", "–", rows.median(added), None, "ms", 50, rows.spread(added)),
            rows.Row("daemon's peak memory", "–", max(zurich.peak_mib(), bern.peak_mib()), None, "MiB", 256),
        ]
    finally:
        for host in (zurich, bern):
            if host:
                host("vm", "kill", "bench", check=False)
                host.end()
        shutil.rmtree(work, ignore_errors=True)


GROUPS = {"balance": balance_peer.bench_balance, "move": bench_move}


def main():
    parser = argparse.ArgumentParser(prog="tools/bench")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)} (default: all)")
    parser.add_argument("--sealift", required=True, type=pathlib.Path)
    parser.add_argument("--guest", required=True, type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement of group balance")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    unknown = set(options.groups) - set(GROUPS)
    if unknown:
        parser.error(f"no group {', '.join(unknown)}")
    options.sealift = options.sealift.resolve()
    return rows.finish([row for name in options.groups or GROUPS for row in GROUPS[name](options)], options.json)


if __name__ == "__main__":
    sys.exit(main())
