"""kill -9 of either daemon and of either QEMU in every phase of a live move: at the end one host runs the VM, or, its QEMU
killed, can start it. The phase that was hit is what the host's log had said when the victim died."""

import os
import signal

from harness import note, wait_until
from phases import SOURCE_PHASES, TARGET_PHASES, PhaseLog, alive

SLOW = 0.02  # seconds for each piece of the hosts' talk: the short phases last long enough to be hit


def kill_in_each(lab, phases, attack, spares_memory=lambda hit: False):
    """Moves the VM back and forth until attack(source, target, move, wanted) has hit each phase. It returns the phase that it
    hit, whichever that was, or nothing; each phase has three tries."""
    zurich, bern = hosts = lab.pair(relayed=True, witness=True)
    zurich.create_vm("web-01", settings="guest.mem=16 guest.rate=5 guest.disk=500")
    boot = zurich.start_vm("web-01").status()["boot"]
    source, left, hits = zurich, [phase for phase in phases for _ in range(3)], []
    while left:
        wanted = left.pop(0)
        target = bern if source is zurich else zurich
        for host in hosts:
            host.relay.control_delay = SLOW
        move_id = source.begin_move("web-01", target, "--live")
        hit = attack(source, target, move_id, wanted)
        for host in hosts:
            host.relay.control_delay = 0.0
        note(f"wanted {wanted}, hit {hit}")
        hits.append(hit)
        left = [phase for phase in left if phase not in hits]
        source = alive(hosts, "web-01", boot if hit and spares_memory(hit) else None)
        boot = source.guest().status()["boot"]
        note(f"at {source.name}")
    missed = [phase for phase in phases if phase not in hits]
    assert not missed, f"never hit: {missed}; hit: {hits}"
    source.wait_ended(source.begin_move("web-01", bern if source is zurich else zurich, "--live"), "done")


def daemon_attack(victim_of, phases):
    def attack(source, target, move_id, wanted):
        victim = victim_of(source, target)
        with PhaseLog(victim, move_id) as log:
            log.wait(wanted)
            victim.kill9()
            hit = log.last()
        victim.start()
        return hit if hit in phases else None

    return attack


def case_kill_source_daemon(lab):
    """kill -9 of the source's daemon in each of its phases."""
    attack = daemon_attack(lambda source, target: source, SOURCE_PHASES)
    kill_in_each(lab, SOURCE_PHASES, attack, spares_memory=lambda hit: True)


def case_kill_target_daemon(lab):
    """kill -9 of the destination's daemon in each of its phases. After the commit its guest may be started from its disks."""
    attack = daemon_attack(lambda source, target: target, TARGET_PHASES)
    kill_in_each(lab, TARGET_PHASES, attack, spares_memory=lambda hit: hit in TARGET_PHASES[:4])


def qemu_attack(victim_of):
    def attack(source, target, move_id, wanted):
        victim = victim_of(source, target)
        with PhaseLog(source, move_id) as log:
            log.wait(wanted)
            if victim is target and wanted == "copying":
                wait_until("the destination's QEMU", victim.processes, interval=0.001)
            # The source's daemon stands still meanwhile, and its phase with it.
            os.kill(source.daemon.pid, signal.SIGSTOP)
            try:
                hit, processes = log.last(), victim.processes()
                for pid in processes:
                    os.kill(pid, signal.SIGKILL)
            finally:
                os.kill(source.daemon.pid, signal.SIGCONT)
        return hit if processes and hit in SOURCE_PHASES else None

    return attack


def case_kill_source_qemu(lab):
    """kill -9 of the source's QEMU in each phase of the source but the last, in which its daemon kills it itself."""
    kill_in_each(lab, SOURCE_PHASES[:-1], qemu_attack(lambda source, target: source))


def case_kill_target_qemu(lab):
    """kill -9 of the destination's QEMU in each phase of the source but the first, in which there is none."""
    kill_in_each(lab, SOURCE_PHASES[1:], qemu_attack(lambda source, target: target))
