"""Turns what was measured into tables that a person can read."""
from statistics import median

import proxies
from workloads import COUNT_GOALS, CPU_GOALS, WORKLOADS

LABELS = {system.name: system.label for system in proxies.ALL}
FLOORS = [system.name for system in proxies.ALL if system.name.startswith("floor")]
PLACEMENTS = {"shared": "proxy, load and backend on one core",
              "pinned": "proxy alone on its core",
              "free": "all on all cores"}


class View:
    """The samples, by placement, workload and system."""

    def __init__(self, result):
        self.rounds = {(s["placement"], s["workload"], s["system"]): s["rounds"]
                       for s in result["samples"]}
        self.systems = list(dict.fromkeys(s["system"] for s in result["samples"]))
        self.placements = [p for p in PLACEMENTS if any(key[0] == p for key in self.rounds)]
        self.workloads = [w for w in WORKLOADS if any(key[1] == w.name for key in self.rounds)]

    def each(self, placement, workload, system, of):
        return [of(sample) for sample in self.rounds.get((placement, workload.name, system), [])]

    def cost(self, placement, workload, system):
        values = self.each(placement, workload, system, workload.cost)
        return median(values) if values else None

    def ratio(self, placement, workload, system, peer):
        """The median of the ratios of each round: what the machine did meanwhile met both."""
        pairs = zip(self.each(placement, workload, system, workload.cost),
                    self.each(placement, workload, peer, workload.cost))
        values = [a / b for a, b in pairs if b > 0]
        return median(values) if values else None


def number(value):
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio_text(value):
    return "-" if value is None else f"{value:.2f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * 1 + " ---: |" * (len(head) - 1)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def cost_tables(view):
    out = []
    measured = [s for s in view.systems if s != "none"]
    peers = [s for s in measured if s != "iaido"] if "iaido" in measured else []
    for placement in view.placements:
        out += [f"## CPU time of the proxy per unit: {PLACEMENTS[placement]}", ""]
        head = ["workload", "unit"] + [LABELS[s] for s in measured]
        head += ["iaido ÷ " + LABELS[p] for p in peers]
        rows = []
        for workload in view.workloads:
            row = [workload.name, workload.unit]
            row += [number(view.cost(placement, workload, s)) for s in measured]
            row += [ratio_text(view.ratio(placement, workload, "iaido", p)) for p in peers]
            rows.append(row)
        out += table(head, rows)
    return out


def verdict(seen, limit, floor):
    if seen <= limit:
        return "yes"
    return "**no**" if floor is None or floor <= limit else "**no**, nor does the floor"


def goal_table(view, counts):
    """The floor's figure stands beside each: what it misses, no relay can reach on this machine."""
    if "iaido" not in view.systems:
        return []
    by_name = {w.name: w for w in view.workloads}
    rows = []
    for name, placement, limits in CPU_GOALS:
        for peer, limit in limits.items():
            if name not in by_name or peer not in view.systems:
                continue
            seen = view.ratio(placement, by_name[name], "iaido", peer)
            floors = [view.ratio(placement, by_name[name], f, peer) for f in FLOORS]
            floor = min((f for f in floors if f is not None), default=None)
            if seen is not None:
                rows.append([f"{name}, {placement}", f"÷ {LABELS[peer]}", f"≤ {limit:.2f}",
                             f"{seen:.2f}", ratio_text(floor), verdict(seen, limit, floor)])
    for key, label, limit in COUNT_GOALS:
        if "iaido" in counts:
            seen = counts["iaido"][key]
            floor = min((counts[f][key] for f in FLOORS if f in counts), default=None)
            rows.append([label, "", f"≤ {limit:g}", number(seen), number(floor),
                         verdict(seen, limit, floor)])
    return ["## Goals", ""] + table(["what", "of", "goal", "seen", "floor", "holds"], rows)


def count_table(counts):
    if not counts:
        return []
    held = max(c["idle_connections"] for c in counts.values())
    out = [f"## Counted once (idle: {held:,} connections held)", ""]
    rows = [[label] + [number(counts[s][key]) for s in counts] for key, label, _ in COUNT_GOALS]
    out += table(["what"] + [LABELS[s] for s in counts], rows)
    for key, label in (("syscalls_answer_by_name", "rr 64 B, 64 connections"),
                       ("syscalls_close_by_name", "connect-request-close, 16")):
        out += [f"System calls per unit, {label}:", ""]
        for system, figures in counts.items():
            calls = ", ".join(f"{name} {each:g}" for name, each in figures[key].items())
            out.append(f"- {LABELS[system]}: {calls}")
        out.append("")
    return out


def rate_tables(view):
    out = []
    for placement in view.placements:
        out += [f"## Throughput: {PLACEMENTS[placement]}",
                "", "Requests or connections a second; streams in MB/s.", ""]
        rows = []
        for workload in view.workloads:
            values = [view.each(placement, workload, s, workload.rate) for s in view.systems]
            rows.append([workload.name] + [number(median(v)) if v else "-" for v in values])
        out += table(["workload"] + [LABELS[s] for s in view.systems], rows)
    return out


def latency_tables(view):
    out = []
    for placement in view.placements:
        out += [f"## Latency: {PLACEMENTS[placement]}",
                "", "p50 / p99 / p99.9 in µs, load always as high as it goes.", ""]
        rows = []
        for workload in view.workloads:
            if workload.kind not in ("answer", "close"):
                continue
            row = [workload.name]
            for system in view.systems:
                parts = []
                for key in ("p50_ns", "p99_ns", "p999_ns"):
                    values = view.each(placement, workload, system, lambda s, k=key: s[k] / 1e3)
                    parts.append(f"{median(values):,.0f}" if values else "-")
                row.append(" / ".join(parts))
            rows.append(row)
        if rows:
            out += table(["workload"] + [LABELS[s] for s in view.systems], rows)
    return out


def describe(result):
    about = result["about"]
    errors = sum(sample["errors"] for s in result["samples"] for sample in s["rounds"])
    has_streams = any(w.is_stream for w in View(result).workloads)
    streams = f" (streams {about['stream_seconds']:g} s)" if has_streams else ""
    versions = [f"- {LABELS[name]}: {version}"
                for name, version in about["versions"].items() if version and name in LABELS]
    return "\n".join([
        f"{about['date']}: {about['processor']}, {about['cores']} cores, {about['kernel']}, "
        f"{about['network']}; load average before: {about['load_before']:.2f}. "
        f"{about['rounds']} rounds of {about['seconds']:g} s{streams}, medians over them; "
        f"faults seen by the clients: {errors}.", ""]
        + ([f"Cut short: {result['cut']}", ""] if result["cut"] else []) + versions)


def render(result):
    view = View(result)
    out = ["# iaido side by side with its peers", "", describe(result), ""]
    out += goal_table(view, result["counts"]) + cost_tables(view) + count_table(result["counts"])
    out += rate_tables(view) + latency_tables(view)
    return "\n".join(out)
