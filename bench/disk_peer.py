"""nbdcopy into nbdkit over TLS (x509), as the peer that a cold move is measured against. It verifies nothing."""

import os
import pathlib
import random
import subprocess
import time

import qemu_peer

IMAGE_BYTES, DATA_BYTES, PIECE_BYTES = 4 << 30, 1280 << 20, 4 << 20


def fill(path):
    """4 GiB, sparse, 1.25 GiB of data in pieces of 4 MiB spread over it: every other piece random, the others text."""
    chooser = random.Random(5)
    vocabulary = [chooser.randbytes(chooser.randrange(2, 9)).hex().encode() for _ in range(4000)]
    often = [1 / rank for rank in range(1, len(vocabulary) + 1)]
    texts = [b" ".join(chooser.choices(vocabulary, often, k=PIECE_BYTES // 8))[:PIECE_BYTES] for _ in range(4)]
    pieces = sorted(chooser.sample(range(IMAGE_BYTES // PIECE_BYTES), DATA_BYTES // PIECE_BYTES))
    with open(path, "wb") as image:
        image.truncate(IMAGE_BYTES)
        for index, piece in enumerate(pieces):
            image.seek(piece * PIECE_BYTES)
            image.write(chooser.randbytes(PIECE_BYTES) if index % 2 == 0 else texts[index // 2 % len(texts)])
        image.flush()
        os.fsync(image.fileno())


def copy(directory, source, target, connections):
    """One copy of a raw image, flushed at the end. Milliseconds, CPU seconds of both processes."""
    pathlib.Path(target).unlink(missing_ok=True)
    with open(target, "wb") as image:
        image.truncate(os.path.getsize(source))
    port = qemu_peer.free_port()
    server = subprocess.Popen(["nbdkit", "--foreground", "--ipaddr", "127.0.0.1", "--port", str(port), "--tls=require",
                               f"--tls-certificates={directory}", "--tls-verify-peer", "file", str(target)])
    try:
        wait_listening(port)
        before = os.times()
        began = time.monotonic()
        subprocess.run(["nbdcopy", "--flush", f"--connections={connections}", str(source),
                        f"nbds://127.0.0.1:{port}/?tls-certificates={directory}"], check=True)
        elapsed = time.monotonic() - began
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return {"ms": elapsed * 1000, "cpu": cpu + qemu_peer.cpu_seconds(server.pid)}
    finally:
        server.terminate()
        server.wait()
        pathlib.Path(target).unlink(missing_ok=True)


def wait_listening(port):
    """Until something listens there; looked up, not tried, so that the server sees no stray connection."""
    wanted, end = f"0100007F:{port:04X}", time.monotonic() + 10
    while not any(fields[1] == wanted and fields[3] == "0A" for fields in
                  (line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])):
        if time.monotonic() > end:
            raise RuntimeError("nbdkit does not listen")
        time.sleep(0.01)
