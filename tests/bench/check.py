"""make bench-check: iaido's instructions and system calls per request against tests/bench/budgets.

Neither figure depends on how fast the machine is, so a change that costs more is seen on any of
them. Instructions are those of user space, as callgrind counts them; both are the difference
between two runs of different length, so that starting up and ending cancel out. A machine that is
busy with other things adds to them (fewer events at each wait, more timers a request) and never
takes away: so what is over its budget is measured again, and the smallest figure counts.
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../contrib/bench"))
import figures  # noqa: E402 pylint: disable=wrong-import-position
import proxies  # noqa: E402 pylint: disable=wrong-import-position

# What the name in the budgets stands for: kind of load, connections, bytes of the answer.
CASES = {
    "answer_64B_1": ("answer", 1, 64),
    "answer_64B_16": ("answer", 16, 64),
    "answer_64KiB_16": ("answer", 16, 65536),
    "close_1": ("close", 1, 64),
    "close_16": ("close", 16, 64),
}
# Without io_uring, as in most containers, calls are made one by one: budgets of their own, where
# several messages are there at a time.
ONE_BY_ONE = "_one_by_one"
SHORT, LONGER = 200, 2000
ATTEMPTS = 4
LOOSE = 0.6        # below this share of its budget a figure has earned a smaller one


class Traced(proxies.Iaido):
    """iaido under callgrind, or any command in front of it."""

    prefix = []

    def configure(self, directory, backend_port):
        return self.prefix + super().configure(directory, backend_port)


def has_ring(proxy):
    """One of the processes has io_uring."""
    for pid in proxy.pids():
        for entry in os.scandir(f"/proc/{pid}/fd"):
            if "io_uring" in os.readlink(entry.path):
                return True
    return False


def run_load(options, port, case, units):
    kind, connections, size = CASES[case]
    subprocess.run([os.path.join(options.tools, "load"), "-k", kind, "-n", str(connections),
                    "-s", str(size), "-p", str(port), "-u", str(units)],
                   stdout=subprocess.DEVNULL, check=True)
    return units


def instructions_of_run(options, directory, backend_port, prefix, cases, longer):
    """One life of iaido under callgrind: every case for a short time, one of them for longer."""
    os.makedirs(directory)
    proxy = Traced(options)
    proxy.prefix = prefix + ["valgrind", "--tool=callgrind", "-q",
                             f"--callgrind-out-file={directory}/callgrind.%p"]
    proxy.start(directory, backend_port)
    try:
        for case in cases:
            run_load(options, proxy.port, case, SHORT + (LONGER if case == longer else 0))
    finally:
        proxy.stop()
    total = 0
    for path in glob.glob(f"{directory}/callgrind.*"):
        with open(path) as out:
            total += sum(int(n) for n in re.findall(r"^summary: (\d+)", out.read(), re.M))
    if total == 0:
        raise proxies.Failure(f"callgrind has counted nothing: {proxy.tail()}")
    return total


def measure_instructions(options, directory, backend_port, prefix, cases):
    def count(name, longer):
        return instructions_of_run(options, f"{directory}/{name}", backend_port, prefix, cases,
                                   longer)

    base = count("base", None)
    return {f"instructions_{case}": (count(case, case) - base) / LONGER for case in cases}


def measure_calls(options, directory, backend_port, prefix, cases):
    proxy = Traced(options)
    proxy.prefix = prefix
    proxy.start(f"{directory}/calls", backend_port)
    seen = {}
    try:
        for case in cases:
            seen[f"syscalls_{case}"], names = figures.measure_calls(
                proxy, lambda units, c=case: run_load(options, proxy.port, c, units),
                SHORT, SHORT + LONGER, f"{directory}/strace")
            print(f"{case}: " + ", ".join(f"{name} {each:g}" for name, each in names.items()))
    finally:
        proxy.stop()
    return seen


def uses_ring(options, directory, backend_port, prefix):
    proxy = Traced(options)
    proxy.prefix = prefix
    proxy.start(f"{directory}/ring{len(prefix)}", backend_port)
    try:
        return has_ring(proxy)
    finally:
        proxy.stop()


def find_ways(options, directory, backend_port):
    """How iaido can pass on messages here: what a budget's name ends with, what stands in front of
    iaido for it, and for which cases."""
    without = [options.no_ring]
    if uses_ring(options, directory, backend_port, without):
        raise proxies.Failure(f"{options.no_ring} does not keep iaido from io_uring")
    ways = [(ONE_BY_ONE, without, [case for case in CASES if CASES[case][1] > 1])]
    if uses_ring(options, directory, backend_port, []):
        ways.append(("", [], list(CASES)))
    else:
        print("io_uring is not to be had here: only what does without it is measured")
    return ways


def measure(options, directory, backend_port, budgets):
    """Every figure once; those over their budget again."""
    seen = {}
    ways = find_ways(options, directory, backend_port)
    for attempt in range(ATTEMPTS):
        for suffix, prefix, cases in ways:
            where = f"{directory}/{attempt}{suffix}"
            os.mkdir(where)
            for kind, take in (("syscalls", measure_calls), ("instructions", measure_instructions)):
                over = [case for case in cases
                        if seen.get(f"{kind}_{case}{suffix}", sys.maxsize)
                        > budgets.get(f"{kind}_{case}{suffix}", 0)]
                found = take(options, where, backend_port, prefix, over) if over else {}
                for name, value in found.items():
                    seen[name + suffix] = min(value, seen.get(name + suffix, value))
    return seen, [suffix for suffix, _, _ in ways]


def read_budgets(path):
    budgets = {}
    with open(path) as lines:
        for line in lines:
            words = line.partition("#")[0].split()
            if words:
                budgets[words[0]] = float(words[1])
    return budgets


def measurable(budgets, ways):
    """The budgets without those for which this machine lacks io_uring."""
    return {name: value for name, value in budgets.items()
            if "" in ways or name.endswith(ONE_BY_ONE)}


def compare(seen, budgets):
    """Prints the table; returns what does not hold."""
    wrong = []
    for name in sorted(set(seen) | set(budgets)):
        value, budget = seen.get(name, 0), budgets.get(name, 0)
        word = "ok" if value >= LOOSE * budget else "ok, and the budget may shrink"
        if value <= 0:
            word = "NOT MEASURED"
        elif value > budget:
            word = "OVER" if budget > 0 else "NO BUDGET"
        if not word.startswith("ok"):
            wrong.append(name)
        print(f"{name:40} {value:10.2f}  budget {budget:10.2f}  {word}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--iaido", required=True)
    parser.add_argument("--tools", required=True, help="where load and backend are")
    parser.add_argument("--no-ring", required=True, help="a command without io_uring")
    parser.add_argument("--budgets", required=True)
    options = parser.parse_args()
    for name in ("iaido", "tools", "no_ring"):
        setattr(options, name, os.path.abspath(getattr(options, name)))
    for program in ("valgrind", "strace"):
        if shutil.which(program) is None:
            sys.exit(f"bench-check: {program} is missing (Debian package: {program})")
    directory = tempfile.mkdtemp(prefix="iaido-bench-")
    backend = subprocess.Popen([f"{options.tools}/backend", "1", f"{directory}/counters"],
                               stdout=subprocess.PIPE, text=True)
    try:
        port = int(backend.stdout.readline())
        budgets = read_budgets(options.budgets)
        seen, ways = measure(options, directory, port, budgets)
        wrong = compare(seen, measurable(budgets, ways))
    except (proxies.Failure, subprocess.CalledProcessError) as failure:
        sys.exit(f"bench-check: {failure}")
    finally:
        backend.kill()
        backend.wait()
        shutil.rmtree(directory, ignore_errors=True)
    if wrong:
        sys.exit("bench-check: " + ", ".join(wrong))


if __name__ == "__main__":
    main()
