"""What is measured, and the goals that iaido is held to."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    name: str
    kind: str            # of load.c
    connections: int
    answer_bytes: int = 64
    is_quick: bool = False

    @property
    def unit(self):
        return {"answer": "µs/request", "close": "µs/connection"}.get(self.kind, "ms/GB")

    @property
    def is_stream(self):
        return self.kind in ("down", "up")

    def cost(self, sample):
        """The proxy's CPU time per unit of this workload, out of one line of load's."""
        if not self.is_stream:
            return sample["cpu_ns"] / 1e3 / max(sample["units"], 1)
        return sample["cpu_ns"] / 1e6 / max(sample["bytes"] / 1e9, 1e-9)

    def rate(self, sample):
        """Requests, connections or MB in a second."""
        seconds = sample["elapsed_ns"] / 1e9
        if not self.is_stream:
            return sample["units"] / seconds
        return sample["bytes"] / 1e6 / seconds


WORKLOADS = [
    Workload("rr 64 B, 1 conn", "answer", 1, 64, True),
    Workload("rr 64 B, 64 conns", "answer", 64, 64, True),
    Workload("rr 64 B, 1,024 conns", "answer", 1024, 64),
    Workload("rr 4 KiB, 1 conn", "answer", 1, 4096),
    Workload("rr 4 KiB, 64 conns", "answer", 64, 4096, True),
    Workload("rr 4 KiB, 1,024 conns", "answer", 1024, 4096),
    Workload("rr 64 KiB, 1 conn", "answer", 1, 65536),
    Workload("rr 64 KiB, 64 conns", "answer", 64, 65536, True),
    Workload("rr 64 KiB, 1,024 conns", "answer", 1024, 65536),
    Workload("stream down, 1 conn", "down", 1, is_quick=True),
    Workload("stream down, 64 conns", "down", 64, is_quick=True),
    Workload("stream up, 1 conn", "up", 1),
    Workload("stream up, 64 conns", "up", 64, is_quick=True),
    Workload("connect-request-close, 1", "close", 1),
    Workload("connect-request-close, 16", "close", 16, is_quick=True),
    Workload("connect-request-close, 64", "close", 64),
]

# CPU time per unit: workload, placement, and how many times a peer's cost iaido's may be.
CPU_GOALS = [
    ("rr 64 B, 1 conn", "shared", {"haproxy": 0.92}),
    ("rr 64 B, 64 conns", "shared", {"haproxy": 0.88, "nginx": 1.00}),
    ("rr 64 B, 1,024 conns", "pinned", {"haproxy": 0.92}),
    ("rr 4 KiB, 64 conns", "shared", {"haproxy": 0.90}),
    ("rr 64 KiB, 64 conns", "shared", {"haproxy": 0.33, "haproxy-forced": 1.05}),
    ("stream down, 1 conn", "shared", {"haproxy": 0.60}),
    ("stream down, 64 conns", "shared", {"haproxy": 0.35, "haproxy-forced": 0.90}),
    ("stream up, 64 conns", "pinned", {"haproxy": 0.46}),
    ("connect-request-close, 16", "shared", {"haproxy": 0.85, "nginx": 1.00}),
]

# What is counted once for each system: key in the result, label, limit for iaido.
COUNT_GOALS = [
    ("syscalls_answer", "system calls, rr 64 B", 4.1),
    ("syscalls_close", "system calls, connect-request-close", 15.0),
    ("pss_per_idle_bytes", "PSS per idle connection (bytes)", 1000.0),
    ("descriptors_per_idle", "descriptors per idle connection", 2.0),
    ("pss_start_mib", "PSS at start, all processes (MiB)", 3.0),
]
