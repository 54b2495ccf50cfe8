"""tools/bench: groups of measurements, sealift and its peers in one run, contestants alternating, medians."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
import balance_peer
import disk_peer
import qemu_peer
import rows
import where

MEMORY_MIB, FILLED_MIB = 2048, 1536
DEFINITION = """name = "bench"
memory = "{memory}MiB"
memory_preallocate = true
kernel = "{guest}/vmlinuz"
initrd = "{guest}/initrd.img"
cmdline = "console=ttyS0 quiet guest.mem={filled} guest.rate=0 guest.disk=0"
"""
COLD_DEFINITION = """name = "cold"
memory = "128MiB"
kernel = "{guest}/vmlinuz"

[[disk]]
name = "vda"
format = "raw"
size = "4GiB"
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

    def show(self, vm):
        return json.loads(self("--json", "vm", "show", vm))

    def vm_pid(self):
        return self.show("bench")["pid"]

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


def start_move(source, target, vm):
    return subprocess.Popen([source.sealift, "--state", source.state, "--json", "migrate", vm, "--to", target.name],
                            stdout=subprocess.PIPE, text=True)


def follow(move, vm):
    """Reads what `sealift migrate --json` says until it ends; the report."""
    line = {}
    for text in move.stdout:
        line = json.loads(text)
    if move.wait() != 0:
        raise RuntimeError(f"the move of {vm} failed: {line}")
    return line["report"]


def incoming_qemu(source_pid):
    """The pid of the QEMU that waits for the guest; nothing: there is none yet. The source's may have come here the same way."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        ours = b"qemu-system" in words[0] and any(word.startswith(b"guest=bench") for word in words)
        if ours and b"-incoming" in words and int(process.name) != source_pid:
            return int(process.name)
    return None


class Watcher(threading.Thread):
    """Looks at both QEMUs during a move: the source's CPU time as long as it lives; when the destination's begins, and when it has
    its guest's memory allocated (QEMU's own migrations are measured from there on)."""

    def __init__(self, source_pid):
        super().__init__()
        self.source_pid, self.ended = source_pid, threading.Event()
        self.source_cpu = self.begun = self.ready = self.ready_cpu = None

    def run(self):
        incoming = None
        while not self.ended.wait(0.01):
            try:
                if qemu_peer.runs(self.source_pid):  # frozen, it does nothing any more but give its memory back
                    self.source_cpu = qemu_peer.cpu_seconds(self.source_pid)
                incoming = incoming or incoming_qemu(self.source_pid)
                if incoming and not self.ready:
                    self.begun = self.begun or time.monotonic()
                    status = pathlib.Path(f"/proc/{incoming}/status").read_text()
                    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
                    if resident >= MEMORY_MIB * 1024:
                        self.ready, self.ready_cpu = time.monotonic(), qemu_peer.cpu_seconds(incoming)
            except (OSError, IndexError, StopIteration):
                continue


def live_move(source, target):
    """Milliseconds without and with the allocation of the guest's memory, CPU seconds of each process, the report."""
    pid = source.vm_pid()
    daemons = {f"daemon at {end}": host.process.pid for end, host in (("source", source), ("destination", target))}
    before = {name: qemu_peer.cpu_seconds(process) for name, process in daemons.items()}
    source_before = qemu_peer.cpu_seconds(pid)
    watcher = Watcher(pid)
    watcher.start()
    try:
        report = follow(start_move(source, target, "bench"), "bench")
    finally:
        watcher.ended.set()
        watcher.join()
    cpu = {name: qemu_peer.cpu_seconds(process) - before[name] for name, process in daemons.items()}
    cpu["QEMU at source"] = watcher.source_cpu - source_before
    cpu["QEMU at destination"] = qemu_peer.cpu_seconds(target.vm_pid()) - watcher.ready_cpu
    allocation = (watcher.ready - watcher.begun) * 1000
    return {"ms": report["total_ms"] - allocation, "whole_ms": report["total_ms"], "cpu": cpu, "report": report}


def cold_move(source, target):
    """The same of a powered-off VM. What an earlier move left in quarantine is erased first: everything is sent."""
    for host in (source, target):
        for entry in json.loads(host("--json", "quarantine", "list"))["entries"]:
            host("quarantine", "purge", entry["id"])
    pids = {"daemon at source": source.process.pid, "daemon at destination": target.process.pid}
    before = {name: qemu_peer.cpu_seconds(pid) for name, pid in pids.items()}
    report = follow(start_move(source, target, "cold"), "cold")
    return {"ms": report["total_ms"], "cpu": {name: qemu_peer.cpu_seconds(pid) - before[name] for name, pid in pids.items()},
            "report": report}


def print_where(title, work, here, there, gib, move, vm):
    """One more move, not counted, under perf."""
    pids = {"daemon at source": here.process.pid, "daemon at destination": there.process.pid}
    if here.show(vm).get("pid"):
        pids["QEMU at source"] = here.show(vm)["pid"]
    _, script = where.measure(work / "perf.data", lambda: move(here, there))
    if there.show(vm).get("pid"):
        pids["QEMU at destination"] = there.show(vm)["pid"]
    where.print_table(title, script, pids, gib)


def print_processes(title, runs, gib):
    print(f"{title}, CPU s/GiB: " + ", ".join(
        f"{name} {rows.median([run['cpu'][name] for run in runs]) / gib:.2f}" for name in runs[0]["cpu"]))


