"""Runs every workload on every system, interleaved in rounds, and writes what was seen.

contrib/bench/run prepares the ground and calls this.
"""
import argparse
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import chart
import figures
import privatenet
import proxies
import report
import scale
from workloads import WORKLOADS

HELD_MOST, HELD_QUICK = 9000, 3000


def parse_options():
    parser = argparse.ArgumentParser(
        prog="contrib/bench/run",
        description="Measure iaido side by side with HAProxy, nginx, a bare relay and no proxy.")
    parser.add_argument("--quick", action="store_true",
                        help="the main workloads only, in less than a minute")
    parser.add_argument("--scale", action="store_true",
                        help="instead: iaido with 1 and 4 workers, 64 and 1,024 connections")
    parser.add_argument("--iaido", metavar="PATH", required=True,
                        help="the program to measure (default: build this tree)")
    parser.add_argument("--output", metavar="DIR", default=".",
                        help="where bench.md, bench.json and bench.svg (or scale.*) go (default: here)")
    parser.add_argument("--rounds", type=int, help="default 5, --quick 3")
    parser.add_argument("--seconds", type=float, help="of each measurement; default 0.6, --quick 0.1. Streams take twice "
                        "that, but not with --quick")
    parser.add_argument("--placement", choices=["shared", "pinned", "both"],
                        help="proxy, load and backend on one core; or the proxy alone on its own")
    parser.add_argument("--systems", metavar="NAME,...",
                        help="of " + ", ".join(s.name for s in proxies.ALL))
    parser.add_argument("--workloads", metavar="TEXT;...",
                        help="only those whose name contains one of these")
    parser.add_argument("--host-network", action="store_true",
                        help="as root too, use no network namespace of its own")
    parser.add_argument("--no-counts", action="store_true",
                        help="leave out memory, descriptors and system calls")
    parser.add_argument("--private-network", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--tools", metavar="DIR", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (0.1 if options.quick else 0.6)
    # Streams vary more: their windows and queues are long in finding their size.
    options.stream_seconds = options.seconds * (1 if options.quick else 2)
    options.warm_up = 0.04 if options.quick else 0.2
    # So many that what a connection costs once does not count as a request's.
    options.few, options.many = (200, 1000) if options.quick else (2000, 20000)
    cores = sorted(os.sched_getaffinity(0))
    wanted = options.placement or ("shared" if options.quick else "both")
    options.placements = ["shared", "pinned"] if wanted == "both" else [wanted]
    if len(cores) < 2:
        options.placements = ["shared"]
    options.cores = cores
    options.proxy_core, options.other_core = cores[0], cores[1] if len(cores) > 1 else cores[0]
    return options


def choose(options):
    names = options.systems.split(",") if options.systems else None
    systems = [s for s in proxies.ALL if names is None or s.name in names]
    texts = options.workloads.split(";") if options.workloads else [""]
    workloads = [w for w in WORKLOADS if any(t in w.name for t in texts)
                 and (w.is_quick or not options.quick or options.workloads)]
    if not systems or not workloads:
        raise proxies.Failure("nothing is left to measure")
    return systems, workloads


class Backend:
    """The one backend process, which has a port for each system."""

    def __init__(self, options, directory, count):
        self.counters = os.path.join(directory, "counters")
        self.process = subprocess.Popen(
            [os.path.join(options.tools, "backend"), str(count), self.counters],
            stdout=subprocess.PIPE, text=True)
        self.ports = [int(port) for port in self.process.stdout.readline().split()]

    def stop(self):
        self.process.kill()
        self.process.wait()


def pin(pids, cores):
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            try:
                os.sched_setaffinity(int(thread), cores)
            except ProcessLookupError:
                pass


def cores_of(options, placement):
    """Where the proxy runs, and where load and backend do."""
    if placement == "free":
        return set(options.cores), set(options.cores)
    return {options.proxy_core}, \
        {options.proxy_core if placement == "shared" else options.other_core}


def run_load(options, arguments, cores):
    command = [os.path.join(options.tools, "load")] + arguments
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    if done.returncode != 0:
        raise proxies.Failure(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure_once(options, backend, proxy, workload, cores):
    seconds = options.stream_seconds if workload.is_stream else options.seconds
    arguments = ["-k", workload.kind, "-p", str(proxy.port), "-n", str(workload.connections),
                 "-s", str(workload.answer_bytes), "-w", str(options.warm_up),
                 "-t", str(seconds), "-c", backend.counters]
    pids = proxy.pids()
    if pids:
        arguments += ["-P", ",".join(str(pid) for pid in pids)]
    return run_load(options, arguments, cores)


def say(text):
    print(text, file=sys.stderr, flush=True)


def measure_rounds(options, backend, running, workloads, samples):
    """Round by round, so that what the machine does meanwhile meets all systems alike."""
    for placement in options.placements:
        proxy_cores, load_cores = cores_of(options, placement)
        pin([backend.process.pid], load_cores)
        for proxy in running:
            pin(proxy.pids(), proxy_cores)
        for number in range(options.rounds):
            say(f"{placement}: round {number + 1} of {options.rounds}")
            for workload in workloads:
                turn = number % len(running)
                for proxy in running[turn:] + running[:turn]:
                    sample = measure_once(options, backend, proxy, workload, load_cores)
                    samples.setdefault((placement, workload.name, proxy.name), []).append(sample)


def count_one(options, proxy, directory):
    """Figures that are counted, on a system that was started for this alone."""
    held = min(HELD_QUICK if options.quick else HELD_MOST, proxies.connections_possible())
    load = os.path.join(options.tools, "load")
    counts = figures.measure_idle(proxy, load, held)
    for kind, connections in (("answer", 64), ("close", 16)):
        def run_units(units, kind=kind, connections=connections):
            arguments = ["-k", kind, "-p", str(proxy.port), "-n", str(connections),
                         "-u", str(units)]
            return run_load(options, arguments, {options.other_core})["units"]
        total, names = figures.measure_calls(proxy, run_units, options.few, options.many,
                                             os.path.join(directory, "strace"))
        counts[f"syscalls_{kind}"] = total
        counts[f"syscalls_{kind}_by_name"] = names
    return counts


def count_all(options, systems, backend, directory):
    counts = {}
    for index, system in enumerate(systems):
        if system is proxies.NoProxy:
            continue
        say(f"counting: {system.label}")
        proxy = system(options)
        where = os.path.join(directory, f"count-{system.name}")
        try:
            proxy.start(where, backend.ports[index])
            counts[system.name] = count_one(options, proxy, where)
        finally:
            proxy.stop()
    return counts


def describe(options, systems):
    with open("/proc/cpuinfo") as info:
        models = [line.partition(":")[2].strip() for line in info if line.startswith("model name")]
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": "Linux " + ".".join(platform.release().split(".")[:2]),
        "descriptor_limit": proxies.descriptor_limit(),
        "network": options.network,
        "load_before": os.getloadavg()[0],
        "rounds": options.rounds,
        "seconds": options.seconds,
        "stream_seconds": options.stream_seconds,
        "versions": {s.name: s(options).version() for s in systems},
    }


def measure_side_by_side(options, systems, workloads, directory):
    """Starts all systems, measures round by round, stops them. Returns the samples, and why there
    are not more of them, if something cut the run short after its first round."""
    cut = None
    backend = Backend(options, directory, len(systems))
    running, samples = [], {}
    try:
        for index, system in enumerate(systems):
            proxy = system(options)
            running.append(proxy)
            proxy.start(os.path.join(directory, system.name), backend.ports[index])
        measure_rounds(options, backend, running, workloads, samples)
    except proxies.Failure as failure:
        if len(samples) < len(workloads) * len(running):
            raise
        cut = str(failure)
    finally:
        for proxy in running:
            proxy.stop()
        backend.stop()
    return {"cut": cut, "samples": [
        {"placement": placement, "workload": workload, "system": system, "rounds": rounds}
        for (placement, workload, system), rounds in samples.items()]}


def measure_peers(options, directory):
    systems, workloads = choose(options)
    result = {"about": describe(options, systems), "counts": {}}
    if not options.no_counts:
        backend = Backend(options, directory, len(systems))
        try:
            result["counts"] = count_all(options, systems, backend, directory)
        finally:
            backend.stop()
    result.update(measure_side_by_side(options, systems, workloads, directory))
    return result


def measure_scale(options, directory):
    systems = scale.SYSTEMS
    workloads = [w for w in WORKLOADS if w.name in ("rr 64 B, 64 conns", "rr 64 B, 1,024 conns")]
    options.placements = ["free"] + options.placements
    result = {"about": describe(options, systems),
              "start_ms": scale.measure_start(options, directory)}
    backend = Backend(options, directory, 1)

    def relay(port, seconds):
        return subprocess.Popen([os.path.join(options.tools, "load"), "-k", "answer", "-n", "64",
                                 "-p", str(port), "-t", str(seconds)], stdout=subprocess.DEVNULL)
    try:
        result["table_ms"] = scale.measure_table(options, directory, backend.ports[0], relay)
    finally:
        backend.stop()
    result.update(measure_side_by_side(options, systems, workloads, directory))
    return result


def write_result(options, result):
    name = "scale" if options.scale else "bench"
    text = scale.render(result) if options.scale else report.render(result)
    files = {f"{name}.md": text, f"{name}.json": json.dumps(result) + "\n"}
    if not options.scale:
        files[f"{name}.svg"] = chart.render(result)
    os.makedirs(options.output, exist_ok=True)
    for path, content in files.items():
        with open(os.path.join(options.output, path), "w") as out:
            out.write(content)
    print(text)


def on_signal(number, _frame):
    raise proxies.Failure(f"ended by signal {number}")


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    options = parse_options()
    proxies.raise_descriptor_limit()
    directory = tempfile.mkdtemp(prefix="iaido-bench-")
    try:
        os.chmod(directory, 0o755)
        options.iaido = options.iaido and os.path.abspath(options.iaido)
        options.tools = os.path.abspath(options.tools)
        options.network = privatenet.prepare(options.private_network)
        started = time.monotonic()
        result = (measure_scale if options.scale else measure_peers)(options, directory)
        result["about"]["took_seconds"] = round(time.monotonic() - started)
        write_result(options, result)
        if result["cut"]:
            sys.exit(f"bench: cut short: {result['cut']}")
    except proxies.Failure as failure:
        sys.exit(f"bench: {failure}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
