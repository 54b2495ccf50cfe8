"""The load balancer with real servers (nginx) and real clients (wrk, sockets). No host, no VM."""

import hashlib
import os
import socket
import struct
import subprocess
import threading
import time

from balance_lab import Balance, OddServer, Steady, Wrk, idle_connections, wait_process_end
from harness import BINARY, EXIT_FAILED, EXIT_USAGE, free_port, note, wait_until


def case_balance_kill_under_load(lab):
    """A server is killed under load: only what was in flight on it fails; it comes back by itself."""
    balance = Balance(lab)
    balance.start()
    steady, wrk = Steady(balance), Wrk(balance.port, connections=30)
    steady.more(200)
    in_flight = balance.server("s1")["active"]
    balance.nginx["s1"].kill()
    balance.wait_state("s1", "down")
    steady.more(200)
    requests, sockets, other = wrk.end()
    note(f"wrk: {requests} requests, {sockets} connections failed of about {in_flight} on the killed server")
    assert requests > 1000 and other == 0 and sockets <= in_flight + 8
    balance.nginx["s1"].start()
    balance.wait_state("s1", "up")
    before = steady.servers.get("s1", 0)
    steady.more(100)
    assert steady.servers["s1"] > before
    steady.end(failures=4)  # one in flight for each client


def case_balance_add_drain_remove(lab):
    """Servers come and go under load without one failed request; drain waits for its connections."""
    balance = Balance(lab, pool='algorithm = "least-connections"')
    balance.configure(servers=["s0", "s1"])
    balance.start()
    steady = Steady(balance)
    balance.cli("server", "add", "web", "s2", f"127.0.0.1:{balance.nginx['s2'].port}", "--weight", 3)
    assert balance.server("s2")["set_by"] == "command"
    wait_until("s2 to serve", lambda: steady.servers.get("s2", 0) > 20)
    note("drain")
    kept = socket.create_connection(("127.0.0.1", balance.port))
    balance.cli("server", "weight", "web", "s1", 0)
    balance.cli("server", "weight", "web", "s2", 0)
    kept.close()
    with socket.create_connection(("127.0.0.1", balance.port)) as kept:
        wait_until("a connection to s0", lambda: balance.server("s0")["active"] >= 1)
        kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"s0" in kept.recv(4096)
        for name in ("s1", "s2"):
            balance.cli("server", "enable", "web", name)
        balance.cli("server", "drain", "web", "s0")
        assert balance.server("s0")["changed_by_command"] == ["state"]
        steady.more(50)
        assert balance.server("s0")["state"] == "draining" and balance.server("s0")["active"] == 1
        kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"s0" in kept.recv(4096), "an open connection goes on"
    wait_until("s0 to be empty", lambda: balance.server("s0")["active"] == 0)
    note("remove, with nginx gone right after")
    balance.cli("server", "remove", "web", "s0")
    balance.nginx["s0"].kill()
    steady.more(100)
    steady.end()
    assert balance.run("server", "drain", "web", "nobody").returncode == EXIT_FAILED


def case_balance_reload_and_restart(lab):
    """Reload of good and bad files, and a restart, under load: no failed request, connections survive, commands stay."""
    balance = Balance(lab)
    balance.settings = "threads = 2"
    balance.configure(servers=["s0", "s1"])
    balance.start()
    steady = Steady(balance, rate=400)
    kept = socket.create_connection(("127.0.0.1", balance.port))
    kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200 OK" in kept.recv(4096)
    balance.cli("server", "drain", "web", "s0")
    balance.configure()
    balance.cli("reload")
    wait_until("s2 to serve", lambda: steady.servers.get("s2", 0) > 20)
    assert balance.server("s0")["state"] == "draining", "the command outlives the reload"
    note("a bad file")
    good = balance.file.read_text()
    balance.file.write_text(good.replace('name = "s1"', 'name = "s 1"'))
    refused = balance.run("reload")
    assert refused.returncode != 0 and "balance.toml:" in refused.stdout + refused.stderr, refused
    check = subprocess.run([BINARY, "balance", "check", str(balance.file)], capture_output=True, text=True)
    assert check.returncode in (EXIT_USAGE, EXIT_FAILED) and "key 'name'" in check.stderr, check
    balance.file.write_text(good)
    note("restart")
    second = subprocess.run([BINARY, "balance", "run", str(balance.file)], capture_output=True, text=True, timeout=30)
    assert second.returncode != 0 and "--takeover" in second.stderr, second
    for _ in range(3):
        steady.more(50)
        old = balance.start("--takeover")
        steady.more(50)
        assert balance.server("s0")["state"] == "draining", "the command outlives the restart"
        if kept:
            kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in kept.recv(4096), "an open connection goes on in the old process"
            kept.close()
            kept = None
        wait_process_end(old)
    steady.end()
    balance.process.terminate()
    assert balance.process.wait(60) == 0


