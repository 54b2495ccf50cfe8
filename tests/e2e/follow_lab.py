"""Three hosts in network namespaces, a guest with an address of its own on a bridge that spans them, and load balancers before it in
the namespace of its users: ours, HAProxy and nginx."""

import json
import os
import re
import subprocess

from harness import BINARY, wait_until
from netlab import GUEST_ADDRESS, NetLab

OURS, OURS_LINES = 8001, 8007

# As Debian's /etc/haproxy/haproxy.cfg has them.
HAPROXY = """global
  {socket}
defaults
  mode http
  timeout connect 5000
  timeout client 50000
  timeout server 50000
frontend users
  bind 127.0.0.1:{port}
  default_backend web
backend web
  server web-01 {guest}:80 check
"""
NGINX = """daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events {{ }}
stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass {guest}:80; }} }}
"""

BALANCE = f"""[balance]
control = "{{folder}}/balance.sock"
access_log = "{{folder}}/access.log"
[follow]
directory = "{{folder}}/lb"
[[listener]]
name = "web"
address = "127.0.0.1:{OURS}"
pool = "web"
[[listener]]
name = "lines"
address = "127.0.0.1:{OURS_LINES}"
pool = "lines"
[pool.web]
[pool.web.health]
interval_ms = 100
timeout_ms = 200
fall = 2
[[pool.web.server]]
name = "web-01"
address = "{GUEST_ADDRESS}:80"
vm = "web-01"
[pool.lines]
[[pool.lines.server]]
name = "web-01"
address = "{GUEST_ADDRESS}:7"
vm = "web-01"
"""


class FollowLab:
    def __init__(self, lab):
        self.lab, self.net = lab, NetLab(f"sf{os.getpid()}", ["zurich", "bern", "basel"])
        self.children = []

    def __enter__(self):
        self.net.__enter__()
        return self

    def __exit__(self, *arguments):
        for child in self.children:
            child.kill()
            child.wait()
        self.net.__exit__(*arguments)

    def start_hosts(self, settings="guest.mem=24 guest.rate=4", more=None):
        """The three in one domain, the guest on the first. more: configuration by host."""
        for name, address in self.net.addresses.items():
            networks = '[networks.lan0]\nbridge = "br0"\n' + (more or {}).get(name, "")
            self.lab.host(name, namespace=self.net.name(name), address=address, networks=networks).start()
        zurich, bern, basel = self.lab.hosts
        self.lab.join(zurich, bern)
        self.lab.join(zurich, basel, approvers=[bern])
        zurich.create_vm("web-01", settings=f"guest.ip={GUEST_ADDRESS}/24 {settings}")
        zurich.cli("vm", "start", "web-01")
        wait_until("the guest to answer", lambda: self.net.get("counter", 3))
        return self.lab.hosts

    def command(self, *words):
        return ["ip", "netns", "exec", self.net.name("lan"), *map(str, words)]

    def run_here(self, name, *words):
        """A program that runs beside the guest's users until the case ends."""
        log = open(self.lab.folder / f"{name}.log", "ab")
        child = subprocess.Popen(self.command(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.children.append(child)
        return child

    def sealift(self, *words):
        result = subprocess.run(
            self.command(BINARY, "--json", "balance", *words),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return json.loads(result.stdout)

    def enrol(self, host):
        line = host.cli("domain", "invite", "--balancer")["line"]
        return self.sealift("enrol", line, "--directory", self.lab.folder / "lb", "--name", "lb-1")

    def start_balancer(self):
        (self.lab.folder / "balance.toml").write_text(BALANCE.format(folder=self.lab.folder))
        child = self.run_here("balance", BINARY, "balance", "run", self.lab.folder / "balance.toml")
        wait_until("the balancer to be ready", lambda: "event=balance.ready" in self.log())
        wait_until("every host to be followed", self.all_followed)
        return child

    def start_haproxy(self, name, port, socket=""):
        config = self.lab.folder / f"{name}.cfg"
        config.write_text(HAPROXY.format(port=port, guest=GUEST_ADDRESS, socket=socket))
        return self.run_here(name, "haproxy", "-db", "-f", config)

    def start_nginx(self, port):
        config = self.lab.folder / "nginx.conf"
        config.write_text(NGINX.format(folder=self.lab.folder, port=port, guest=GUEST_ADDRESS))
        return self.run_here("nginx", "nginx", "-c", config)

    def status(self):
        return self.sealift("--control", self.lab.folder / "balance.sock", "server", "list")

    def all_followed(self):
        hosts = self.status()["follow"]["hosts"]
        return len(hosts) == len(self.lab.hosts) and all(host["connected"] for host in hosts)

    def log(self):
        return (self.lab.folder / "balance.log").read_text()

    def waits(self):
        """For how long each request through our balancer waited for its server, in ms, in the order of their ends."""
        log = (self.lab.folder / "access.log").read_text()
        return [int(ms) for ms in re.findall(r"listener=web .* waited_ms=(\d+) ", log)]