def live_rows(options, work, hosts):
    (work / "vm.toml").write_text(DEFINITION.format(memory=MEMORY_MIB, filled=FILLED_MIB, guest=options.guest.resolve()))
    here, there = hosts
    here("vm", "create", str(work / "vm.toml"))
    here("vm", "start", "bench")
    wait_ready(here)
    ours, theirs, gib = [], {}, FILLED_MIB / 1024
    for _ in range(options.runs):
        ours.append(live_move(here, there))
        here, there = there, here
        for name, tls, channels in (("TLS", True, 0), ("TLS multifd 2", True, 2), ("plain TCP", False, 0)):
            theirs.setdefault(name, []).append(qemu_peer.migrate(work, options.guest, MEMORY_MIB, FILLED_MIB, tls, channels))
    print_where("live move", work, here, there, gib, live_move, "bench")
    there("vm", "kill", "bench")
    median = {name: (rows.median([r["ms"] for r in runs]), rows.median([r["cpu"] for r in runs]) / gib)
              for name, runs in theirs.items()}
    for name, (ms, cpu) in median.items():
        print(f"QEMU {name}: {ms:.0f} ms ({rows.spread([r['ms'] for r in theirs[name]])}), {cpu:.2f} CPU s/GiB, "
              f"pause {rows.median([r['downtime_ms'] for r in theirs[name]]):.0f} ms")
    print_processes("live move", ours, gib)
    print(f"live move: {rows.spread([run['ms'] for run in ours])} ms; with the allocation of the guest's memory at the destination, "
          f"which QEMU's own figures leave out as well, {rows.spread([run['whole_ms'] for run in ours])} ms")
    best = min(("TLS", "TLS multifd 2"), key=lambda name: median[name][0])
    least = min(("TLS", "TLS multifd 2"), key=lambda name: median[name][1])
    totals = [run["ms"] for run in ours]
    custody = ("seal", "compare", "freeze", "ledger", "start")
    added = [sum(run["report"]["pause_parts_ms"].get(part, 0) for part in custody) for run in ours]
    parts = sorted({part for run in ours for part in run["report"]["pause_parts_ms"]})
    print("pause, medians in ms: " + ", ".join(
        f"{part} {rows.median([run['report']['pause_parts_ms'].get(part, 0) for run in ours]):.0f}" for part in parts))
    return [
        rows.Row("live move, 2 GiB guest, 1.5 GiB random, idle", f"QEMU {best}", rows.median(totals), median[best][0], "ms", 0.65,
                 rows.spread(totals)),
        rows.Row("the same, CPU of all processes", f"QEMU {least}", rows.median([sum(r["cpu"].values()) for r in ours]) / gib,
                 median[least][1], "s/GiB", 0.7),
        rows.Row("what custody adds to the downtime", "–", rows.median(added), None, "ms", 50, rows.spread(added)),
    ]


def cold_rows(options, work, hosts):
    image = work / "image.raw"
    disk_peer.fill(image)
    (work / "cold.toml").write_text(COLD_DEFINITION.format(guest=options.guest.resolve()))
    here, there = hosts
    here("vm", "create", str(work / "cold.toml"))
    subprocess.run(["cp", "--sparse=always", image, here.show("cold")["disks"][0]["path"]], check=True)
    ours, theirs, gib = [], {}, disk_peer.DATA_BYTES / (1 << 30)
    for _ in range(options.runs):
        ours.append(cold_move(here, there))
        here, there = there, here
        for connections in (1, 2, 4):
            theirs.setdefault(connections, []).append(disk_peer.copy(work / "certificates", image, work / "copy.raw", connections))
    same = subprocess.run(["cmp", image, here.show("cold")["disks"][0]["path"]]).returncode == 0
    if not same:
        raise RuntimeError("the image that arrived differs from the one that was sent")
    for connections, runs in theirs.items():
        print(f"nbdcopy TLS, {connections} connections: {rows.median([r['ms'] for r in runs]):.0f} ms "
              f"({rows.spread([r['ms'] for r in runs])}), {rows.median([r['cpu'] for r in runs]) / gib:.2f} CPU s/GiB")
    print_processes("cold move", ours, gib)
    print_where("cold move", work, here, there, gib, cold_move, "cold")
    median = {connections: rows.median([r["ms"] for r in runs]) for connections, runs in theirs.items()}
    best = min(median, key=median.get)
    totals = [run["ms"] for run in ours]
    return [rows.Row("cold move, 4 GiB sparse image, 1.25 GiB of data", f"nbdcopy TLS, {best} connections", rows.median(totals),
                     median[best], "ms", 1.1, rows.spread(totals))]


def bench_move(options):
    work = pathlib.Path(tempfile.mkdtemp(prefix="sealift-bench-"))
    os.chmod(work, 0o711)
    hosts = []
    try:
        qemu_peer.make_certificates(work / "certificates")
        for name in ("zurich", "bern"):
            hosts.append(Host(options.sealift, work, name))
        hosts[1](*hosts[0]("domain", "invite").split()[1:])
        measured = live_rows(options, work, hosts) + cold_rows(options, work, hosts)
        return measured + [rows.Row("daemon's peak memory", "–", max(host.peak_mib() for host in hosts), None, "MiB", 256)]
    finally:
        for host in hosts:
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
