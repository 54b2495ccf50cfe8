"""Load balancers before a VM that moves: ours follows the moves, HAProxy is driven by the hosts, others are left alone."""

import os
import pathlib
import statistics
import tempfile
import time

from follow_lab import OURS, OURS_LINES, FollowLab
from follow_plot import write_plot
from harness import note, wait_until
from netlab import GUEST_ADDRESS

# The full run: SEALIFT_FOLLOW_MOVES=20 ctest --test-dir build/dev -R e2e_follow_moves --output-on-failure
MOVES = int(os.environ.get("SEALIFT_FOLLOW_MOVES", "4"))
KEPT = pathlib.Path(os.environ.get("SEALIFT_E2E_LOGS", tempfile.gettempdir()))
RATE = 40  # requests a second, through each balancer


def move_round(follow, client, number):
    """One live move to the next host: (the move, what the clients saw meanwhile)."""
    hosts = follow.lab.hosts
    source, target = hosts[number % len(hosts)], hosts[(number + 1) % len(hosts)]
    before = follow.net.ask(client)
    move = source.wait_ended(source.begin_move("web-01", target, "--live"), "done")
    time.sleep(1.5)  # the requests that the pause met are answered
    after = follow.net.ask(client)
    return move, before, after


def case_follow_moves(lab):
    """Live moves in a ring of three hosts under steady load through the balancer: no request fails, and none waits long."""
    with FollowLab(lab) as follow:
        follow.start_hosts()
        answer = follow.enrol(lab.hosts[1])
        assert answer["hosts"] == ["basel", "bern", "zurich"], answer
        follow.start_balancer()
        client = follow.net.spawn("lan", "follow_client.py", RATE, GUEST_ADDRESS, OURS_LINES, f"ours={OURS}")
        time.sleep(2)
        series, bands, quiet, counted = {"ours": []}, [], [], 0
        for number in range(MOVES):
            move, before, seen = move_round(follow, client, number)
            report, pause = move["report"], move["report"]["pause_ms"]
            quiet += [took * 1000 for _, took, _ in before["ours"]]
            times = seen["ours"]
            series["ours"] += before["ours"] + times
            slowest = max(times, key=lambda t: t[1])
            direct, through = seen["direct"]["silent"], seen["open"]
            bands.append(direct)
            # The guest as a user without a balancer sees it: the pause, and an emulated guest's first moments at a new place.
            silent = max(pause, (direct[1] - direct[0]) * 1000)
            gap = (through["silent"][1] - through["silent"][0]) * 1000
            waits = follow.waits()
            held = max(waits[counted:])
            counted = len(waits)
            note(
                f"move {number + 1}: pause {pause:.0f} ms (stopped after {report['hold']['waited_ms']:.1f} ms of waiting for the hold), "
                f"the guest silent for {silent:.0f} ms; {sum(w > 10 for w in waits[-len(times):])} connections held, for {held} ms at most; "
                f"slowest request {slowest[1] * 1000:.0f} ms, longest gap of the open connection {gap:.0f} ms"
            )
            assert report["hold"]["by"] == ["lb-1"] and not report["hold"]["missing"], report
            assert report["hold"]["waited_ms"] <= 50, report
            failed = [t for t in times if t[2]]
            assert not failed and not through["problem"] and through["lost"] == 0, (failed[:5], through)
            assert held <= pause + 50, (held, pause)
            assert max(slowest[1] * 1000, gap) <= 2 * silent + 250, (slowest, gap, silent)
        write_plot(KEPT / "follow_moves.svg", series, bands)
        status = follow.status()
        assert status["follow"]["followed"] == MOVES and status["follow"]["failed_open"] == 0, status["follow"]
        assert status["holds_expired"] == 0
        note(f"{len(series['ours'])} requests, none failed; {statistics.median(quiet):.1f} ms is usual")