def case_balance_many_idle(lab):
    """10,000 idle connections: little memory, and others are served as ever."""
    count = idle_connections()
    balance = Balance(lab, servers=2)
    balance.start()
    balance.get()
    before = balance.resident_kib()
    idle = [socket.create_connection(("127.0.0.1", balance.port)) for _ in range(count)]
    wait_until("all to be open", lambda: sum(balance.server(s)["active"] for s in ("s0", "s1")) >= count)
    each = (balance.resident_kib() - before) / count
    note(f"{count} idle connections, {each:.3f} KiB each")
    assert each < 0.8
    steady = Steady(balance)
    steady.more(200)
    steady.end()
    for connection in idle[::100]:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"200 OK" in connection.recv(4096)
    for connection in idle:
        connection.close()
    wait_until("all to be closed", lambda: balance.cli("server", "list")["open"] == 0)


def case_balance_odd_peers(lab):
    """Silent, slow, early, half-closed, reset: each end learns what the other did. Bulk in both directions is exact."""
    got_reset, got_end, sinks = threading.Event(), threading.Event(), {}

    def early(connection):
        connection.sendall(b"220 hello\r\n")
        connection.recv(1)

    def silent(connection):
        try:
            connection.recv(1)
        except ConnectionResetError:
            got_reset.set()

    def half(connection):
        received = hashlib.sha256()
        while piece := connection.recv(1 << 20):
            received.update(piece)
        got_end.set()
        connection.sendall(received.digest())
        connection.close()

    def resets(connection):
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def echo(connection):
        while piece := connection.recv(1 << 20):
            connection.sendall(piece)
        connection.close()

    for name, handle in (("early", early), ("silent", silent), ("half", half), ("resets", resets), ("echo", echo)):
        server = OddServer(handle)
        sinks[name] = (free_port(), server)
    more = ""
    for name, (port, server) in sinks.items():
        more += f'[[listener]]\nname = "{name}"\naddress = "127.0.0.1:{port}"\npool = "{name}"\n'
        more += f'[pool.{name}]\nidle_timeout_ms = {3000 if name == "silent" else 60000}\n[pool.{name}.health]\ncheck = "none"\n'
        more += server.entry("odd").replace("pool.web", f"pool.{name}")
    balance = Balance(lab, servers=1, more=more)
    balance.start()

    def dial(name):
        connection = socket.create_connection(("127.0.0.1", sinks[name][0]))
        connection.settimeout(30)
        return connection

    note("a server that speaks first, at once")
    began = time.monotonic()
    with dial("early") as client:
        assert client.recv(100) == b"220 hello\r\n"
    assert time.monotonic() - began < 1

    note("half-close, and bulk to the server")
    data = os.urandom(1 << 20) * 40
    with dial("half") as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == hashlib.sha256(data).digest() and client.recv(1) == b""
    assert got_end.is_set()

    note("reset by the server")
    with dial("resets") as client:
        client.sendall(b"x")
        try:
            assert client.recv(1) is None, "an end in good order"
        except ConnectionResetError:
            pass

    note("reset by the client")
    client = dial("silent")
    time.sleep(0.3)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert got_reset.wait(10)

    note("bulk both ways at once, the reader slow at first")
    with dial("echo") as client:
        sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
        sender.start()
        time.sleep(0.5)
        received = hashlib.sha256()
        total = 0
        while piece := client.recv(1 << 20):
            received.update(piece)
            total += len(piece)
        sender.join()
    assert total == len(data) and received.digest() == hashlib.sha256(data).digest()
    assert balance.cli("server", "list")["bulk_streams"] >= 1

    note("a client that sends nothing to a server that says nothing: idle time-out")
    with dial("silent") as client:
        began = time.monotonic()
        assert client.recv(1) == b""
        assert 2.5 < time.monotonic() - began < 10


def case_balance_out_of_descriptors(lab):
    """Descriptors run out: who is connected is served, the others wait in the kernel, no spin; then all is well."""
    balance = Balance(lab, servers=1)
    balance.start(limit=64)
    clients = [socket.create_connection(("127.0.0.1", balance.port)) for _ in range(60)]
    wait_until("accepting to pause", lambda: balance_paused(balance), 30)
    clients[0].sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert b"200 OK" in clients[0].recv(4096)
    began = cpu_seconds(balance.process.pid)
    time.sleep(1)
    assert cpu_seconds(balance.process.pid) - began < 0.5, "it spins"
    for client in clients[:40]:
        client.close()
    for client in clients[40:]:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        client.settimeout(30)
        assert b"200 OK" in client.recv(4096)


