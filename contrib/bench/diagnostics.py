#!/usr/bin/env python3
"""What being watched costs: iaido as it is, scraped each second, and with a line for each connection, in
turns. The tools are those that contrib/bench/run builds.

    diagnostics.py --tools build-bench/tools --iaido build-bench/iaido [--rounds 10] [--seconds 2]
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import threading
import urllib.request

import proxies

# What to do, how often at a time, and by how much it may cost more: scraped, logged.
WORKLOADS = [("answer", 64), ("close", 16)]
LIMITS = {"scraped": 1.02, "logged": 1.10}


class Plain(proxies.Iaido):
    name = label = "plain"
    more = ""

    def configure(self, directory, backend_port):
        command = super().configure(directory, backend_port)
        self.diag = proxies.free_port()
        with open(command[2], "a", encoding="utf-8") as out:
            out.write(self.more.format(diag=self.diag, log=os.path.join(directory, "connections")))
        return command

    def while_measured(self):
        """Called each second."""


class Scraped(Plain):
    name = label = "scraped"
    more = "diagAddr: 127.0.0.1:{diag}\n"

    def while_measured(self):
        for path in ("metrics", "statusz?format=json"):
            urllib.request.urlopen(f"http://127.0.0.1:{self.diag}/{path}", timeout=10).read()


class Logged(Plain):
    name = label = "logged"
    more = "log: {{target: {log}, connections: true}}\n"


def measure(options, system, kind, connections):
    """CPU time of all its processes for a request, in microseconds."""
    pids = system.pids()
    command = [os.path.join(options.tools, "load"), "-k", kind, "-p", str(system.port), "-n",
               str(connections), "-s", "64", "-w", "0.3", "-t", str(options.seconds), "-c",
               options.counters, "-P", ",".join(map(str, pids))]
    done = threading.Event()

    def watch():
        while not done.wait(1):
            system.while_measured()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        out = subprocess.run(command, capture_output=True, text=True, check=True,
                             preexec_fn=lambda: os.sched_setaffinity(0, {options.core})).stdout
    finally:
        done.set()
        watcher.join()
    sample = json.loads(out)
    return sample["cpu_ns"] / 1e3 / max(sample["units"], 1)


def compare(options, systems, kind, connections):
    """The median of each round's ratio to the plain one, and the plain one's cost."""
    ratios = {s.name: [] for s in systems}
    costs = []
    for turn in range(options.rounds):
        order = systems[turn % len(systems):] + systems[:turn % len(systems)]
        seen = {s.name: measure(options, s, kind, connections) for s in order}
        costs.append(seen["plain"])
        for name, cost in seen.items():
            ratios[name].append(cost / seen["plain"])
    return {name: statistics.median(each) for name, each in ratios.items()}, \
        statistics.median(costs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--tools", required=True)
    parser.add_argument("--iaido", required=True, type=os.path.abspath)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--core", type=int, default=min(os.sched_getaffinity(0)))
    options = parser.parse_args()
    systems = [kind(options) for kind in (Plain, Scraped, Logged)]
    with tempfile.TemporaryDirectory(prefix="iaido-bench.") as directory:
        options.counters = os.path.join(directory, "counters")
        backend = subprocess.Popen([os.path.join(options.tools, "backend"), str(len(systems)),
                                    options.counters], stdout=subprocess.PIPE, text=True)
        try:
            ports = backend.stdout.readline().split()
            for system, port in zip(systems, ports):
                system.start(os.path.join(directory, system.name), int(port))
                for pid in system.pids():
                    os.sched_setaffinity(pid, {options.core})
            for kind, connections in WORKLOADS:
                ratios, cost = compare(options, systems, kind, connections)
                print(f"{kind}, {connections} at a time: {cost:.2f} µs; " + ", ".join(
                    f"{name} {ratios[name]:.3f} (limit {limit})" for name, limit in LIMITS.items()))
        finally:
            for system in systems:
                system.stop()
            backend.kill()
            backend.wait()


if __name__ == "__main__":
    main()