def case_follow_others(lab):
    """The same moves under load through HAProxy driven by a host: none fails; HAProxy and nginx left alone: printed beside it."""
    runtime = lab.folder / "haproxy.sock"
    driving = f'[[haproxy]]\nsocket = "{runtime}"\nserver = "web/web-01"\nvm = "web-01"\n'
    ports = {"driven": 8002, "haproxy": 8003, "nginx": 8004}
    with FollowLab(lab) as follow:
        follow.start_haproxy("driven", ports["driven"], f"stats socket {runtime} mode 600 level admin")
        follow.start_haproxy("haproxy", ports["haproxy"])
        follow.start_nginx(ports["nginx"])
        follow.start_hosts(more={"basel": driving})
        words = [f"{name}={port}" for name, port in ports.items()]
        client = follow.net.spawn("lan", "follow_client.py", RATE / 4, GUEST_ADDRESS, 0, *words)
        time.sleep(2)
        follow.net.ask(client)  # what was before the checks had found the guest counts for nobody
        series, bands = {name: [] for name in ports}, []
        for number in range(MOVES):
            move, before, seen = move_round(follow, client, number)
            hold = move["report"]["hold"]
            note(f"move {number + 1}: pause {move['report']['pause_ms']:.0f} ms, waited {hold['waited_ms']:.1f} ms for {hold['by']}")
            bands.append(seen["direct"]["silent"])
            for name in ports:
                series[name] += before[name] + seen[name]
        for name, times in series.items():
            failed = [problem for _, _, problem in times if problem]
            note(f"{name}: {len(times)} requests, {len(failed)} failed, the slowest took {max(t[1] for t in times) * 1000:.0f} ms")
            assert name != "driven" or not failed, failed[:5]
        write_plot(KEPT / "follow_others.svg", series, bands)
        state = lab.folder / "basel" / "haproxy.json"
        wait_until("HAProxy to be as before", lambda: state.exists() and '"held":[]' in state.read_text(), 30)


def case_follow_trouble(lab):
    """A host that is gone is said, a move that is aborted releases, an expelled member's balancers are refused, strangers too."""
    with FollowLab(lab) as follow:
        zurich, bern, basel = follow.start_hosts(settings="guest.mem=24 guest.rate=4")
        follow.enrol(basel)
        follow.start_balancer()

        def server():
            return follow.status()["pools"][1]["servers"][0]

        note("an aborted move")
        move = zurich.begin_move("web-01", bern, "--live", "--bandwidth", "2M")
        wait_until("the move to be followed", lambda: server().get("move") == "moving" and server()["checks"] == "suspended")
        zurich.cli("moves", "abort", move)
        zurich.wait_ended(move, "aborted")
        wait_until("the end to be followed", lambda: "move" not in server() and server()["checks"] == "counted")
        note("the source's daemon is killed in a move")
        zurich.begin_move("web-01", bern, "--live", "--bandwidth", "2M")
        wait_until("the move to be followed", lambda: server().get("move") == "moving")
        zurich.kill9()
        wait_until("plain behaviour", lambda: "move" not in server() and server()["checks"] == "counted", 30)
        assert follow.status()["follow"]["failed_open"] == 1
        lost = {host["name"]: host for host in follow.status()["follow"]["hosts"]}["zurich"]
        assert not lost["connected"] and lost["why"], lost
        zurich.start()
        wait_until("zurich to be followed again", follow.all_followed, 60)
        note("basel signed the balancer's right, and is expelled")
        zurich.cli("domain", "expel", "basel", "--reason", "test")
        wait_until("the expulsion", lambda: bern.run("domain", "approve", "basel").returncode == 0 or
                   "basel" not in str(bern.cli("domain", "members")["members"]))
        wait_until("the balancer to be refused", lambda: not any(
            host["connected"] for host in follow.status()["follow"]["hosts"] if host["name"] != "basel"), 60)
        assert "no member any more" in str(follow.status()["follow"]["hosts"])
        note("enrolled again, at a member")
        follow.enrol(bern)
        follow.sealift("--control", lab.folder / "balance.sock", "reload")
        wait_until("both to be followed", lambda: sum(
            host["connected"] for host in follow.status()["follow"]["hosts"]) >= 2, 60)
