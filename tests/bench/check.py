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
SHORT, LONGER = 200, 2000
ATTEMPTS = 4
LOOSE = 0.6        # below this share of its budget a figure has earned a smaller one


class Traced(proxies.Iaido):
    """iaido under callgrind, or any command in front of it."""

    prefix = []

    def configure(self, directory, backend_port):
        return self.prefix + super().configure(directory, backend_port)


def run_load(options, port, case, units):
    kind, connections, size = CASES[case]
    subprocess.run([os.path.join(options.tools, "load"), "-k", kind, "-n", str(connections),
                    "-s", str(size), "-p", str(port), "-u", str(units)],
                   stdout=subprocess.DEVNULL, check=True)
    return units


def instructions_of_run(options, directory, backend_port, longer):
    """One life of iaido under callgrind: every case for a short time, one of them for longer."""
    os.makedirs(directory)
    proxy = Traced(options)
    proxy.prefix = ["valgrind", "--tool=callgrind", "-q",
                    f"--callgrind-out-file={directory}/callgrind.%p"]
    proxy.start(directory, backend_port)
    try:
        for case in CASES:
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


def measure_instructions(options, directory, backend_port, cases):
    base = instructions_of_run(options, f"{directory}/base", backend_port, None)
    return {f"instructions_{case}":
            (instructions_of_run(options, f"{directory}/{case}", backend_port, case) - base)
            / LONGER for case in cases}


def measure_calls(options, directory, backend_port, cases):
    proxy = proxies.Iaido(options)
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


def measure(options, directory, backend_port, budgets):
    """Every figure once; those over their budget again."""
    seen = {}
    for attempt in range(ATTEMPTS):
        where = f"{directory}/{attempt}"
        os.mkdir(where)
        for kind, take in (("syscalls", measure_calls), ("instructions", measure_instructions)):
            cases = [case for case in CASES if seen.get(f"{kind}_{case}", sys.maxsize)
                     > budgets.get(f"{kind}_{case}", 0)]
            for name, value in (take(options, where, backend_port, cases) if cases else {}).items():
                seen[name] = min(value, seen.get(name, value))
    return seen


def read_budgets(path):
    budgets = {}
    with open(path) as lines:
        for line in lines:
            words = line.partition("#")[0].split()
            if words:
                budgets[words[0]] = float(words[1])
    return budgets


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
        print(f"{name:32} {value:10.2f}  budget {budget:10.2f}  {word}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--iaido", required=True)
    parser.add_argument("--tools", required=True, help="where load and backend are")
    parser.add_argument("--budgets", required=True)
    options = parser.parse_args()
    options.iaido, options.tools = os.path.abspath(options.iaido), os.path.abspath(options.tools)
    for program in ("valgrind", "strace"):
        if shutil.which(program) is None:
            sys.exit(f"bench-check: {program} is missing (Debian package: {program})")
    directory = tempfile.mkdtemp(prefix="iaido-bench-")
    backend = subprocess.Popen([f"{options.tools}/backend", "1", f"{directory}/counters"],
                               stdout=subprocess.PIPE, text=True)
    try:
        port = int(backend.stdout.readline())
        budgets = read_budgets(options.budgets)
        wrong = compare(measure(options, directory, port, budgets), budgets)
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
