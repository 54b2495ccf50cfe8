#!/usr/bin/env python3
"""Runs one end-to-end case by name; --list prints all names.
Usage: run_case.py CASE | --list"""

import signal
import sys
import time

import cases_balance
import cases_commands
import cases_fault
import cases_follow
import cases_host
import cases_kill
import cases_move
import cases_reach
import cases_session
from harness import Lab

CASES = {
    name[5:]: body
    for module in (
        cases_balance, cases_commands, cases_fault, cases_follow, cases_host, cases_kill, cases_move, cases_reach, cases_session
    )
    for name, body in vars(module).items()
    if name.startswith("case_")
}


def main():
    if len(sys.argv) != 2 or (sys.argv[1] not in CASES and sys.argv[1] != "--list"):
        print(__doc__, file=sys.stderr)
        return 2
    if sys.argv[1] == "--list":
        print("\n".join(CASES))
        return 0
    # ctest's end of a hanging case: leave by the front door, so that nothing stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    began = time.monotonic()
    print(CASES[sys.argv[1]].__doc__, flush=True)
    with Lab(sys.argv[1]) as lab:
        print(f"seed {lab.seed} (SEALIFT_SEED={lab.seed} repeats it)", flush=True)
        CASES[sys.argv[1]](lab)
    print(f"ok in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
