#!/usr/bin/env python3
"""A user of the guest who must not notice a move: keeps one TCP connection (port 7, a number per line) and sends a new HTTP
request ten times a second. Usage: client.py ADDRESS; each line on stdin is answered by a line of JSON about the time since
the last one: {"lines", "lost", "longest_gap_ms", "requests", "failed", "slowest_ms", "counter_went_back"}."""

import json
import socket
import sys
import threading
import time
import urllib.request


class Client:
    def __init__(self, address):
        self.address, self.lock = address, threading.Lock()
        self.broken = None
        self.expected, self.counter, self.last = 1, 0, time.monotonic()
        self.reset()
        for body in (self.session, self.requests):
            threading.Thread(target=body, daemon=True).start()

    def reset(self):
        self.seen = {
            "lines": 0,
            "lost": 0,
            "longest_gap_ms": 0.0,
            "requests": 0,
            "failed": 0,
            "slowest_ms": 0.0,
            "counter_went_back": 0,
        }

    def session(self):
        try:
            with socket.create_connection((self.address, 7), 10) as connection, connection.makefile(
                "r"
            ) as lines:
                connection.settimeout(60)
                for line in lines:
                    self.line(*(int(word) for word in line.split()))
            self.broken = "the guest closed the connection"
        except (OSError, ValueError) as error:
            self.broken = str(error)

    def line(self, number, counter):
        now = time.monotonic()
        with self.lock:
            self.seen["lines"] += 1
            self.seen["lost"] += number - self.expected
            self.seen["counter_went_back"] += counter < self.counter
            self.seen["longest_gap_ms"] = max(self.seen["longest_gap_ms"], round((now - self.last) * 1000, 1))
            self.expected, self.counter, self.last = number + 1, counter, now

    def requests(self):
        while True:
            began, good = time.monotonic(), True
            try:
                with urllib.request.urlopen(f"http://{self.address}/counter", timeout=30) as reply:
                    reply.read()
            except OSError:
                good = False
            took = time.monotonic() - began
            with self.lock:
                self.seen["requests"] += 1
                self.seen["failed"] += not good
                self.seen["slowest_ms"] = max(self.seen["slowest_ms"], round(took * 1000, 1))
            time.sleep(max(0.0, 0.1 - took))

    def report(self):
        with self.lock:
            seen = dict(self.seen, session=self.broken or "open")
            self.reset()
        return seen


def main():
    client = Client(sys.argv[1])
    for _ in sys.stdin:
        print(json.dumps(client.report()), flush=True)


if __name__ == "__main__":
    main()
