"""contrib/bench/run --scale: what grows, and how fast, with workers, connections and backends."""
import json
import os
import select
import signal
import subprocess
import time
from statistics import median

import proxies
import report
from workloads import WORKLOADS

START_BACKENDS = 1000
START_LIMIT_MS = 20
WORKERS_LIMIT = 1.10
CONNECTIONS_LIMIT = 1.6
LOG_DEADLINE_S = 20


class ManyWorkers(proxies.Iaido):
    name, label = "iaido-4", "iaido, 4 workers"
    workers = 4


def many_backends_file(directory, count):
    """A file whose one pool has count backends; none of them is there, none is asked."""
    path = os.path.join(directory, f"{count}.yaml")
    hosts = [f"127.{1 + i // 62500}.{i // 250 % 250}.{1 + i % 250}" for i in range(count)]
    with open(path, "w") as out:
        out.write(f"""gracePeriod: 100ms
frontends:
  - bindAddress: 127.0.0.1:0
    backendPool:
      latencyBucket: -1s
      tiers:
        - targets:
            - hosts: {json.dumps(hosts)}
              port: 9
""")
    return path


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
    path = many_backends_file(directory, START_BACKENDS)
    return [start_once_ms(options.iaido, path) for _ in range(4 * options.rounds)]


def row(what, seen, limit, unit=""):
    return [what, f"≤ {limit:g}{unit}", f"{seen:.2f}{unit}", "yes" if seen <= limit else "**no**"]


def render(result):
    view = report.View(result)
    by_name = {w.name: w for w in WORKLOADS}
    rows = []
    for name in ("rr 64 B, 64 conns", "rr 64 B, 1,024 conns"):
        ratio = view.ratio("free", by_name[name], ManyWorkers.name, "iaido")
        rows.append(row(f"CPU time per request, 4 workers ÷ 1: {name}", ratio, WORKERS_LIMIT))
    for placement in view.placements:
        for system, label in (("iaido", "1 worker"), (ManyWorkers.name, "4 workers")):
            few, many = (view.cost(placement, by_name[name], system)
                         for name in ("rr 64 B, 64 conns", "rr 64 B, 1,024 conns"))
            if few and many:
                rows.append(row("CPU time per request, 1,024 connections ÷ 64: "
                                f"{label}, {report.PLACEMENTS[placement]}",
                                many / few, CONNECTIONS_LIMIT))
    rows.append(row(f"from start to listening, {START_BACKENDS:,} backends",
                    median(result["start_ms"]), START_LIMIT_MS, " ms"))
    return "\n".join(["# How iaido scales", "", report.describe(result), ""]
                     + report.table(["what", "goal", "seen", "holds"], rows))
