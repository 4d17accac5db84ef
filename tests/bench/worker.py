"""One measurement in a process of its own: `... .worker ROW IMPLEMENTATION URL CHANGES`.

The changes are a JSON object of fields of the row. It prints what a call or a line costs, in
seconds of CPU or in bytes, and what was seen of the answers, the same for every implementation.
"""

import asyncio
import functools
import gc
import importlib
import json
import operator
import sys
import time
import tracemalloc

from . import floor
from .rows import BY_NAME


def _reader(path, plain):
    """From an answer to the field at a path: attributes, or the keys of dicts."""
    if not path:
        return lambda answer: answer
    if not plain:
        return operator.attrgetter(path)
    if "." not in path:
        return operator.itemgetter(path)
    first, second = path.split(".")
    return lambda answer: answer[first][second]


def _metered(row):
    """A generator: `next` begins, and a second `next` gives the cost."""
    gc.collect()
    if row.memory:
        # Python's own count: other than the memory of the process, it is the same in every run.
        tracemalloc.start()
        yield
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        yield peak
    else:
        begin = time.process_time()
        yield
        yield (time.process_time() - begin) / row.units


def _sync(row, call, read, times):
    seen = 0
    for _ in range(times):
        answer = call()
        for part in answer if row.stream else (answer,):
            seen += len(read(part)) + 1
    return seen


async def _async(row, call, read, times):
    async def one():
        seen = 0
        answer = await call()
        if not row.stream:
            return len(read(answer)) + 1
        async for part in answer:
            seen += len(read(part)) + 1
        return seen

    seen = 0
    for _ in range(times):
        if row.at_once == 1:
            seen += await one()
        else:
            seen += sum(await asyncio.gather(*[one() for _ in range(row.at_once)]))
    return seen


def measure(row, implementation, url):
    """(cost, seen) of a row, after one call that is not measured."""
    plain = implementation == "floor"
    package = floor if plain else importlib.import_module(implementation)
    read = _reader(row.read, plain)
    arguments = row.arguments(row.size, plain)
    if row.stream:
        arguments["stream"] = True
    host = url + row.answer.format(row.size)

    def in_order():
        client = package.Client(host)
        call = functools.partial(getattr(client, row.method), **arguments)
        _sync(row, call, read, 1)
        meter = _metered(row)
        next(meter)
        seen = _sync(row, call, read, row.times)
        cost = next(meter)
        client.close()
        return cost, seen

    async def in_a_loop():
        client = package.AsyncClient(host)
        call = functools.partial(getattr(client, row.method), **arguments)
        await _async(row, call, read, 1)
        meter = _metered(row)
        next(meter)
        seen = await _async(row, call, read, row.times)
        cost = next(meter)
        await client.close()
        return cost, seen

    return asyncio.run(in_a_loop()) if row.asynchronous else in_order()


if __name__ == "__main__":
    name, implementation, url, changes = sys.argv[1:]
    print(json.dumps(measure(BY_NAME[name]._replace(**json.loads(changes)), implementation, url)))
