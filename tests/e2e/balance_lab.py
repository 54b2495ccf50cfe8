"""What the balancer's cases are made of: sealift balance, nginx as servers, wrk and plain sockets as clients.

    balance = Balance(lab, servers=3)      # three nginx behind one pool "web"
    balance.start()
    load = Steady(balance.port)            # one connection per request, at a steady rate
    …
    load.end(failures=0)"""

import json
import re
import resource
import socket
import subprocess
import threading
import time

from harness import BINARY, CommandFailed, free_port, wait_until

NGINX = """daemon off; master_process off; worker_processes 1; 
error_log {folder}/{name}.error; pid {folder}/{name}.pid;
events {{ worker_connections 15000; }}
http {{ access_log off; client_body_temp_path {folder}/{name}.b; proxy_temp_path {folder}/{name}.p;
 fastcgi_temp_path {folder}/{name}.f; uwsgi_temp_path {folder}/{name}.u; scgi_temp_path {folder}/{name}.s;
 keepalive_requests 100000000; root {folder}/files; default_type text/plain;
 server {{ listen 127.0.0.1:{port} {options} backlog=8192; location = / {{ return 200 "{name} {variables}\\n"; }} }} }}
"""


def idle_connections(wanted=10_000):
    """As many as the limit on descriptors allows: the balancer needs two for each."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return min(wanted, (most - 400) // 2)


class Nginx:
    def __init__(self, lab, name, options="", variables=""):
        self.lab, self.name, self.port = lab, name, free_port()
        (lab.folder / "files").mkdir(exist_ok=True)
        text = NGINX.format(folder=lab.folder, name=name, port=self.port, options=options, variables=variables)
        self.config = lab.folder / f"{name}.conf"
        self.config.write_text(text)
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["nginx", "-c", str(self.config)], stdin=subprocess.DEVNULL)
        wait_until(f"{self.name} to listen", lambda: socket.create_connection(("127.0.0.1", self.port)).close() is None)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()


class Balance:
    """One balancer; `self.pool` and `self.more` are configuration text."""

    def __init__(self, lab, servers=3, pool="", more="", options="", variables="", listener=""):
        self.lab, self.port = lab, free_port()
        self.nginx = {f"s{i}": Nginx(lab, f"s{i}", options, variables) for i in range(servers)}
        self.pool, self.more, self.listener = pool, more, listener
        self.health = "interval_ms = 200\nfall = 2\nrise = 1"
        self.settings = ""
        self.file = lab.folder / "balance.toml"
        self.control = lab.folder / "balance.sock"
        self.process = None

    def configure(self, servers=None):
        names = self.nginx if servers is None else servers
        lines = [f'[balance]\ncontrol = "{self.control}"\n{self.settings}', '[[listener]]\nname = "web"']
        lines += [f'address = "127.0.0.1:{self.port}"\npool = "web"\n{self.listener}', f"[pool.web]\n{self.pool}"]
        lines += [f"[pool.web.health]\n{self.health}"]
        for name in names:
            lines += [f'[[pool.web.server]]\nname = "{name}"\naddress = "127.0.0.1:{self.nginx[name].port}"']
        self.file.write_text("\n".join(lines) + "\n" + self.more + "\n")

    def start(self, *arguments, limit=None):
        for nginx in self.nginx.values():
            if nginx.process is None:
                nginx.start()
        if not self.file.exists():
            self.configure()
        log = open(self.lab.folder / "balance.log", "ab")
        prefix = ["prlimit", f"--nofile={limit}"] if limit else []
        old, self.process = self.process, subprocess.Popen(
            [*prefix, BINARY, "balance", "run", str(self.file), *arguments], stdin=subprocess.DEVNULL, stderr=log
        )
        def ready():
            assert self.process.poll() is None, (self.lab.folder / "balance.log").read_text()[-2000:]
            return (self.lab.folder / "balance.log").read_text().count("event=balance.ready") >= self.starts
        self.starts = getattr(self, "starts", 0) + 1
        wait_until("the balancer to be ready", ready)
        return old

    def run(self, *words):
        return subprocess.run(
            [BINARY, "--json", "balance", "--control", str(self.control), *map(str, words)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        )

    def cli(self, *words):
        result = self.run(*words)
        if result.returncode != 0:
            raise CommandFailed(list(map(str, words)), result)
        return json.loads(result.stdout)

    def server(self, name):
        pool = next(p for p in self.cli("server", "list")["pools"] if p["name"] == "web")
        return next(s for s in pool["servers"] if s["name"] == name)

    def wait_state(self, name, state):
        wait_until(f"{name} to be {state}", lambda: self.server(name)["state"] == state, 30)

    def get(self, path="/", port=None, source=None):
        """One request on a connection of its own: (status, body)."""
        connection = socket.create_connection(("127.0.0.1", port or self.port), 30, source_address=source)
        with connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            data = b""
            while piece := connection.recv(1 << 20):
                data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        if not head:
            raise ConnectionError("empty answer")
        return int(head.split()[1]), body

    def resident_kib(self):
        status = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


class Steady:
    """Clients that ask at a steady rate, a new connection each time; counts failures and keeps all times."""

    def __init__(self, balance, rate=200, threads=4):
        self.balance, self.stopping = balance, threading.Event()
        self.times, self.failures, self.servers = [], [], {}
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.loop, args=(threads / rate,), daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def loop(self, interval):
        while not self.stopping.wait(interval):
            began = time.monotonic()
            try:
                status, body = self.balance.get()
                problem = None if status == 200 else f"status {status}"
            except OSError as error:
                problem, body = repr(error), b""
            with self.lock:
                self.times.append((began, time.monotonic() - began))
                if problem:
                    self.failures.append(problem)
                else:
                    name = body.split()[0].decode()
                    self.servers[name] = self.servers.get(name, 0) + 1

    def count(self):
        with self.lock:
            return len(self.times)

    def more(self, count):
        """Until so many further requests have been answered."""
        goal = self.count() + count
        wait_until("requests", lambda: self.count() >= goal)

    def end(self, failures=0):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert len(self.failures) <= failures, f"{len(self.failures)} of {len(self.times)} failed: {self.failures[:5]}"
        return self


class Wrk:
    """wrk in the background: keep-alive connections under full load."""

    def __init__(self, port, connections=32, seconds=4):
        words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", f"http://127.0.0.1:{port}/"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    def end(self):
        """(requests, errors of sockets, answers other than 2xx)."""
        text = self.process.communicate(timeout=120)[0]
        requests = int(re.search(r"(\d+) requests in", text).group(1))
        sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
        other = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        return requests, sum(map(int, sockets.groups())) if sockets else 0, int(other.group(1)) if other else 0


class OddServer:
    """A server of one behaviour: handle(connection) runs in a thread of its own for each connection."""

    def __init__(self, handle):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, args=(handle,), daemon=True).start()

    def serve(self, handle):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    def entry(self, name):
        return f'[[pool.web.server]]\nname = "{name}"\naddress = "127.0.0.1:{self.port}"\n'


def wait_process_end(pid_owner, seconds=60):
    wait_until("the process to end", lambda: pid_owner.poll() is not None, seconds)


__all__ = [n for n in dir() if n[0].isupper()] + ["idle_connections", "wait_process_end"]
