"""QEMU migrating by itself, as the peer that a live move is measured against: plain TCP and TLS (x509), single channel
and multifd. The same guest, memory preallocated on both sides."""

import json
import os
import pathlib
import socket
import subprocess
import time

KERNEL_ARGS = "console=ttyS0 quiet guest.mem={mem} guest.rate=0 guest.disk=0"


class Qmp:
    def __init__(self, path, seconds=20):
        end = time.monotonic() + seconds
        while True:
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(str(path))
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        self.file = self.socket.makefile("rw")
        json.loads(self.file.readline())
        self.events = []
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")
            else:
                return answer["return"]


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def runs(pid):
    """Neither stopped nor ending: a process that was killed still runs while the kernel takes its memory back."""
    exiting = 0x4  # PF_EXITING, in field 9 of proc(5)'s stat
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return fields[0] in "RSD" and not int(fields[6]) & exiting


def make_certificates(directory):
    """A CA and one certificate for both ends, as QEMU's tls-creds-x509 wants them."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-keyout", "ca-key.pem", "-out", "ca-cert.pem",
            "-subj", "/CN=bench CA", "-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=critical,keyCertSign")
    (directory / "ext").write_text("subjectAltName=DNS:bench,IP:127.0.0.1\nkeyUsage=digitalSignature,keyEncipherment\n"
                                   "extendedKeyUsage=serverAuth,clientAuth\n")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "req.pem", "-subj", "/CN=bench")
    openssl("x509", "-req", "-in", "req.pem", "-CA", "ca-cert.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "3650",
            "-extfile", "ext", "-out", "cert.pem")
    for end in ("server", "client"):
        for what in ("key", "cert"):
            target = directory / f"{end}-{what}.pem"
            target.unlink(missing_ok=True)
            target.symlink_to(f"{what}.pem")


class Guest:
    """One QEMU process with the test guest."""

    def __init__(self, directory, name, image, memory_mib, filled_mib, incoming=False):
        self.directory = pathlib.Path(directory)
        self.log = self.directory / f"{name}.serial"
        qmp = self.directory / f"{name}.qmp"
        for old in (qmp, self.log):
            old.unlink(missing_ok=True)
        command = ["qemu-system-x86_64", "-accel", "tcg", "-machine", "pc-q35-9.2,memory-backend=ram", "-cpu", "qemu64", "-nodefaults",
                   "-display", "none", "-no-user-config", "-m", f"{memory_mib}M",
                   "-object", f"memory-backend-memfd,id=ram,size={memory_mib}M,share=off,prealloc=on",
                   "-kernel", f"{image}/vmlinuz", "-initrd", f"{image}/initrd.img", "-append", KERNEL_ARGS.format(mem=filled_mib),
                   "-serial", f"file:{self.log}", "-qmp", f"unix:{qmp},server=on,wait=off"]
        if incoming:
            command += ["-incoming", "defer", "-S"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=open(self.directory / f"{name}.err", "w"))
        self.qmp = Qmp(qmp)

    def wait_for(self, text, seconds=120):
        end = time.monotonic() + seconds
        while text not in (self.log.read_text(errors="replace") if self.log.exists() else ""):
            if time.monotonic() > end:
                raise RuntimeError(f"the guest never said '{text}': {self.log}")
            time.sleep(0.1)

    def cpu(self):
        return cpu_seconds(self.process.pid)

    def end(self):
        self.process.kill()
        self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def migrate(directory, image, memory_mib, filled_mib, tls, channels, source=None):
    """One migration of a (running) source guest. Returns milliseconds, CPU seconds of both QEMUs, bytes."""
    own_source = source is None
    if own_source:
        source = Guest(directory, "source", image, memory_mib, filled_mib)
        source.wait_for("guest: ready")
    destination = Guest(directory, "destination", image, memory_mib, filled_mib, incoming=True)
    try:
        for end, role in ((source, "client"), (destination, "server")):
            capabilities = [{"capability": "return-path", "state": True}, {"capability": "multifd", "state": channels > 0}]
            end.qmp("migrate-set-capabilities", capabilities=capabilities)
            parameters = {"max-bandwidth": 10 ** 12, "downtime-limit": 300}
            if channels:
                parameters["multifd-channels"] = channels
            if tls:
                end.qmp("object-add", **{"qom-type": "tls-creds-x509", "id": "tls0", "dir": str(pathlib.Path(directory) / "certificates"),
                                         "endpoint": role, "verify-peer": True})
                parameters["tls-creds"] = "tls0"
                if role == "client":
                    parameters["tls-hostname"] = "bench"
            end.qmp("migrate-set-parameters", **parameters)
        uri = f"tcp:127.0.0.1:{free_port()}"
        destination.qmp("migrate-incoming", uri=uri)
        cpu = source.cpu() + destination.cpu()
        began = time.monotonic()
        source.qmp("migrate", uri=uri)
        while True:
            status = source.qmp("query-migrate")
            if status["status"] in ("completed", "failed", "cancelled"):
                break
            time.sleep(0.005)
        elapsed = time.monotonic() - began
        if status["status"] != "completed":
            raise RuntimeError(f"QEMU's own migration {status['status']}: {status.get('error-desc')}")
        while destination.qmp("query-migrate").get("status") != "completed":
            time.sleep(0.002)
        cpu = source.cpu() + destination.cpu() - cpu
        return {"ms": elapsed * 1000, "cpu": cpu, "bytes": status["ram"]["transferred"], "downtime_ms": status.get("downtime")}
    finally:
        destination.end()
        if own_source:
            source.end()


if __name__ == "__main__":
    import sys
    import tempfile

    with tempfile.TemporaryDirectory() as work:
        make_certificates(f"{work}/certificates")
        for tls in (False, True):
            for channels in (0, 2):
                print(tls, channels, migrate(work, sys.argv[1], 2048, 1536, tls, channels), flush=True)
