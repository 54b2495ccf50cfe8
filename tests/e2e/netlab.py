"""Two hosts and a user in network namespaces of their own, as root; the machine's own network is left alone.

namespace PREFIX-lan      bridge "lan", the user at 10.77.0.254
namespace PREFIX-HOST     bridge "br0" (the host's addresses, IPv4 and IPv6) with the host's cable to "lan" and its guests' taps
"""

import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
GUEST_ADDRESS, USER_ADDRESS = "10.77.0.50", "10.77.0.254"


def ip(*words, namespace=None):
    subprocess.run(
        ["ip", *(["-n", namespace] if namespace else []), *words], check=True, stdin=subprocess.DEVNULL
    )


class NetLab:
    def __init__(self, prefix, hosts):
        self.prefix = prefix
        self.addresses = {name: f"10.77.0.{number}" for number, name in enumerate(hosts, 1)}
        self.addresses6 = {name: f"fd00:77::{number}" for number, name in enumerate(hosts, 1)}
        self.children = []

    def name(self, host):
        return f"{self.prefix}-{host}"

    def __enter__(self):
        self.remove()
        lan = self.name("lan")
        for name in ("lan", *self.addresses):
            ip("netns", "add", self.name(name))
            ip("link", "set", "lo", "up", namespace=self.name(name))
        ip("link", "add", "lan", "type", "bridge", namespace=lan)
        ip("addr", "add", f"{USER_ADDRESS}/24", "dev", "lan", namespace=lan)
        ip("link", "set", "lan", "up", namespace=lan)
        for host, address in self.addresses.items():
            own = self.name(host)
            ip(
                "link",
                "add",
                f"to-{host}",
                "type",
                "veth",
                "peer",
                "name",
                "cable",
                "netns",
                own,
                namespace=lan,
            )
            ip("link", "set", f"to-{host}", "master", "lan", "up", namespace=lan)
            ip("link", "add", "br0", "type", "bridge", namespace=own)
            ip("link", "set", "cable", "master", "br0", "up", namespace=own)
            ip("addr", "add", f"{address}/24", "dev", "br0", namespace=own)
            ip("addr", "add", f"{self.addresses6[host]}/64", "dev", "br0", "nodad", namespace=own)
            ip("link", "set", "br0", "up", namespace=own)
        return self

    def spawn(self, host, script, *arguments):
        """A helper of this folder inside a namespace, spoken to by lines."""
        child = subprocess.Popen(
            [
                "ip",
                "netns",
                "exec",
                self.name(host),
                sys.executable,
                str(HERE / script),
                *map(str, arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.children.append(child)
        return child

    @staticmethod
    def ask(child, line=""):
        child.stdin.write(line + "\n")
        child.stdin.flush()
        answer = child.stdout.readline()
        if not answer:
            raise AssertionError(f"{child.args[5]} ended")
        return json.loads(answer)

    def get(self, path, seconds=60):
        """What the user sees at the guest's web server."""
        code = f"import urllib.request as u; print(u.urlopen('http://{GUEST_ADDRESS}/{path}', timeout={seconds}).read().decode())"
        done = subprocess.run(
            ["ip", "netns", "exec", self.name("lan"), sys.executable, "-c", code],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            raise OSError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no answer")
        return done.stdout.strip()

    def remove(self):
        for name in ("lan", *self.addresses):
            subprocess.run(
                ["ip", "netns", "del", self.name(name)], stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
            )

    def __exit__(self, *_):
        for child in self.children:
            child.kill()
            child.wait()
        self.remove()
