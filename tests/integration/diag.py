"""What a running iaido says of itself: diag.py IAIDO SRCDIR. Formats can be read by others' readers, counts
are live and never fall, and exit codes tell readiness."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(sys.argv[2], "tests/interop/lib"))
from town import Town, free_port  # noqa: E402

CONFIG = """\
diagAddr: {diag_addr}
gracePeriod: 20s
workers: 2
log: {{format: json, connections: true}}
resolver: {{servers: ["127.0.0.1:{dns}"]}}
frontends:
  - bindAddress: 127.0.0.1:{frontend}
    backendPool:
      tiers:
        - targets: [{{hosts: [{hosts}], port: {port}}}]
        - targets: [{{hosts: [lost.example], port: {port}}}]
"""

BACKEND_KEYS = {"address", "host", "tier", "configuredTier", "latency", "state", "connections",
                "dialFailures", "bytes", "lastChange", "lastError"}
FRONTEND_KEYS = {"bindAddress", "accepting", "connections", "bytes", "ended", "backends"}
STATUS_KEYS = {"version", "pid", "uptime", "generation", "config", "workers", "frontends", "names"}


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Iaido:
    def __init__(self, program, directory):
        self.program = program
        self.directory = directory
        self.town = Town({"one.example": "127.3.0.1", "two.example": "127.3.0.2"})
        self.path = os.path.join(directory, "iaido.yaml")
        self.ports = {"frontend": free_port(), "dns": self.town.dns_port, "port": self.town.port}
        self.diag_addr = "127.0.0.1:%d" % free_port()
        self.write("one.example, two.example")
        with open(os.path.join(directory, "log"), "wb") as log:
            self.process = subprocess.Popen([program, "-c", self.path], stderr=log)

    def write(self, hosts, more=""):
        text = CONFIG.format(diag_addr=self.diag_addr, hosts=hosts, **self.ports) + more
        with open(self.path + ".new", "w", encoding="utf-8") as out:
            out.write(text)
        os.rename(self.path + ".new", self.path)

    def ask(self, path):
        if self.diag_addr.startswith("unix:"):
            connection = Unix(self.diag_addr[5:])
        else:
            host, port = self.diag_addr.rsplit(":", 1)
            connection = http.client.HTTPConnection(host, int(port), timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def status(self):
        return json.loads(self.ask("/statusz?format=json")[1])

    def frontend(self):
        return self.status()["frontends"][0]

    def metrics(self, pattern):
        """The sum of the samples that match."""
        text = self.ask("/metrics")[1]
        found = re.findall(r"^iaido_%s (\S+)$" % pattern, text, re.MULTILINE)
        return sum(map(float, found)) if found else None

    def run(self, *arguments):
        return subprocess.run([self.program, "-c", self.path, *arguments], text=True, timeout=30,
                              capture_output=True, check=False)

    def log_text(self):
        with open(os.path.join(self.directory, "log"), encoding="utf-8") as log:
            return log.read()


def wait(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            value = condition()
        except OSError:
            value = None
        if value:
            return value
        assert time.monotonic() < deadline, "not within %d s: %s" % (seconds, what)
        time.sleep(0.05)


def check_formats(iaido):
    s = iaido.status()
    assert set(s) == STATUS_KEYS, s
    frontend = s["frontends"][0]
    assert set(frontend) == FRONTEND_KEYS, frontend
    assert set(frontend["backends"][0]) == BACKEND_KEYS, frontend
    assert s["config"]["path"] == iaido.path and s["config"]["lastReload"]["ok"] is True, s
    assert s["config"]["lastReload"]["error"] is None, s
    assert s["pid"] == iaido.process.pid, s
    lost = [n for n in s["names"] if n["host"] == "lost.example"][0]
    assert lost["age"] is None and lost["lastError"], lost
    assert json.loads(iaido.ask("/configz?format=json")[1])["gracePeriod"] == "20s"
    try:
        import yaml
    except ImportError:
        return
    a, b = yaml.safe_load(iaido.ask("/statusz")[1]), iaido.status()
    for moving in ("uptime", "names"):
        del a[moving], b[moving]
    assert a == b, (a, b)


def check_config(iaido):
    """What /configz says is what --check prints, and loads again to the same."""
    said = iaido.ask("/configz")[1]
    assert said == iaido.run("--check").stdout
    again = os.path.join(iaido.directory, "again.yaml")
    with open(again, "w", encoding="utf-8") as out:
        out.write(said)
    printed = subprocess.run([iaido.program, "-c", again, "--check"], capture_output=True,
                             text=True, check=True, timeout=30).stdout
    assert printed == said


def check_live_counts(iaido):
    """Counted while the connections are open, not when they end."""
    before = iaido.frontend()
    client = socket.create_connection(("127.0.0.1", iaido.ports["frontend"]))
    client.sendall(b"x" * 1000)
    for way in ("in", "out"):
        wait(lambda way=way: iaido.frontend()["bytes"][way] == before["bytes"][way] + 1000, way)
    f = iaido.frontend()
    assert f["connections"]["active"] == 1, f
    assert f["connections"]["total"] == before["connections"]["total"] + 1, f
    assert sum(b["connections"]["active"] for b in f["backends"]) == 1, f
    assert sum(w["connections"] for w in iaido.status()["workers"]) == 1
    wait(lambda: iaido.metrics(r"frontend_connections\{.*\}") == 1, "in the metrics too")
    return client


def totals(iaido):
    f = iaido.frontend()
    return (f["connections"]["total"], f["bytes"]["in"], f["bytes"]["out"], sum(f["ended"].values()),
            iaido.metrics(r"backend_dials_total\{.*\}"),
            iaido.metrics(r"connection_duration_seconds_count\{.*\}"))


def check_never_falls(before, after):
    assert all(a <= b for a, b in zip(before, after)), (before, after)


def check_worker_lost(iaido, client):
    before = totals(iaido)
    for worker in iaido.status()["workers"]:
        os.kill(worker["pid"], signal.SIGKILL)
    client.settimeout(20)
    try:
        assert client.recv(10000) is not None
        while client.recv(10000):
            pass
    except ConnectionResetError:
        pass
    client.close()
    wait(lambda: iaido.metrics("worker_restarts_total") == 2, "two restarts")
    wait(lambda: iaido.ask("/readyz")[0] == 200, "ready again")
    wait(lambda: iaido.frontend()["ended"]["worker-lost"] == 1, "the connection is accounted for")
    wait(lambda: iaido.frontend()["connections"]["active"] == 0, "and no longer active")
    check_never_falls(before, totals(iaido))


def check_reloads(iaido):
    client = check_live_counts(iaido)
    before, generation = totals(iaido), iaido.status()["generation"]
    iaido.process.send_signal(signal.SIGHUP)
    wait(lambda: iaido.status()["generation"] > generation, "another generation")
    wait(lambda: "draining" in [w["state"] for w in iaido.status()["workers"]], "the old one drains")
    check_never_falls(before, totals(iaido))
    iaido.write("one.example, two.example", "nonsense: 1\n")
    wait(lambda: iaido.status()["config"]["lastReload"]["ok"] is False, "refused")
    assert "nonsense" in iaido.status()["config"]["lastReload"]["error"]
    wait(lambda: iaido.metrics("config_last_reload_successful") == 0, "in the metrics too")
    assert iaido.metrics(r'config_reloads_total\{result="failure"\}') == 1
    # Who asks by the file that was refused learns of the fault, and how the old one runs.
    told = iaido.run("--status", "--json")
    assert told.returncode == 0 and json.loads(told.stdout)["pid"] == iaido.process.pid, told
    assert "nonsense: unknown key" in told.stderr, told
    iaido.write("one.example, two.example")
    wait(lambda: iaido.status()["config"]["lastReload"]["ok"] is True, "the good one is taken")
    check_never_falls(before, totals(iaido))
    client.close()


def check_upgrade(iaido):
    """The same process under the same address, and no count falls."""
    client = check_live_counts(iaido)
    before, s = totals(iaido), iaido.status()
    started = iaido.metrics("start_time_seconds")
    iaido.process.send_signal(signal.SIGUSR2)
    wait(lambda: '"upgrade.done"' in iaido.log_text(), "the upgrade is done")
    wait(lambda: iaido.ask("/readyz")[0] == 200, "ready again")
    assert iaido.status()["pid"] == s["pid"] == iaido.process.pid
    check_never_falls(before, totals(iaido))
    assert iaido.metrics("start_time_seconds") == started
    client.sendall(b"y" * 1000)
    wait(lambda: totals(iaido)[1] >= before[1] + 1000, "bytes of a connection from before")
    client.close()


def check_gone_backend(iaido):
    """It leaves the status with its last connection; its series stay for a while."""
    gone = "127.3.0.2:%d" % iaido.ports["port"]
    iaido.write("one.example")
    wait(lambda: gone not in [b["address"] for b in iaido.frontend()["backends"]], "it has left")
    wait(lambda: iaido.metrics("config_last_reload_successful") == 1, "taken")
    assert iaido.metrics(r'backend_up\{frontend=".*",backend="%s"\}' % re.escape(gone)) == 0


def check_client(iaido):
    assert iaido.run("--status", "--json").returncode == 0
    table = iaido.run("--status")
    assert table.returncode == 0 and "127.3.0.1" in table.stdout, table
    assert all(len(line) <= 80 for line in table.stdout.splitlines()), table.stdout
    assert "\033" not in table.stdout


def check_other_address(iaido):
    """diagAddr follows a reload."""
    iaido.diag_addr = "unix:" + os.path.join(iaido.directory, "diag")
    iaido.write("one.example")
    wait(lambda: iaido.ask("/healthz") == (200, "OK\n"), "it answers at the other address")
    assert iaido.run("--status", "--json").returncode == 0


def check_shutdown(iaido):
    client = check_live_counts(iaido)
    iaido.process.send_signal(signal.SIGTERM)
    code, why = wait(lambda: [a for a in [iaido.ask("/readyz")] if a[0] == 503], "not ready")[0]
    assert "shutting down" in why, (code, why)
    assert iaido.ask("/healthz")[0] == 200
    assert iaido.run("--status").returncode == 1
    client.close()
    assert iaido.process.wait(30) == 0
    assert iaido.run("--status").returncode == 1


def check_log(iaido):
    """Each line is JSON by itself; the connections' lines tell what they should."""
    events = [json.loads(line) for line in iaido.log_text().splitlines()]
    ended = [e for e in events if e["event"] == "connection.ended"]
    assert ended, events
    for e in ended:
        missing = {"time", "client", "frontend", "backend", "bytesIn", "bytesOut", "waitMicros",
                   "dialMicros", "totalMicros", "ended", "reason"} - set(e)
        assert not missing, (missing, e)


def main():
    with tempfile.TemporaryDirectory(prefix="iaido-diag.") as directory:
        iaido = Iaido(sys.argv[1], directory)
        try:
            wait(lambda: iaido.ask("/readyz?backends=all")[0] == 200, "ready")
            wait(lambda: len(iaido.frontend()["backends"]) == 2, "both backends")
            wait(lambda: [n for n in iaido.status()["names"] if n["lastError"]], "the lost name")
            check_formats(iaido)
            check_config(iaido)
            check_worker_lost(iaido, check_live_counts(iaido))
            check_reloads(iaido)
            check_upgrade(iaido)
            check_gone_backend(iaido)
            check_client(iaido)
            check_other_address(iaido)
            check_shutdown(iaido)
            check_log(iaido)
        except BaseException:
            sys.stderr.write(iaido.log_text())
            raise
        finally:
            iaido.process.kill()
            iaido.process.wait()


main()
