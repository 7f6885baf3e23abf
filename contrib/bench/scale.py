"""contrib/bench/run --scale: what grows, and how fast, with workers, connections and backends."""
import json
import os
import re
import select
import signal
import subprocess
import time
from statistics import median

import proxies
import report

START_BACKENDS = 1000
START_LIMIT_MS = 20
TABLE_BACKENDS = 10000
TABLE_LIMIT_MS = 100
TABLE_ROUNDS = 3
HUNG_S = 3          # a worker that shows no life for 2 s loses its slots: a new table for all
SETTLE_S = 2
WORKERS_LIMIT = 1.10
CONNECTIONS_LIMIT = 1.6
LOG_DEADLINE_S = 20
APPLIED = r'iov_base="\1\0\21\0'    # a message's head: version 1, type 17


class ManyWorkers(proxies.Iaido):
    name, label = "iaido-4", "iaido, 4 workers"
    workers = 4


class ManyFloors(proxies.FloorCopy):
    name, label = "floor-4", "floor, 4 processes"
    workers = ManyWorkers.workers


class ManyNginx(proxies.Nginx):
    name, label = "nginx-4", "nginx, 4 workers"
    workers = ManyWorkers.workers


SYSTEMS = [proxies.Iaido, ManyWorkers, proxies.FloorCopy, ManyFloors, proxies.Nginx, ManyNginx]
LABELS = {system.name: system.label for system in SYSTEMS}


def many_backends(count):
    """A frontend whose pool has count backends; none of them is there, none is asked."""
    hosts = [f"127.{1 + i // 62500}.{i // 250 % 250}.{1 + i % 250}" for i in range(count)]
    return f"""  - bindAddress: 127.0.0.1:0
    backendPool:
      latencyBucket: -1s
      tiers:
        - targets:
            - hosts: {json.dumps(hosts)}
              port: 9
"""


class BigTable(ManyWorkers):
    """Four workers that relay, and have a large pool beside."""

    def configure(self, directory, backend_port):
        command = super().configure(directory, backend_port)
        with open(command[-1], "a") as out:
            out.write(many_backends(TABLE_BACKENDS))
        return command


def start_once_ms(iaido, path):
    """From before the program is executed until it has said that it listens."""
    begun = time.monotonic()
    process = subprocess.Popen([iaido, "-c", path], stderr=subprocess.PIPE,
                               stdin=subprocess.DEVNULL, start_new_session=True)
    seen = b""
    try:
        while b"listening on" not in seen:
            ready, _, _ = select.select([process.stderr], [], [], LOG_DEADLINE_S)
            more = os.read(process.stderr.fileno(), 65536) if ready else b""
            if not more:
                raise proxies.Failure(f"iaido does not listen: {seen[-2000:].decode()}")
            seen += more
        return 1e3 * (time.monotonic() - begun)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.stderr.close()
        process.wait()


def measure_start(options, directory):
    path = os.path.join(directory, "start.yaml")
    with open(path, "w") as out:
        out.write("gracePeriod: 100ms\nfrontends:\n" + many_backends(START_BACKENDS))
    return [start_once_ms(options.iaido, path) for _ in range(4 * options.rounds)]


def pushes_ms(trace, resumed):
    """From the master's system calls: how long each push to four living workers took, from the
    end of the wait before it until the last of them has said that it has applied that table."""
    pushes, woken, begun, number, applied = [], None, None, None, 0
    for line in trace:
        match = re.match(r"(\d+\.\d+) (\w+)\(", line)
        if not match:
            continue
        at, call = float(match.group(1)), match.group(2)
        payload = re.findall(r'iov_base="([^"]*)"', line)[1:2]
        if call == "memfd_create":
            begun, number, applied = woken or at, None, 0
        elif call == "sendmsg" and number is None:
            number = payload
        elif call == "recvmsg" and APPLIED in line and payload == number:
            applied += 1
            if applied == ManyWorkers.workers and any(0 <= begun - r < HUNG_S for r in resumed):
                pushes.append(1e3 * (at - begun))
        woken = at
    return pushes


