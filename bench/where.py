"""Where the time goes: one more move under perf, its samples sorted by process and by what was being done."""

import collections
import subprocess

# The first that matches decides. A frame's symbol, or its library; kernel frames are searched through the whole stack.
WORK = (
    ("hash", ("blake3", "sha256", "Sha256", "sha512", "keccak")),
    ("seal and open", ("libcrypto",)),
    ("compress", ("libzstd",)),
)
KERNEL = (
    ("network", ("tcp_", "inet_", "ip_", "__dev_queue", "net_rx", "loopback")),
    ("QEMU's socket", ("unix_stream",)),
    ("page faults", ("page_fault", "do_fault", "handle_mm_fault", "do_user_addr_fault")),
    ("disk: flush", ("fsync", "fdatasync", "sync_file_range", "writeback", "jbd2")),
    ("disk: write", ("file_write", "perform_write", "pwrite", "fallocate", "vfs_write")),
    ("disk: read", ("filemap_read", "file_read", "pread", "iomap_", "seek_hole", "seek_data", "llseek")),
    ("waiting and waking", ("futex", "schedule", "epoll", "do_sys_poll", "idle")),
)


def kind_of(stack):
    """stack: frames of one sample, innermost first, each 'symbol (library)'."""
    if "([" not in stack[0]:
        for name, marks in WORK:
            if any(mark in stack[0] for mark in marks):
                return name
        return "other"
    for name, marks in KERNEL:
        if any(mark in frame for frame in stack for mark in marks):
            return name
    return "other kernel"


def samples(script):
    """(pid, stack) of each sample in perf script's output."""
    pid, stack = None, []
    for line in script.splitlines():
        if not line.strip():
            if pid is not None and stack:
                yield pid, stack
            pid, stack = None, []
        elif line[0].isspace() and pid is not None:
            stack.append(line.strip().split(" ", 1)[-1])
        else:
            pid = int(line.split()[-1])
    if pid is not None and stack:
        yield pid, stack


def measure(path, work):
    """Runs work() under perf; what it returns, and the output of perf script."""
    recorder = subprocess.Popen(["perf", "record", "-q", "-a", "-g", "-F", "997", "-o", path],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        result = work()
    finally:
        recorder.terminate()
        recorder.wait()
    script = subprocess.run(["perf", "script", "-i", path, "-F", "comm,pid,ip,sym,dso"], capture_output=True, text=True)
    return result, script.stdout


def print_table(title, script, processes, gib):
    """processes: {name: pid}. Shares of each process's samples, in CPU seconds per GiB (997 samples a second)."""
    names = {pid: name for name, pid in processes.items()}
    found = collections.defaultdict(collections.Counter)
    for pid, stack in samples(script):
        if pid in names:
            found[names[pid]][kind_of(stack)] += 1
    print(f"{title}: where the time goes, CPU s/GiB")
    for name, kinds in found.items():
        total = sum(kinds.values())
        print(f"  {name} {total / 997 / gib:.2f}: " + ", ".join(
            f"{kind} {count / 997 / gib:.2f}" for kind, count in kinds.most_common() if count >= total / 50))
