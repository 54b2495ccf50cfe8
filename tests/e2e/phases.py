"""Where a move stands, as exactly as its hosts say it, and what must be true when it is over."""

import re
import time

from harness import PATIENCE, wait_until

# What a live move goes through at either end, in this order (docs/PROTOCOL.md, section 7).
SOURCE_PHASES = ("offering", "copying", "switching", "freezing", "sealed", "gave", "fencing")
TARGET_PHASES = ("accepting", "receiving", "loaded", "syncing", "committing", "starting", "started")


def phases_of(phase):
    return SOURCE_PHASES if phase in SOURCE_PHASES else TARGET_PHASES


def reached(phase):
    """A condition on a move as a host shows it: it is in this phase, further, or over."""
    phases = phases_of(phase)
    at = phases.index(phase)
    return lambda move: move["ended"] or (move["phase"] in phases and phases.index(move["phase"]) >= at)


class PhaseLog:
    """The phases of one move as its host's log says them: sooner than by asking, and also after the daemon's end."""

    def __init__(self, host, move_id):
        self.phases, self.left = [], b""
        self.pattern = re.compile(rb"event=move\.state move=" + move_id[:12].encode() + rb" role=\w+ state=(\w+)")
        self.file = open(host.lab.folder / f"{host.name}.log", "rb", buffering=0)

    def last(self):
        *lines, self.left = (self.left + self.file.readall()).split(b"\n")
        self.phases += [found.group(1).decode() for line in lines if (found := self.pattern.search(line))]
        return self.phases[-1] if self.phases else ""

    def wait(self, phase, seconds=PATIENCE):
        """Until the move is in this phase, further, or given up. Asks all the time: some last for milliseconds."""
        phases = phases_of(phase)
        before, end = ("", *phases[: phases.index(phase)]), time.monotonic() + seconds
        while self.last() in before:
            assert time.monotonic() < end, f"the move stands still before {phase}: {self.phases}"
            time.sleep(0.0005)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()


def settle(hosts, vm):
    """Waits until every move has ended at every host, and one host alone has the VM; that host."""

    def quiet():
        if any(not move["ended"] for host in hosts for move in host.cli("moves", "list")["moves"]):
            return None
        have = [host for host in hosts if host.has_vm(vm)]
        return have if len(have) == 1 else None

    return wait_until("every move to end, and one owner", quiet, 240)[0]


def alive(hosts, vm, boot=None):
    """The VM runs at one host, or is started there; every page and block is right. The host."""
    owner = settle(hosts, vm)

    # A process that has just been killed may not be missed yet.
    def known():
        shown = owner.vm(vm)
        return shown["state"] == "off" or (shown["state"] == "running" and shown["pid"] in owner.processes())

    wait_until(f"{owner.name} to know whether {vm} runs", known)
    if owner.vm_state(vm) != "running":
        owner.cli("vm", "start", vm)
        boot = None
    guest = owner.guest()
    guest.wait_ready()
    guest.verify()
    assert boot is None or guest.status()["boot"] == boot, "the guest was booted anew"
    assert [len(host.processes()) for host in hosts if host is not owner] == [0] * (len(hosts) - 1)
    return owner
