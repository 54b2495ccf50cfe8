#!/usr/bin/env python3
"""Users of a guest behind load balancers, who must not notice a move: a new HTTP request at a steady rate through each, and one
connection that stays open; beside them one that goes to the guest directly. Usage: follow_client.py RATE GUEST LINES_PORT
NAME=PORT… (LINES_PORT 0: none through a balancer); each line on stdin is answered by a line of JSON about the time since the last one:
{NAME: [[began, took, problem or null], …], "open" and "direct": {"silent": [from, to], "lost": lines, "problem": text or null}}
with times in seconds since the start."""

import json
import socket
import sys
import threading
import time

START = time.monotonic()
LOCK = threading.Lock()
SEEN = {}
THREADS = 12  # requests that wait do not keep others from being made


def get(port):
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(b"GET /counter HTTP/1.0\r\n\r\n")
        data = b""
        while piece := connection.recv(65536):
            data += piece
    return None if data.startswith(b"HTTP/1.1 200") else f"answered {data[:40]!r}"


def requests(name, port, interval, phase):
    due = START + phase
    while True:
        due = max(due + interval, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        began = time.monotonic()
        try:
            problem = get(port)
        except OSError as error:
            problem = repr(error)
        with LOCK:
            SEEN[name].append([round(began - START, 4), round(time.monotonic() - began, 4), problem])


class Lines:
    """One connection on which the guest says a number every 20 ms: none is lost, and how long it was silent at most."""

    def __init__(self, address):
        self.silent, self.lost, self.problem = [0.0, 0.0], 0, None
        threading.Thread(target=self.read, args=(address,), daemon=True).start()

    def read(self, address):
        expected, last = 1, None
        try:
            with socket.create_connection(address, 10) as connection, connection.makefile("r") as text:
                connection.settimeout(60)
                for line in text:
                    now, number = time.monotonic() - START, int(line.split()[0])
                    with LOCK:
                        if last and now - last > self.silent[1] - self.silent[0]:
                            self.silent = [round(last, 4), round(now, 4)]
                        self.lost += number - expected
                    expected, last = number + 1, now
            self.problem = "closed"
        except (OSError, ValueError) as error:
            self.problem = repr(error)

    def take(self):
        answer = {"silent": self.silent, "lost": self.lost, "problem": self.problem}
        self.silent = [0.0, 0.0]
        return answer


def main():
    rate, guest, lines_port = float(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    for word in sys.argv[4:]:
        name, port = word.split("=")
        SEEN[name] = []
        for number in range(THREADS):
            arguments = (name, int(port), THREADS / rate, number / rate)
            threading.Thread(target=requests, args=arguments, daemon=True).start()
    direct = Lines((guest, 7))
    through = Lines(("127.0.0.1", lines_port)) if lines_port else None
    for _ in sys.stdin:
        with LOCK:
            answer = {name: list(times) for name, times in SEEN.items()}
            for times in SEEN.values():
                times.clear()
            answer["direct"], answer["open"] = direct.take(), through and through.take()
        answer["now"] = time.monotonic() - START
        print(json.dumps(answer), flush=True)


main()
