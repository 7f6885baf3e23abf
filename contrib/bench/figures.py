"""Figures that are counted once for each system, not timed: memory, descriptors, system calls."""
import os
import re
import signal
import subprocess
import time

import proxies

ATTACH_DEADLINE_S = 10
CLOSE_DEADLINE_S = 10
SPARE_DESCRIPTORS = 64      # kept for later use: pipes
SETTLE_S = 0.2


def pss_bytes(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            total += 1024 * int(re.search(r"^Pss:\s+(\d+) kB", rollup.read(), re.M).group(1))
    return total


def descriptors(pids):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def wait_until_closed(proxy, usual):
    """Until the proxy has let go of the connections, so that its closing them counts nowhere else:
    as few descriptors as before, but for some it may keep for later use, and no change."""
    deadline = time.monotonic() + CLOSE_DEADLINE_S
    last = None
    while last is None or last > usual + SPARE_DESCRIPTORS or last != descriptors(proxy.pids()):
        if time.monotonic() > deadline:
            raise proxies.Failure(f"{proxy.label} keeps the descriptors of closed connections")
        last = descriptors(proxy.pids())
        time.sleep(0.05)


def measure_idle(proxy, load, count):
    """Holds count connections, each of which has had one answer; what does one of them cost?"""
    time.sleep(SETTLE_S)
    pids = proxy.pids()
    before = pss_bytes(pids), descriptors(pids)
    holder = subprocess.Popen([load, "-k", "idle", "-p", str(proxy.port), "-n", str(count)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if not holder.stdout.readline().startswith("held"):
            raise proxies.Failure(f"{proxy.label} does not hold {count} connections: "
                                  + proxy.tail())
        time.sleep(SETTLE_S)
        pids = proxy.pids()
        after = pss_bytes(pids), descriptors(pids)
    finally:
        holder.stdin.close()
        holder.wait()
    wait_until_closed(proxy, before[1])
    return {
        "pss_start_mib": before[0] / 2**20,
        "pss_per_idle_bytes": (after[0] - before[0]) / count,
        "descriptors_per_idle": (after[1] - before[1]) / count,
        "idle_connections": count,
    }


def count_calls(pids, run_load, path):
    """All system calls of the processes while run_load() runs, by name."""
    command = ["strace", "-f", "-c", "-U", "calls,name", "-o", path]
    for pid in pids:
        command += ["-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        attached = 0
        deadline = time.monotonic() + ATTACH_DEADLINE_S
        while attached < len(pids):
            line = tracer.stderr.readline()
            attached += "attached" in line
            if not line or time.monotonic() > deadline:
                raise proxies.Failure(f"strace: cannot attach ({line.strip()})")
        units = run_load()
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()
    calls = {}
    with open(path) as table:
        for line in table:
            match = re.match(r"\s*(\d+)\s+(\w+)\s*$", line)
            if match and match.group(2) != "total":
                calls[match.group(2)] = int(match.group(1))
    return units, calls


def measure_calls(proxy, run_units, few, many, path):
    """System calls per unit: two runs of different length, so that starting up cancels out."""
    pids = proxy.pids()
    usual = descriptors(pids)

    def run_whole(units):
        done = run_units(units)
        wait_until_closed(proxy, usual)
        return done

    few_units, few_calls = count_calls(pids, lambda: run_whole(few), path)
    many_units, many_calls = count_calls(pids, lambda: run_whole(many), path)
    names = {}
    for name, calls in many_calls.items():
        each = (calls - few_calls.get(name, 0)) / (many_units - few_units)
        if abs(each) >= 0.005:
            names[name] = round(each, 2)
    total = sum(many_calls.values()) - sum(few_calls.values())
    return total / (many_units - few_units), names