def measure_table(options, directory, backend_port, run_load):
    """Holds a worker up until its slots go over, then lets it go on: each time all four get a new
    table, and what they do meanwhile is relay."""
    proxy, resumed = BigTable(options), []
    trace = os.path.join(directory, "table.strace")
    try:
        proxy.start(os.path.join(directory, "table"), backend_port)
        time.sleep(SETTLE_S)
        master, *workers = proxy.pids()
        tracer = subprocess.Popen(
            ["strace", "-ttt", "-e", "trace=epoll_pwait,memfd_create,sendmsg,recvmsg",
             "-p", str(master), "-o", trace], stderr=subprocess.DEVNULL)
        load = run_load(proxy.port, SETTLE_S + 2 * HUNG_S * TABLE_ROUNDS)
        time.sleep(SETTLE_S)
        for _ in range(TABLE_ROUNDS):
            os.kill(workers[0], signal.SIGSTOP)
            time.sleep(HUNG_S)
            resumed.append(time.time())
            os.kill(workers[0], signal.SIGCONT)
            time.sleep(HUNG_S)
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        if load.wait() != 0:
            raise proxies.Failure("a connection was lost while tables were pushed")
    finally:
        proxy.stop()
    with open(trace) as lines:
        pushes = pushes_ms(lines, resumed)
    if not pushes:
        raise proxies.Failure("no table was seen to be pushed")
    return pushes


def row(what, seen, limit, unit="", floor=None):
    return [what, f"≤ {limit:g}{unit}", f"{seen:.2f}{unit}", report.ratio_text(floor),
            "yes" if seen <= limit else "**no**"]


def cost_table(view):
    """What a request costs each system, wherever it was measured."""
    rows = []
    for placement in view.placements:
        for workload in view.workloads:
            rows.append([f"{workload.name}, {report.PLACEMENTS[placement]}"]
                        + [report.number(view.cost(placement, workload, s)) for s in view.systems])
    return report.table(["µs of CPU time per request"] + [LABELS[s] for s in view.systems], rows)


def grown(view, placement, system):
    """What a request costs on 1,024 connections, by what it costs on 64."""
    few, many = (view.cost(placement, workload, system) for workload in view.workloads)
    return many / few


def render(result):
    view = report.View(result)
    rows = []
    for placement in view.placements:
        for workload in view.workloads:
            rows.append(row(
                f"CPU time per request, 4 workers ÷ 1: {workload.name}, "
                f"{report.PLACEMENTS[placement]}",
                view.ratio(placement, workload, ManyWorkers.name, proxies.Iaido.name),
                WORKERS_LIMIT,
                floor=view.ratio(placement, workload, ManyFloors.name, proxies.FloorCopy.name)))
    for placement in view.placements:
        for iaido, bare in ((proxies.Iaido, proxies.FloorCopy), (ManyWorkers, ManyFloors)):
            seen, floor = (grown(view, placement, system.name) for system in (iaido, bare))
            rows.append(row(f"CPU time per request, 1,024 connections ÷ 64: {iaido.label}, "
                            f"{report.PLACEMENTS[placement]}", seen, CONNECTIONS_LIMIT,
                            floor=floor))
    rows.append(row(f"from start to listening, {START_BACKENDS:,} backends",
                    median(result["start_ms"]), START_LIMIT_MS, " ms"))
    rows.append(row(f"a table of {TABLE_BACKENDS:,} backends with all of 4 workers, longest of "
                    f"{len(result['table_ms'])}", max(result["table_ms"]), TABLE_LIMIT_MS, " ms"))
    return "\n".join(["# How iaido scales", "", report.describe(result), ""]
                     + report.table(["what", "goal", "seen", "floor", "holds"], rows)
                     + cost_table(view))
