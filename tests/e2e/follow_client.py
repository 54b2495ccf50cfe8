#!/usr/bin/env python3
"""Users of a guest behind load balancers, who must not notice a move: a new HTTP request at a steady rate through each, and one
connection (a line every 20 ms) that stays open. Usage: follow_client.py RATE LINES_PORT NAME=PORT…; each line on stdin is
answered by a line of JSON about the time since the last one:
{NAME: [[began, took, problem or null], …], "lines": [longest gap in ms, lines lost, problem or null]} with times in seconds
since the start."""

import json
import socket
import sys
import threading
import time

START = time.monotonic()
LOCK = threading.Lock()
SEEN = {}
LINES = {"gap": 0.0, "lost": 0, "problem": None}
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


def lines(port):
    expected, last = 1, None
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as connection, connection.makefile("r") as text:
            for line in text:
                now, number = time.monotonic(), int(line.split()[0])
                with LOCK:
                    LINES["gap"] = max(LINES["gap"], now - last if last else 0.0)
                    LINES["lost"] += number - expected
                expected, last = number + 1, now
        LINES["problem"] = "closed"
    except (OSError, ValueError) as error:
        LINES["problem"] = repr(error)


def main():
    rate, lines_port = float(sys.argv[1]), int(sys.argv[2])
    for word in sys.argv[3:]:
        name, port = word.split("=")
        SEEN[name] = []
        for number in range(THREADS):
            arguments = (name, int(port), THREADS / rate, number / rate)
            threading.Thread(target=requests, args=arguments, daemon=True).start()
    threading.Thread(target=lines, args=(lines_port,), daemon=True).start()
    for _ in sys.stdin:
        with LOCK:
            answer = {name: list(times) for name, times in SEEN.items()}
            for times in SEEN.values():
                times.clear()
            answer["lines"] = [round(LINES["gap"] * 1000, 1), LINES["lost"], LINES["problem"]]
            LINES["gap"] = 0.0
        answer["now"] = time.monotonic() - START
        print(json.dumps(answer), flush=True)


main()