def balance_paused(balance):
    return "event=balance.full" in (balance.lab.folder / "balance.log").read_text()


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def case_balance_proxy_and_routes(lab):
    """PROXY protocol both versions, from clients and to servers; pools by client network; access log; metrics."""
    log, port, metrics = lab.folder / "access.log", free_port(), free_port()
    for version in ("v1", "v2"):
        balance = Balance(lab, servers=1, pool=f'send_proxy = "{version}"', options="proxy_protocol",
                          variables="$proxy_protocol_addr $proxy_protocol_port")
        balance.health = 'check = "none"'
        balance.settings = f'access_log = "{log}"\nmetrics = "127.0.0.1:{metrics}"'
        balance.more = (f'[[listener]]\nname = "in"\naddress = "127.0.0.1:{port}"\npool = "none"\naccept_proxy = true\n'
                        '[[listener.route]]\nnetworks = ["192.0.2.0/24"]\npool = "web"\n[pool.none]\n')
        balance.configure()
        nginx = balance.nginx["s0"]
        nginx.process = subprocess.Popen(["nginx", "-c", str(nginx.config)], stdin=subprocess.DEVNULL)
        balance.start()
        wait_until("nginx", lambda: balance.get()[0] == 200)
        with socket.create_connection(("127.0.0.1", balance.port)) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            words = client.recv(4096).split()
            assert words[-2:] == [b"127.0.0.1", str(client.getsockname()[1]).encode()], words
        for header, served in ((b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n", True),
                               (b"PROXY TCP4 192.0.3.7 198.51.100.1 4711 80\r\n", False), (b"GET / HTTP/1.0\r\n\r\n", False)):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.settimeout(30)
                try:
                    for byte in header:
                        client.sendall(bytes([byte]))
                    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    answer = client.recv(4096)
                except (ConnectionResetError, BrokenPipeError):
                    answer = b""
                assert (b"192.0.2.7 4711" in answer) == served, answer
        status, body = balance.get("/metrics", metrics)
        text = body.decode()
        assert status == 200 and text.endswith("# EOF\n") and 'server_connections_total{pool="web",server="s0"}' in text
        wait_until("the access log", lambda: "client=192.0.2.7:4711" in log.read_text())
        wait_until("the access log", lambda: "bad PROXY header" in log.read_text())
        balance.process.terminate()
        balance.process.wait(60)
        nginx.kill()
        (lab.folder / "balance.log").unlink()


def case_balance_hold_and_release(lab):
    """A held server: new connections wait and are served at the release, at a measured pace; a hold ends by itself."""
    balance = Balance(lab, servers=1, pool="hold_max_ms = 4000\nqueue_timeout_ms = 20000\nrelease_rate = 100")
    balance.start()
    steady = Steady(balance, rate=100, threads=60)
    steady.more(100)
    balance.cli("server", "hold", "web", "s0")
    held = time.monotonic()
    wait_until("all to wait", lambda: balance.cli("server", "list")["pools"][0]["waiting"] >= 55)
    quiet = steady.count()
    time.sleep(0.5)
    assert steady.count() <= quiet + 5, "held"
    balance.cli("server", "release", "web", "s0")
    released = time.monotonic()
    wait_until("all to be let go", lambda: balance.server("s0")["state"] == "up")
    took = time.monotonic() - released
    note(f"held for {released - held:.2f} s, released within {took:.2f} s")
    assert 0.3 < took < 5, "60 at 100 a second, ten of them at once"
    steady.more(50)
    note("a hold that nobody releases")
    balance.cli("server", "hold", "web", "s0")
    began = time.monotonic()
    balance.wait_state("s0", "up")
    assert 3 < time.monotonic() - began < 12
    assert "event=balance.hold_expired" in (lab.folder / "balance.log").read_text()
    steady.end()


def case_balance_all_down(lab):
    """No server is up: closed at once, or held until one is, as the pool says; agents and HTTP checks say who is up."""
    agents = {name: [b"up 100%\n"] for name in ("s0", "s1")}
    servers = {name: OddServer(lambda connection, name=name: (connection.sendall(agents[name][0]), connection.close()))
               for name in agents}
    balance = Balance(lab, servers=2, pool='algorithm = "least-load"\nagent_interval_ms = 100')
    balance.health = 'check = "http"\npath = "/"\ninterval_ms = 100\nfall = 1\nrise = 1'
    balance.configure()
    text = balance.file.read_text()
    for name, agent in servers.items():
        text = text.replace(f"address = \"127.0.0.1:{balance.nginx[name].port}\"",
                            f"address = \"127.0.0.1:{balance.nginx[name].port}\"\nagent_port = {agent.port}")
    balance.file.write_text(text)
    balance.start()
    agents["s0"][0] = b"drain\n"
    balance.wait_state("s0", "draining")
    assert {balance.get()[1].split()[0] for _ in range(10)} == {b"s1"}
    agents["s0"][0], agents["s1"][0] = b"ready 100%\n", b"25%\n"
    wait_until("s1's share", lambda: balance.server("s1")["agent_percent"] == 25)
    balance.wait_state("s0", "up")
    note("all down, closed")
    for nginx in balance.nginx.values():
        nginx.kill()
    for name in balance.nginx:
        balance.wait_state(name, "down")
    began = time.monotonic()
    try:
        raise AssertionError(balance.get())
    except OSError:
        assert time.monotonic() - began < 2
    note("all down, held")
    balance.file.write_text(text.replace('algorithm = "least-load"', 'algorithm = "least-load"\nall_down = "hold"'))
    balance.cli("reload")
    answer = []
    asking = threading.Thread(target=lambda: answer.append(balance.get()))
    asking.start()
    wait_until("one to wait", lambda: balance.cli("server", "list")["pools"][0]["waiting"] == 1)
    balance.nginx["s1"].start()
    asking.join()
    assert answer[0][0] == 200, answer
