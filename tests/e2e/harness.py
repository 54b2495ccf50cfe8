"""Real hosts, real QEMU, the real command line: what an end-to-end case is made of. Standard library only.

    with Lab("case") as lab:
        zurich, bern = lab.pair()              # two daemons, one domain
        zurich.create_vm("web-01")
        zurich.cli("vm", "start", "web-01")
        guest = zurich.guest("web-01")         # HTTP over a forwarded port
        zurich.cli("migrate", "web-01", "--to", "bern")

Everything lives in one temporary folder; a failed case leaves its logs in $SEALIFT_E2E_LOGS (or that folder). Only processes
that run out of this folder are ended, by their ids."""

import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "guest"))
from qemu_vm import PATIENCE, ROOT, Guest, Serial, free_port, guest_image, wait_until  # noqa: E402, F401
from relay import Relay  # noqa: E402

BINARY = os.environ.get("SEALIFT_BINARY", str(ROOT / "build/dev/src/app/sealift"))
EXIT_FAILED, EXIT_USAGE, EXIT_REFUSED, EXIT_UNAVAILABLE = 1, 2, 3, 4


class CommandFailed(AssertionError):
    def __init__(self, command, result):
        super().__init__(
            f"{' '.join(command[-8:])}: exit {result.returncode}\n{result.stdout}{result.stderr}"
        )
        self.code, self.output = result.returncode, result.stdout + result.stderr


