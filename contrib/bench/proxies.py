"""The systems that are measured: how each is configured, started, asked and stopped.

Each runs one worker, as a plain process in a directory of its own, on a free port of the loopback
address, and has a port of the backend to itself.
"""
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import time

ANSWER, REQUEST_BYTES = 1, 64       # of bench.h
START_DEADLINE_S = 20
STOP_DEADLINE_S = 5


class Failure(Exception):
    """Something that ends the run; its text says why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask_once(port):
    """One whole request through the proxy: who answers has its workers running."""
    with socket.create_connection(("127.0.0.1", port), 1) as client:
        client.sendall(struct.pack("=QQ", ANSWER, REQUEST_BYTES).ljust(REQUEST_BYTES, b"\0"))
        left = REQUEST_BYTES
        while left > 0:
            got = len(client.recv(left))
            if got == 0:
                raise ConnectionError("closed before the answer")
            left -= got


def find_program(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise Failure(f"{name} is not installed")
    return path


def descriptor_limit():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def raise_descriptor_limit():
    hard = descriptor_limit()
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connections_possible():
    """How many connections a proxy with two descriptors for each can hold, some kept back."""
    return min((descriptor_limit() - 1400) // 2, 30000)


def family(pid):
    """The process and all that descend from it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    parent = int(stat.read().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            children.setdefault(parent, []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, [])
    return found


class Proxy:
    """One system; a subclass says what its command line and its files are."""

    name = ""       # in JSON and on the command line
    label = ""      # in tables and in the chart

    def __init__(self, options):
        self.options = options
        self.process = None
        self.port = None

    def configure(self, directory, backend_port):
        """Writes the files into directory; returns the command line."""
        raise NotImplementedError

    def start(self, directory, backend_port):
        os.makedirs(directory, exist_ok=True)
        self.port = free_port()
        command = self.configure(directory, backend_port)
        self.log = os.path.join(directory, "output")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, cwd=directory)
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                ask_once(self.port)
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Failure(f"{self.label} does not start: {self.tail()}") from None
                time.sleep(0.01)

    def tail(self):
        with open(self.log, errors="replace") as log:
            return log.read()[-2000:]

    def pids(self):
        status = self.process.poll()
        if status is not None:
            how = f"by signal {-status}" if status < 0 else f"with status {status}"
            raise Failure(f"{self.label} has ended {how}: {self.tail()}")
        return family(self.process.pid)

    def stop(self):
        if self.process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(STOP_DEADLINE_S if number == signal.SIGTERM else None)
            except ProcessLookupError:
                pass
            except subprocess.TimeoutExpired:
                continue
        self.process.wait()
        self.process = None

    def version(self):
        return ""


class Iaido(Proxy):
    name, label = "iaido", "iaido"
    workers = 1

    def configure(self, directory, backend_port):
        path = os.path.join(directory, "iaido.yaml")
        with open(path, "w") as out:
            out.write(f"""workers: {self.workers}
gracePeriod: 100ms
frontends:
  - bindAddress: 127.0.0.1:{self.port}
    backendPool:
      tiers:
        - targets:
            - hosts: [127.0.0.1]
              port: {backend_port}
""")
        return [self.options.iaido, "-c", path]

    def version(self):
        return first_line([self.options.iaido, "--version"])


class HaproxyAuto(Proxy):
    name, label = "haproxy", "HAProxy"
    splice = "option splice-auto"

    def configure(self, directory, backend_port):
        path = os.path.join(directory, "haproxy.cfg")
        with open(path, "w") as out:
            out.write(f"""global
  nbthread 1
  maxconn {connections_possible()}
  maxpipes 256
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  {self.splice}
listen bench
  bind 127.0.0.1:{self.port} backlog 4096
  server backend 127.0.0.1:{backend_port}
""")
        return [find_program("haproxy"), "-W", "-db", "-f", path]

    def version(self):
        return first_line([find_program("haproxy"), "-v"])


class HaproxyForced(HaproxyAuto):
    name, label = "haproxy-forced", "HAProxy forced"
    splice = "option splice-request\n  option splice-response"


class Nginx(Proxy):
    name, label = "nginx", "nginx"
    workers = 1

    def configure(self, directory, backend_port):
        path = os.path.join(directory, "nginx.conf")
        module = "/usr/lib/nginx/modules/ngx_stream_module.so"
        user = "user root;\n" if os.geteuid() == 0 else ""
        # A socket for each worker: what suits it best.
        reuse = " reuseport" if self.workers > 1 else ""
        with open(path, "w") as out:
            out.write(f"""load_module {module};
{user}daemon off;
worker_processes {self.workers};
worker_rlimit_nofile {descriptor_limit()};
pid {directory}/nginx.pid;
error_log {directory}/error.log error;
events {{
  use epoll;
  worker_connections {2 * connections_possible() + 100};
  multi_accept on;
}}
stream {{
  access_log off;
  proxy_timeout 1h;
  proxy_connect_timeout 5s;
  proxy_buffer_size 64k;
  server {{
    listen 127.0.0.1:{self.port} backlog=4096{reuse};
    proxy_pass 127.0.0.1:{backend_port};
  }}
}}
""")
        return [find_program("nginx"), "-p", directory, "-c", path, "-e", f"{directory}/error.log"]

    def version(self):
        return first_line([find_program("nginx"), "-v"])


class FloorCopy(Proxy):
    name, label = "floor-copy", "floor, copy"
    mode = "copy"
    workers = 1

    def configure(self, directory, backend_port):
        return [os.path.join(self.options.tools, "floor"), self.mode, str(self.port),
                str(backend_port), str(self.workers)]


class FloorSplice(FloorCopy):
    name, label = "floor-splice", "floor, splice"
    mode = "splice"


class NoProxy(Proxy):
    """The client goes straight to the backend."""

    name, label = "none", "no proxy"

    def start(self, directory, backend_port):
        self.port = backend_port

    def pids(self):
        return []


ALL = [Iaido, HaproxyAuto, HaproxyForced, Nginx, FloorCopy, FloorSplice, NoProxy]


def first_line(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    return done.stdout.split("\n", 1)[0].strip()
