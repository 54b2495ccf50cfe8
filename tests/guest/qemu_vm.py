"""QEMU processes of our own, driven over QMP, and what the test guest says: for tests of the guest itself and for
end-to-end cases that need the plain tool. Standard library only."""

import json
import os
import pathlib
import re
import socket
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
# TCG on a busy machine is slow: a limit is there to end a hang, not to measure.
PATIENCE = float(os.environ.get("SEALIFT_TEST_PATIENCE", "120"))


def wait_until(what, condition, seconds=PATIENCE, interval=0.05):
    """Asks until the condition is true (returned); an exception of it counts as not yet."""
    end, error = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            value = condition()
            if value:
                return value
        except (OSError, ValueError, KeyError) as problem:
            error = problem
        time.sleep(interval)
    raise AssertionError(f"waited {seconds:.0f} s in vain: {what}" + (f" ({error})" if error else ""))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def guest_image():
    """(kernel, initrd), built when needed."""
    subprocess.run([ROOT / "tools/guest-image"], check=True, stdin=subprocess.DEVNULL)
    return ROOT / "build/guest/vmlinuz", ROOT / "build/guest/initrd.img"


class Qmp:
    """A QMP connection; events are kept in order in `events`."""

    def __init__(self, path, process=None):
        def connect():
            if process is not None and process.poll() is not None:
                raise AssertionError(f"QEMU ended with {process.returncode} before it spoke QMP")
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(path))
            return connection

        self.socket = wait_until(f"QMP at {path}", connect)
        self.socket.settimeout(PATIENCE)
        self.file = self.socket.makefile("r")
        self.events = []
        json.loads(self.file.readline())
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        arguments = {name.replace("_", "-"): value for name, value in arguments.items()}
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            line = self.file.readline()
            if not line:
                raise AssertionError(f"QEMU closed QMP during {command}")
            message = json.loads(line)
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise AssertionError(f"{command}: {message['error']['desc']}")
            else:
                return message["return"]

    def status(self):
        return self("query-status")["status"]


class Serial:
    """What a guest printed on a serial port given as a unix socket, and commands to it."""

    def __init__(self, path):
        def connect():
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(path))
            return connection

        self.socket = wait_until(f"serial port {path}", connect)
        self.text = ""

    def wait_for(self, pattern, seconds=PATIENCE):
        """The match of a regex in what has been printed since the last match."""
        end = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.text)
            if match:
                self.text = self.text[match.end() :]
                return match
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(
                    f"the guest did not print {pattern!r} in {seconds:.0f} s; last: {self.text[-800:]!r}"
                )
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                continue
            if not data:
                raise AssertionError(
                    f"serial port closed while waiting for {pattern!r}; last: {self.text[-800:]!r}"
                )
            self.text += data.decode(errors="replace").replace("\r", "")

    def command(self, line, seconds=PATIENCE):
        self.socket.sendall(line.encode() + b"\n")
        return self.wait_for(rf"guest: {re.escape(line)} (.*)\n", seconds).group(1)


class Guest:
    """The test guest as its users see it, over HTTP."""

    def __init__(self, address, port=80):
        self.base = f"http://{address}:{port}"

    def get(self, path, seconds=30):
        with urllib.request.urlopen(f"{self.base}/{path}", timeout=seconds) as reply:
            return reply.read().decode().strip()

    def wait_ready(self, seconds=PATIENCE):
        return wait_until(f"guest at {self.base}", lambda: self.get("counter", 2), seconds)

    def counter(self):
        return int(self.get("counter"))

    def status(self):
        return dict(word.split("=", 1) for word in self.get("status").split())

    def verify(self):
        """Every page and block is right, or AssertionError says which is not."""
        answer = self.get("verify", PATIENCE)
        assert answer.startswith("ok "), f"guest at {self.base}: {answer}"
        return dict(word.split("=", 1) for word in answer.split()[1:])

    def rate(self, memory_mib, disk_kib):
        assert self.get(f"rate?{memory_mib}&{disk_kib}").startswith("ok")


class PlainQemu:
    """One QEMU with the test guest, a user network with port 80 forwarded, QMP and serial port as unix sockets."""

    def __init__(self, folder, disks, *, incoming=False, uefi=False, memory=256, settings=""):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        kernel, initrd = guest_image()
        self.port = free_port()
        command = [
            "qemu-system-x86_64",
            "-accel",
            "tcg",
            "-machine",
            "pc-q35-9.2",
            "-cpu",
            "qemu64",
            "-m",
            str(memory),
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
            "-kernel",
            str(kernel),
            "-initrd",
            str(initrd),
            "-append",
            f"console=ttyS0 quiet panic=-1 {settings}",
            "-netdev",
            f"user,id=net0,hostfwd=tcp:127.0.0.1:{self.port}-:80",
            "-device",
            "virtio-net-pci,netdev=net0,mac=52:54:00:00:00:07",
            "-qmp",
            f"unix:{self.folder}/qmp,server=on,wait=off",
            "-serial",
            (
                f"unix:{self.folder}/serial,server=on,wait=on"
                if not incoming
                else f"unix:{self.folder}/serial,server=on,wait=off"
            ),
        ]
        if uefi:
            variables = self.folder / "vars.fd"
            if not variables.exists():
                variables.write_bytes(pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd").read_bytes())
            command += [
                "-drive",
                "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd",
                "-drive",
                f"if=pflash,format=raw,unit=1,file={variables}",
            ]
        for number, (path, image_format) in enumerate(disks):
            command += [
                "-blockdev",
                json.dumps(
                    {
                        "driver": image_format,
                        "node-name": f"disk{number}",
                        "file": {"driver": "file", "filename": str(path)},
                    }
                ),
                "-device",
                f"virtio-blk-pci,drive=disk{number}",
            ]
        if incoming:
            command += ["-S", "-incoming", "defer"]
        self.log = open(self.folder / "qemu.log", "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        # The serial port first: a source waits for it, so that nothing that the guest prints is missed.
        self.serial = Serial(self.folder / "serial")
        self.qmp = Qmp(self.folder / "qmp", self.process)
        self.guest = Guest("127.0.0.1", self.port)

    def wait_end(self, seconds=PATIENCE):
        return self.process.wait(seconds)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