class UnixHttp(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("sealift", timeout=PATIENCE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Host:
    """One sealift host: its state directory, its daemon, its command line."""

    def __init__(
        self,
        lab,
        name,
        relayed=False,
        namespace=None,
        address="127.0.0.1",
        networks="",
        witness=False,
        advertise=0,
    ):
        self.lab, self.name, self.namespace, self.address = lab, name, namespace, address
        self.state = lab.folder / name
        self.port = free_port() if namespace is None else 7420
        self.relay = Relay((address, self.port)) if relayed else None
        self.forwards = [free_port() for _ in range(3)] if namespace is None else []
        self.networks, self.witness = networks, witness
        own = f"{address}:{advertise or (self.relay.port if self.relay else self.port)}"
        self.advertised = advertise if advertise == "none" else own
        self.daemon = None
        self.extra = ""  # more configuration, before init or a restart
        self.http = None  # port of /healthz and /metrics

    # -- daemon ---------------------------------------------------------------------------------------------------
    def command(self, *arguments):
        enter = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        return [*enter, BINARY, "--state", str(self.state), *[str(a) for a in arguments]]

    def init(self):
        words = ["--name", self.name, "--listen", f"{self.address}:{self.port}"]
        words += ["--advertise", self.advertised, *(["--witness"] if self.witness else [])]
        subprocess.run(
            self.command("host", "init", *words),
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        self.configure()
        return self

    def configure(self):
        lines = [
            f'listen = "{self.address}:{self.port}"',
            f'advertise = ["{self.advertised}"]',
            'log_level = "debug"',
            f'http = "127.0.0.1:{self.http}"' if self.http else "",
            "[qemu]",
            'accelerator = "tcg"',
        ]
        for number, forward in enumerate(self.forwards):
            lines += [f"[networks.lan{number}]", f'forward = ["{forward}:80"]']
        (self.state / "sealift.toml").write_text("\n".join(lines) + "\n" + self.networks + self.extra)

    def start(self):
        assert self.daemon is None or self.daemon.poll() is not None, f"{self.name} runs already"
        with open(self.lab.folder / f"{self.name}.log", "ab") as log:
            self.daemon = subprocess.Popen(
                self.command("host", "run"), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.wait_answers()
        return self

    def wait_answers(self):
        def answers():
            if self.daemon.poll() is not None:
                raise AssertionError(
                    f"{self.name}'s daemon ended with {self.daemon.returncode}:\n{self.log_tail()}"
                )
            return self.api("GET", "/v1/vms") is not None

        wait_until(f"{self.name}'s daemon to answer", answers)

    def log_tail(self, count=25):
        path = self.lab.folder / f"{self.name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-count:]) if path.exists() else ""

    def kill9(self):
        self.daemon.kill()
        self.daemon.wait()

    def terminate(self, seconds=PATIENCE):
        self.daemon.terminate()
        return self.daemon.wait(seconds)

    def restart(self):
        self.kill9()
        return self.start()

    # -- command line and API -------------------------------------------------------------------------------------
    def run(self, *arguments, seconds=PATIENCE * 2):
        return subprocess.run(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def text(self, *arguments):
        """Runs a command that must succeed; what it printed."""
        result = self.run(*arguments)
        if result.returncode != 0:
            raise CommandFailed(self.command(*arguments), result)
        return result.stdout

    def cli(self, *arguments):
        """The same with --json: the answer as an object (of several lines, the last)."""
        lines = self.text("--json", *arguments).strip().splitlines()
        return json.loads(lines[-1]) if lines else {}

    def fails(self, *arguments, code=None, says=()):
        """A command that must fail; checks its exit code and that its words name what matters. Returns the words."""
        result = self.run(*arguments)
        words = result.stdout + result.stderr
        assert result.returncode != 0, f"{arguments} succeeded: {words}"
        assert (
            code is None or result.returncode == code
        ), f"{arguments}: exit {result.returncode}, wanted {code}: {words}"
        for word in [says] if isinstance(says, str) else says:
            assert word.lower() in words.lower(), f"{arguments}: {words!r} does not say {word!r}"
        return words

    def api(self, method, path, body=None):
        connection = UnixHttp(self.state / "api.sock")
        try:
            connection.request(
                method,
                path,
                json.dumps(body) if body is not None else None,
                {"Content-Type": "application/json"},
            )
            reply = connection.getresponse()
            data = json.loads(reply.read() or b"{}")
        except (http.client.HTTPException, ConnectionError) as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()
        if reply.status >= 400:
            raise OSError(f"{method} {path}: {reply.status} {data}")
        return data

    # -- VMs ------------------------------------------------------------------------------------------------------
    def create_vm(
        self,
        name,
        disks=(("raw", "64M"),),
        firmware="bios",
        memory="128M",
        settings="",
        network="lan0",
        more="",
        pool="default",
    ):
        kernel, initrd = guest_image()
        lines = [
            f'name = "{name}"',
            f'memory = "{memory}"',
            'machine = "pc-q35-9.2"',
            'cpu = "qemu64"',
            f'firmware = "{firmware}"',
            f'kernel = "{kernel}"',
            f'initrd = "{initrd}"',
            f'cmdline = "console=ttyS0 quiet panic=-1 guest.seed={self.lab.seed} {settings}"',
            more,
        ]
        for number, (image_format, size, *of_disk) in enumerate(disks):
            lines += [
                "[[disk]]",
                f'name = "vd{chr(97 + number)}"',
                f'size = "{size}"',
                f'format = "{image_format}"',
                f'pool = "{pool}"',
                *of_disk,
            ]
        if network:
            lines += ["[[network]]", f'name = "{network}"']
        path = self.lab.folder / f"{name}.toml"
        path.write_text("\n".join(lines) + "\n")
        return self.cli("vm", "create", path)

    def start_vm(self, name, network=0):
        self.cli("vm", "start", name)
        guest = self.guest(network)
        guest.wait_ready()
        return guest

    def guest(self, network=0):
        return Guest("127.0.0.1", self.forwards[network])

    def vm(self, name):
        return self.cli("vm", "show", name)

    def has_vm(self, name):
        return any(vm["name"] == name for vm in self.cli("vm", "list")["vms"])

    def vm_state(self, name):
        return self.vm(name)["state"] if self.has_vm(name) else None

    # -- moves ----------------------------------------------------------------------------------------------------
    def begin_move(self, vm, to, *options):
        return self.cli("migrate", vm, "--to", to.name, "--detach", *options)["id"]

    def move(self, move_id):
        return self.api("GET", f"/v1/moves/{move_id}")

    def wait_move(self, move_id, reached, seconds=PATIENCE * 2):
        """Long-polls until reached(move) is true; the move."""
        version, end = 0, time.monotonic() + seconds
        move = self.move(move_id)
        while not reached(move):
            assert time.monotonic() < end, f"move stands still: {json.dumps(move)}"
            version = move["version"]
            move = self.api("GET", f"/v1/moves/{move_id}?after={version}&wait_ms=1000")
        return move

    def wait_ended(self, move_id, state=None):
        move = self.wait_move(move_id, lambda m: m["ended"])
        assert (
            state is None or move["state"] == state
        ), f"move ended as {move['state']}, wanted {state}: {json.dumps(move)}"
        return move

    def processes(self):
        """Ids of the QEMU processes that run out of this host's state directory."""
        return [
            pid
            for pid, words in _command_lines()
            if words and "qemu-system" in words[0] and any(str(self.state) + "/" in w for w in words)
        ]


def _command_lines():
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield int(entry.name), (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue


class Lab:
    """The folder, the hosts, and the end of everything."""

    def __init__(self, name):
        self.name = name
        self.seed = int(os.environ.get("SEALIFT_SEED", "0")) or random.randrange(1, 1 << 30)
        self.random = random.Random(self.seed)
        self.hosts = []
        # Short: a unix socket's path has 107 bytes. Passable: QEMU runs as another user.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sl-", dir="/tmp"))
        self.folder.chmod(0o755)

    def host(self, name, **options):
        host = Host(self, name, **options).init()
        self.hosts.append(host)
        return host

    def join(self, first, other, approvers=()):
        """other joins first's domain; the approvers, members already, agree."""
        line = first.cli("domain", "invite")["line"]
        with subprocess.Popen(
            other.command("domain", "join", line),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as joining:
            for member in approvers:
                wait_until(
                    f"{member.name} to approve {other.name}",
                    lambda member=member: joining.poll() is not None
                    or member.run("domain", "approve", other.name).returncode == 0,
                )
            words = joining.communicate(timeout=PATIENCE)[0]
            assert joining.returncode == 0, f"{other.name} did not join: {words}"
        wait_until(
            f"{first.name} to see {other.name}",
            lambda: other.name in [member["name"] for member in first.cli("domain", "members")["members"]],
        )

    def pair(self, relayed=False, witness=False, extra=("", "")):
        """zurich and bern in one domain, and basel as a witness when asked."""
        zurich, bern = self.host("zurich", relayed=relayed), self.host("bern", relayed=relayed)
        for host, text in zip((zurich, bern), extra, strict=True):
            host.extra = text
            host.configure()
            host.start()
        self.join(zurich, bern)
        if witness:
            self.join(zurich, self.host("basel", witness=True).start(), approvers=[bern])
        return zurich, bern

    def end_processes(self):
        for host in self.hosts:
            if host.daemon is not None and host.daemon.poll() is None:
                host.daemon.kill()
                host.daemon.wait()
            if host.relay:
                host.relay.close()
        own = str(self.folder) + "/"
        for pid, words in _command_lines():
            if pid != os.getpid() and any(own in word for word in words):
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass

    def save_logs(self):
        into = pathlib.Path(os.environ.get("SEALIFT_E2E_LOGS", tempfile.gettempdir())) / self.name
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        for pattern in ("*.log", "*.toml", "*/sealift.toml", "*/vms/*/*.log", "*/moves/*/*.log"):
            for path in self.folder.glob(pattern):
                shutil.copy(path, into / str(path.relative_to(self.folder)).replace("/", "_"))
        for host in self.hosts:
            print(f"--- last lines of {host.name}'s log\n{host.log_tail()}", file=sys.stderr)
        print(f"logs: {into}", file=sys.stderr)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if kind is not None:
            self.save_logs()
        self.end_processes()
        if not os.environ.get("SEALIFT_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
        return False


def note(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)
