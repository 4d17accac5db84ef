"""What a call or a line of a stream costs the client: `python -m tests.bench`, in a clone.

Three implementations do the same beside each other: ollamalite, the `ollama` package where it is
installed, and the floor, which is what the standard library alone takes (`tests/bench/floor.py`).
The server is another process that sends bytes made beforehand. Every figure comes from a new
process; the implementations take turns, round by round, and the best round counts, because other
load on the machine only ever adds. Costs are CPU time, user and system, or for memory the peak of
what Python allocates during one call, beyond what was there before it.

`--readme --svg tests/bench`, and then `--readme --instructions`, refresh what the README shows.

`--instructions` counts instead of clocking: the instructions of one more line and of one more
call, which do not depend on what else the machine does. It needs `perf` with hardware counters, or
`valgrind`.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys

from . import report, server
from .rows import BY_NAME, ROWS, Start

IMPLEMENTATIONS = ["ollamalite", "ollama", "floor"]
COUNTED = ["chat stream, a line", "chat stream, a line, async", "ps()", "ps(), async"]
NO_COUNTER = """\
No way to count instructions: `perf` is missing or has no hardware counters here, and `valgrind`
is not installed (Debian and Ubuntu: apt-get install valgrind)."""


def environment():
    """That of this process without what would lead a client elsewhere or make imports slower."""
    mine = ("OLLAMA", "PYTHON", "SSL_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(mine) and not name.lower().endswith("_proxy")
    }
    path = os.pathsep.join(filter(None, [str(server.ROOT), os.environ.get("PYTHONPATH")]))
    return {**kept, "PYTHONHASHSEED": "0", "PYTHONPATH": path}


def run(command):
    done = subprocess.run(
        command, env=environment(), cwd=server.ROOT, capture_output=True, encoding="utf-8"
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done


def start_command(row, name, url):
    """The command of a new process that prints its cost."""
    address = tuple(url[len("http://") : -1].split(":"))
    code = row.floor if name == "floor" else row.package
    code = code.format(name=name, url=url + "models-50", address=address)
    if row.memory:
        code = f"import _tracemalloc as t\nt.start()\n{code}\nprint([t.get_traced_memory()[1], 0])"
    else:
        code = f"{code}\nimport time\nprint([time.process_time(), 0])"
    return [sys.executable, "-c", code]


def worker_command(row, name, url, **changes):
    arguments = [row.name, name, url, json.dumps(changes)]
    return [sys.executable, "-m", "tests.bench.worker", *arguments]


def measure(rows, names, url, rounds, smallest=False):
    """The best cost of each row and implementation: `{row name: {implementation: cost}}`."""
    costs = {row.name: {} for row in rows}
    for number in range(rounds):
        for row in rows:
            seen = set()
            for name in names[number % len(names) :] + names[: number % len(names)]:
                if isinstance(row, Start):
                    command = start_command(row, name, url)
                else:
                    small = row.smallest()
                    changes = {"size": small.size, "times": 1, "at_once": small.at_once}
                    command = worker_command(row, name, url, **(changes if smallest else {}))
                cost, saw = json.loads(run(command).stdout)
                seen.add(saw)
                costs[row.name][name] = min(cost, costs[row.name].get(name, cost))
            if len(seen) > 1:
                raise SystemExit(f"{row.name}: not all saw the same answers: {seen}")
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return costs


def counter():
    """How to count the instructions of a command: what to put before it, and where the count is."""
    perf = ["perf", "stat", "-x", ",", "-e", "instructions:u", "--"]
    if shutil.which("perf"):
        tried = subprocess.run([*perf, sys.executable, "-c", ""], capture_output=True, text=True)
        if re.search(r"^\d+,", tried.stderr, re.MULTILINE):
            return perf, r"^(\d+),"
    if shutil.which("valgrind"):
        callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        return callgrind, r"Collected : (\d+)"
    raise SystemExit(NO_COUNTER)


def instructions(names, url):
    """A table of the instructions of one more line or call: all else cancels out."""
    prefix, pattern = counter()

    def count(row, name, **changes):
        done = run([*prefix, *worker_command(row, name, url, **changes)])
        return int(re.search(pattern, done.stderr, re.MULTILINE)[1])

    lines = []
    for row in map(BY_NAME.get, COUNTED):
        cells = []
        for name in names:
            if row.per_line:  # the call before the measured one has as many lines
                more = count(row, name, size=900) - count(row, name, size=300)
                cells.append(more / (2 * 600))
            else:
                more = count(row, name, times=150) - count(row, name, times=50)
                cells.append(more / 100)
        lines.append([row.name, *(f"{cell:,.0f}" for cell in cells)])
        print(row.name, file=sys.stderr)
    return report.markdown(["instructions", *names], lines)


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--only", default="", metavar="PATTERN", help="rows that have this regex")
    parser.add_argument("--json", metavar="FILE", help="write the costs, in seconds and bytes")
    parser.add_argument("--svg", metavar="DIR", help="write speed.svg and memory.svg")
    parser.add_argument("--readme", action="store_true", help="refresh a table of the README")
    parser.add_argument("--machine", default=f"{platform.system()} on {platform.machine()}")
    parser.add_argument("--smallest", action="store_true", help="only try whether all rows run")
    parser.add_argument("--without", action="append", default=[], choices=IMPLEMENTATIONS[1:])
    parser.add_argument("--instructions", action="store_true", help="count, see above")
    options = parser.parse_args()

    if options.readme and (options.only or options.smallest or options.without):
        parser.error("--readme is for all rows in full size, beside all implementations")

    names = [name for name in IMPLEMENTATIONS if name not in options.without]
    where = f"Python {platform.python_version()}, {options.machine}"
    if "ollama" in names:
        try:
            where += f", ollama {importlib.metadata.version('ollama')}"
        except importlib.metadata.PackageNotFoundError:
            names.remove("ollama")
            print("The ollama package is not installed: pip install ollama", file=sys.stderr)
    with server.running(environment()) as url:
        if options.instructions:
            block, content = "instructions", instructions(names, url)
            print(content)
        else:
            rows = [row for row in ROWS if re.search(options.only, row.name)]
            costs = measure(rows, names, url, options.rounds, options.smallest)
            print(report.table(rows, costs))
            where += f", best of {options.rounds} rounds"
            if options.json:
                with open(options.json, "w", encoding="utf-8") as file:
                    json.dump({"where": where, "costs": costs}, file, indent=1)
            if options.svg:
                report.write_pictures(options.svg, rows, costs)
            chosen = [row for row in rows if row.main and not row.memory]
            block, content = "speed", report.table(chosen, costs)
    print(f"\n{where}.")
    if options.readme:
        report.write_block(block, f"{content}\n\n{where}.")


if __name__ == "__main__":
    main()
