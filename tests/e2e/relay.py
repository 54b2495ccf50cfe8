"""A TCP relay between two hosts that knows sealift's framing (src/net/peer.hpp, src/transport/attach.hpp and record.hpp) and does
what a hostile or broken network does: flips a byte of a chosen record, cuts, delays, stands still."""

import socket
import struct
import threading
import time

# Bytes before the first record of a bulk connection: request and proof, challenge and proof (attach.hpp).
ATTACH_BYTES = {"to_server": (56, 32), "to_client": (64,)}
HEADER_BYTES, TAG_BYTES = 24, 16
RECORD_MAGIC = 0x5352


class Record:
    """One sealed record as it passes."""

    def __init__(self, direction, header, body):
        self.direction = direction
        self.magic, self.version, self.kind, self.stream, _, self.sequence, self.length, _ = struct.unpack(
            ">HBBHHQII", header
        )
        self.bytes = bytearray(header + body)

    def flip(self, offset=HEADER_BYTES):
        """Flips one bit of one byte; the default is the first sealed byte (of an empty record: of its tag)."""
        self.bytes[offset] ^= 0x01


class Relay:
    """Listens on 127.0.0.1 (or `address`), forwards to `target`. `on_record(record)` may change record.bytes, or return False
    to drop it; `on_control(direction, data)` may return other bytes for what passes on a TLS connection."""

    def __init__(self, target, address="127.0.0.1", port=0):
        self.target = target
        self.on_record = lambda record: None
        self.on_control = lambda direction, data: data
        self.delay = 0.0  # seconds, for each piece that passes
        self.control_delay = 0.0  # the same, on dialled TLS connections alone: the ledger, most of a move's messages
        self.flipped = []  # what tamper_once changed
        self._open = threading.Event()
        self._open.set()
        self._refuse = False
        self._lock = threading.Lock()
        self._sockets = set()
        self._listener = socket.create_server((address, port), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def tamper_once(self, stream, direction="to_server", kind=1, after=0, offset=HEADER_BYTES):
        """One bit of one record of this stream (None: of any stream but links) is flipped, then nothing more."""
        seen = 0

        def tamper(record):
            nonlocal seen
            wanted = record.stream == stream if stream is not None else record.stream != 0
            if self.flipped or not wanted or record.direction != direction or record.kind != kind:
                return
            seen += 1
            if seen > after:
                record.flip(offset)
                self.flipped.append((record.stream, record.sequence))

        self.flipped = []
        self.on_record = tamper

    def honest(self):
        self.on_record = lambda record: None
        self.on_control = lambda direction, data: data

    def stall(self):
        """Nothing passes, no connection breaks."""
        self._open.clear()

    def resume(self):
        self._refuse = False
        self._open.set()

    def cut(self, refuse=False):
        """Breaks every connection; with refuse, new ones too until resume()."""
        self._refuse = refuse
        with self._lock:
            sockets = list(self._sockets)
        for connection in sockets:
            try:
                # A reset, as from a middlebox that forgot the connection.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.cut(refuse=True)
        self._listener.close()
        self._open.set()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refuse:
                client.close()
                continue
            try:
                server = socket.create_connection(self.target, timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets |= {client, server}
            threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client, server):
        try:
            first = client.recv(1, socket.MSG_PEEK)
            bulk = first == b"B"
            body = self._records if bulk else self._control if first == b"\x16" else self._bytes
            back = threading.Thread(target=self._run, args=(body, server, client, "to_client"), daemon=True)
            back.start()
            self._run(body, client, server, "to_server")
            back.join()
        except OSError:
            pass
        finally:
            with self._lock:
                self._sockets -= {client, server}
            client.close()
            server.close()

    def _run(self, body, source, sink, direction):
        try:
            body(source, sink, direction)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _gate(self, delay):
        self._open.wait()
        if delay:
            time.sleep(delay)

    def _control(self, source, sink, direction):
        self._bytes(source, sink, direction, lambda: self.control_delay)

    def _bytes(self, source, sink, direction, more_delay=lambda: 0.0):
        while data := source.recv(65536):
            self._gate(max(self.delay, more_delay()))
            sink.sendall(self.on_control(direction, data))

    def _records(self, source, sink, direction):
        for count in ATTACH_BYTES[direction]:
            data = _exact(source, count)
            if data is None:
                return
            sink.sendall(data)
        while True:
            header = _exact(source, HEADER_BYTES)
            if header is None:
                return
            length = struct.unpack(">I", header[16:20])[0]
            if struct.unpack(">H", header[:2])[0] != RECORD_MAGIC or length > 1 << 20:
                raise OSError("not a record")
            record = Record(direction, header, _exact(source, length + TAG_BYTES))
            self._gate(self.delay)
            if self.on_record(record) is not False:
                sink.sendall(record.bytes)


def _exact(source, count):
    data = bytearray()
    while len(data) < count:
        piece = source.recv(min(count - len(data), 1 << 18))
        if not piece:
            if data:
                raise OSError("cut in the middle")
            return None
        data += piece
    return bytes(data)


def main():
    """relay.py ADDRESS PORT TARGET TARGET_PORT: prints its port when it listens; commands on stdin: flip STREAM, honest, quit."""
    import sys

    address, port, target, target_port = sys.argv[1:5]
    relay = Relay((target, int(target_port)), address, int(port))
    print(relay.port, flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[:1] == ["flip"]:
            relay.tamper_once(int(words[1]))
        elif words[:1] == ["honest"]:
            relay.honest()
        elif words[:1] == ["quit"]:
            break
        print(len(relay.flipped), flush=True)


if __name__ == "__main__":
    main()
