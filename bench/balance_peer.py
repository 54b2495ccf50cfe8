"""Group balance: sealift balance, HAProxy (mode tcp) and nginx stream in front of the same servers, in turn, one thread each."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

import qemu_peer
import rows

IDLE, BIG = 2000, 8 << 20
BACKEND = """daemon off; master_process off; worker_processes 1; error_log {work}/backend.error; pid {work}/backend.pid;
events {{ worker_connections 8000; }}
http {{ access_log off; root {work}; default_type text/plain; keepalive_requests 100000000; sendfile on;
 client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f; uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
 server {{ listen 127.0.0.1:{backend} backlog=8192; location = / {{ return 200 "hello\\n"; }} }} }}
"""
SEALIFT = "".join(
    '[[listener]]\nname = "{0}"\naddress = "127.0.0.1:{{ours_{0}}}"\npool = "{0}"\n[[pool.{0}.server]]\nname = "a"\naddress = "127.0.0.1:{{{1}}}"\n'.format(*pair)
    for pair in (("web", "backend"), ("light", "light")))
HAPROXY = """global
  maxconn 4000
  nbthread 1
defaults
  mode tcp
  timeout connect 3s
  timeout client 300s
  timeout server 300s
listen web
  bind 127.0.0.1:{haproxy_web} backlog 8192
  option splice-response
  server a 127.0.0.1:{backend} check
listen light
  bind 127.0.0.1:{haproxy_light} backlog 8192
  server a 127.0.0.1:{light} check
"""
NGINX = """load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; master_process off; worker_processes 1; error_log {work}/nginx.error; pid {work}/nginx.pid;
events {{ worker_connections 8000; }}
stream {{ proxy_buffer_size 64k;
 server {{ listen 127.0.0.1:{nginx_web} backlog=8192; proxy_pass 127.0.0.1:{backend}; }}
 server {{ listen 127.0.0.1:{nginx_light} backlog=8192; proxy_pass 127.0.0.1:{light}; }} }}
"""


class Contestant:
    def __init__(self, name, command, ports):
        self.name, self.ports = name, ports
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for port in ports.values():
            wait_port(port)
        self.results = {}

    def cpu(self):
        return qemu_peer.cpu_seconds(self.process.pid)

    def note(self, row, value):
        self.results.setdefault(row, []).append(value)

    def median(self, row):
        return rows.median(self.results[row])

    def resident_kib(self):
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text()).group(1))


def wait_port(port):
    end = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def wrk(contestant, row, seconds, connections, path="", headers=()):
    before = contestant.cpu()
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    text = subprocess.run([*words, *headers, f"http://127.0.0.1:{contestant.ports['web']}/{path}"], check=True, capture_output=True, text=True).stdout
    count, took = re.search(r"(\d+) requests in ([\d.]+)s", text).groups()
    contestant.note(f"{row} cpu", (contestant.cpu() - before) * 1e6 / int(count))
    contestant.note(f"{row} wall", float(took) * 1e6 / int(count))


def light(contestant, row, load, seconds, rate=0):
    text = subprocess.run([load, "client", str(contestant.ports["light"]), "64", str(seconds), str(rate)], check=True, capture_output=True, text=True).stdout
    done = json.loads(text)
    contestant.note(row, done["p99_us"] if rate else done["seconds"] * 1e6 / done["requests"])
    return done["requests"] / done["seconds"]


def idle_memory(contestant):
    before = contestant.resident_kib()
    idle = [socket.create_connection(("127.0.0.1", contestant.ports["web"])) for _ in range(IDLE)]
    time.sleep(2)  # the last ones are through, nothing tells from outside when
    contestant.note("idle", (contestant.resident_kib() - before) / IDLE)
    for connection in idle:
        connection.close()
    time.sleep(1)


def measure(contestants, options, load):
    seconds = options.seconds
    for _ in range(options.runs):
        for contestant in contestants:
            wrk(contestant, "keep-alive", seconds, 64)
    for _ in range(options.runs):
        for contestant in contestants:
            wrk(contestant, "connection", seconds, 64, headers=("-H", "Connection: close"))
    for _ in range(options.runs):
        for contestant in contestants:
            wrk(contestant, "8 MiB", seconds, 8, "big")
    rates = []
    for _ in range(options.runs):
        rates += [light(contestant, "light", load, seconds) for contestant in contestants]
    for _ in range(options.runs):
        for contestant in contestants:
            light(contestant, "p99", load, seconds, rate=rows.median(rates) / 2)
    for contestant in contestants:
        idle_memory(contestant)


def bench_balance(options):
    work = pathlib.Path(tempfile.mkdtemp(prefix="sealift-bench-"))
    os.chmod(work, 0o755)
    names = ["backend", "light"] + [f"{who}_{what}" for who in ("ours", "haproxy", "nginx") for what in ("web", "light")]
    ports = {name: qemu_peer.free_port() for name in names} | {"work": work}
    for name, text in (("backend", BACKEND), ("ours", SEALIFT), ("haproxy", HAPROXY), ("nginx", NGINX)):
        (work / name).write_text(text.format(**ports))
    (work / "big").write_bytes(os.urandom(BIG))
    load = options.sealift.parents[2] / "bench" / "balance_load"
    servers, contestants = [], []
    try:
        servers.append(subprocess.Popen(["nginx", "-c", work / "backend"], stdin=subprocess.DEVNULL))
        servers.append(subprocess.Popen([load, "server", str(ports["light"])], stdin=subprocess.DEVNULL))
        wait_port(ports["backend"])
        for name, command in (("ours", [options.sealift, "balance", "run", work / "ours"]), ("haproxy", ["haproxy", "-db", "-f", work / "haproxy"]),
                              ("nginx", ["nginx", "-c", work / "nginx"])):
            contestants.append(Contestant(name, command, {what: ports[f"{name}_{what}"] for what in ("web", "light")}))
        measure(contestants, options, load)
        ours, peers = contestants[0], contestants[1:]
        out = []

        def row(what, key, unit, target):
            best = min(peers, key=lambda peer: peer.median(key))
            out.append(rows.Row(what, best.name, ours.median(key), best.median(key), unit, target, rows.spread(ours.results[key])))

        row("keep-alive requests, 64 connections: CPU", "keep-alive cpu", "µs", 0.92)
        row("the same, time per request", "keep-alive wall", "µs", 1.0)
        row("the same with light client and server, time per request", "light", "µs", 0.95)
        row("one request per connection: CPU", "connection cpu", "µs", 0.88)
        row("the same, time per connection", "connection wall", "µs", 1.0)
        row("8 MiB answers, 8 connections: CPU", "8 MiB cpu", "µs", 0.95)
        row("the same, time per answer", "8 MiB wall", "µs", 1.0)
        row(f"memory per idle connection ({IDLE})", "idle", "KiB", 0.25)
        best = min(peers, key=lambda peer: peer.median("p99"))
        room = 1 + (max(best.results["p99"]) - min(best.results["p99"])) / best.median("p99")
        row("p99 at half load", "p99", "µs", round(room, 2))
        chosen = json.loads(subprocess.run([load.parent / "balance_choose_bench"], check=True, capture_output=True, text=True).stdout)
        for algorithm, ns in chosen.items():
            out.append(rows.Row(f"choosing of 1,000 servers: {algorithm}", "–", ns, None, "ns", 100 if algorithm == "ip-hash" else 1000))
        return out
    finally:
        for process in [*servers, *(contestant.process for contestant in contestants)]:
            process.terminate()
            process.wait()
        shutil.rmtree(work, ignore_errors=True)
