"""Many requests at once through proxies that break them at random: what comes is right or an error.

The full size, with its figures, is `python -m tests.test_soak`, or OLLAMALITE_SOAK=full for pytest.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from ollamalite import AsyncClient, Client, errors

pytest.importorskip("resource", reason="limits of files are set as Unix has them")

ROOT = Path(__file__).parent.parent
FULL = os.environ.get("OLLAMALITE_SOAK") == "full"
MODEL = "llama3.2"
PROMPTS = [f"question {number}" for number in range(100)]
SEED = 20


class World:
    """The servers in their process, and what they would say without faults."""

    def __init__(self, seed=SEED, mean=12000):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faulty_proxy", str(seed), str(mean)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=str(ROOT),
        )
        places = self._read()
        self.quick, self.slow = places["quick"], places["slow"]
        with Client(places["direct"]) as client:
            self.texts = {p: client.generate(MODEL, p).response for p in PROMPTS}
            self.pieces = {
                p: [piece.response for piece in client.generate(MODEL, p, stream=True)]
                for p in PROMPTS
            }

    def _read(self):
        return json.loads(self._process.stdout.readline())

    def ask(self, command):
        self._process.stdin.write(command.encode() + b"\n")
        self._process.stdin.flush()
        return self._read()

    def close(self):
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


class Tally:
    """What came of each request."""

    def __init__(self, world):
        self.world = world
        self.outcomes = Counter()
        self.wrong = []

    def whole(self, prompt, answer):
        self._count(answer.response == self.world.texts[prompt] and answer.done, prompt, answer)

    def streamed(self, prompt, pieces):
        self._count(pieces == self.world.pieces[prompt], prompt, pieces)

    def broken(self, prompt, pieces, error):
        """A stream that ended in an error: what came before it must be right."""
        expected = self.world.pieces[prompt][: len(pieces)]
        if pieces != expected or not isinstance(error, errors.OllamaError):
            self._count(False, prompt, (pieces, repr(error)))
        else:
            self.outcomes[type(error).__name__] += 1

    def _count(self, right, prompt, what):
        self.outcomes["right" if right else "wrong"] += 1
        if not right:
            self.wrong.append((prompt, what))

    def check(self, count):
        assert self.wrong == []
        assert sum(self.outcomes.values()) == count
        # Faults are rare enough that most requests never meet one.
        assert self.outcomes["right"] > count / 2
        assert len(self.outcomes) > 2


def usage():
    """Open files, threads and kilobytes of memory of this process."""
    gc.collect()
    statm = Path("/proc/self/statm")
    memory = 0
    if statm.exists():
        memory = int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    files = len(os.listdir("/proc/self/fd")) if statm.exists() else 0
    return {"files": files, "threads": threading.active_count(), "kilobytes": memory}


async def run_requests(world, url, count, workers, tally):
    """One `AsyncClient`, several tasks, one request after the other, half of them streams."""
    numbers = iter(range(count))
    async with AsyncClient(url, timeout=(10, 2)) as client:

        async def work():
            for number in numbers:
                prompt = PROMPTS[number * 7 % len(PROMPTS)]
                pieces = []
                try:
                    if number % 2:
                        tally.whole(prompt, await client.generate(MODEL, prompt))
                        continue
                    async for piece in await client.generate(MODEL, prompt, stream=True):
                        pieces.append(piece.response)
                    tally.streamed(prompt, pieces)
                except Exception as error:
                    tally.broken(prompt, pieces, error)

        await asyncio.gather(*(work() for _ in range(workers)))


async def run_streams(world, url, count, tally):
    """As many streams at once on one `AsyncClient`; return how many were open at the same time."""
    now = most = 0
    # A thousand streams share two cores with their servers: silence has to be longer to mean much.
    async with AsyncClient(url, timeout=(20, 10 if FULL else 3)) as client:

        async def work(number):
            nonlocal now, most
            prompt = PROMPTS[number % len(PROMPTS)]
            pieces = []
            try:
                stream = await client.generate(MODEL, prompt, stream=True)
                now += 1
                most = max(most, now)
                try:
                    async for piece in stream:
                        pieces.append(piece.response)
                finally:
                    now -= 1
                tally.streamed(prompt, pieces)
            except Exception as error:
                tally.broken(prompt, pieces, error)

        await asyncio.gather(*map(work, range(count)))
    return most


def run_threads(world, url, count, workers, tally):
    """One `Client` that threads share."""
    numbers = iter(range(count))
    lock = threading.Lock()
    failures = []
    with Client(url, timeout=(10, 2)) as client:

        def work():
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                prompt = PROMPTS[number * 7 % len(PROMPTS)]
                pieces = []
                try:
                    if number % 2:
                        answer = client.generate(MODEL, prompt)
                        with lock:
                            tally.whole(prompt, answer)
                        continue
                    for piece in client.generate(MODEL, prompt, stream=True):
                        pieces.append(piece.response)
                    with lock:
                        tally.streamed(prompt, pieces)
                except Exception as error:
                    with lock:
                        tally.broken(prompt, pieces, error)

        def guarded():
            try:
                work()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=guarded) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


class Measured:
    """The figures of one part: usage before and after, connections, time."""

    def __init__(self, name, world):
        self.name = name
        self.world = world
        self.extra = {}

    def __enter__(self):
        self.before = usage()
        self.opened = self.world.ask("stats")["opened"]
        self.started = time.monotonic()
        return self

    def __exit__(self, *exc_info):
        self.seconds = time.monotonic() - self.started
        self.after = usage()
        stats = self.world.ask("drain")
        self.open = stats["open"]
        self.connections = stats["opened"] - self.opened
        self.stats = stats

    def check(self, kilobytes):
        """Nothing is left: no connection, no file, no thread, little memory."""
        assert self.open == 0
        assert self.after["files"] <= self.before["files"]
        assert self.after["threads"] <= self.before["threads"]
        assert self.after["kilobytes"] - self.before["kilobytes"] < kilobytes

    def text(self, tally):
        outcomes = ", ".join(f"{count} {name}" for name, count in tally.outcomes.most_common())
        usages = ", ".join(
            f"{name} {self.before[name]} -> {self.after[name]}" for name in self.before
        )
        extra = "".join(f", {name} {value}" for name, value in self.extra.items())
        return (
            f"{self.name}: {self.seconds:.1f} s, {outcomes}; connections {self.connections},"
            f" left open {self.open}{extra}; {usages}"
        )


@pytest.fixture
def world():
    from .faulty_proxy import raise_file_limit

    raise_file_limit()
    world = World()
    yield world
    world.close()


# What the allocator keeps for the next time after a thousand connections at once.
ROOM = 60_000


def test_requests_of_many_tasks_are_right_or_fail_clearly(world):
    count = 10_000 if FULL else 600
    tally = Tally(world)
    with Measured(f"{count} requests of 64 tasks on one AsyncClient", world) as measured:
        asyncio.run(run_requests(world, world.quick, count, 64, tally))
    print(measured.text(tally))
    tally.check(count)
    measured.check(ROOM)


def test_many_streams_at_once_are_right_or_fail_clearly(world):
    count = 1000 if FULL else 100
    tally = Tally(world)
    with Measured(f"{count} streams at once on one AsyncClient", world) as measured:
        most = asyncio.run(run_streams(world, world.slow, count, tally))
    measured.extra["open at once"] = most
    print(measured.text(tally))
    tally.check(count)
    measured.check(ROOM)
    # Some break before others begin.
    assert most > count * 0.7


def test_requests_of_many_threads_are_right_or_fail_clearly(world):
    count = 10_000 if FULL else 600
    tally = Tally(world)
    with Measured(f"{count} requests of 64 threads on one Client", world) as measured:
        run_threads(world, world.quick, count, 64, tally)
    print(measured.text(tally))
    tally.check(count)
    measured.check(ROOM)


if __name__ == "__main__":
    os.environ["OLLAMALITE_SOAK"] = "full"
    sys.exit(pytest.main(["-s", "-q", "-p", "no:cacheprovider", __file__]))
