"""The benchmark runs, at its smallest size and without a word on times."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from .bench import report, server
from .bench.rows import ROWS, Row
from .bench.worker import measure

ROOT = Path(__file__).parent.parent
COSTS = {row.name: {"ollamalite": 0.001, "ollama": 0.0042, "floor": 0.002} for row in ROWS}


@pytest.fixture(scope="module")
def url():
    with server.running() as running:
        yield running


@pytest.mark.parametrize("row", [row for row in ROWS if isinstance(row, Row)], ids=lambda r: r.name)
def test_a_row_sees_what_the_standard_library_sees(row, url):
    cost, seen = measure(row.smallest(), "ollamalite", url)
    assert cost > 0
    assert seen == measure(row.smallest(), "floor", url)[1] > 0


def bench(*options, **env):
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-m", "tests.bench", *options],
        cwd=str(ROOT),
        env={**os.environ, **env},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def test_it_prints_a_table_and_writes_the_costs(tmp_path):
    path = tmp_path / "costs.json"
    options = ("--smallest", "--rounds", "1", "--without", "ollama", "--json", str(path))
    done = bench(*options, "--only", "import|20 lines$")
    assert done.returncode == 0, done.stderr
    costs = json.loads(path.read_text())["costs"]
    assert {frozenset(found) for found in costs.values()} == {frozenset({"ollamalite", "floor"})}
    names = [line.split(" | ")[0][2:] for line in done.stdout.splitlines()[2:-2]]
    assert names == list(costs) == [n for n in COSTS if "import" in n or n.endswith("20 lines")]


def test_it_says_what_is_missing_to_count_instructions():
    done = bench("--instructions", "--without", "ollama", PATH="")
    assert done.returncode == 1
    assert "valgrind" in done.stderr


def test_the_pictures_are_small_and_show_the_ratio(tmp_path):
    report.write_pictures(tmp_path, ROWS, COSTS)
    for name in ("speed.svg", "memory.svg"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        ElementTree.fromstring(text)
        assert "4.2 : 1" in text
        assert len(text) < 10000


def test_only_the_block_of_the_readme_changes(tmp_path):
    copy = tmp_path / "README.md"
    copy.write_bytes(report.README.read_bytes())
    for content in ("one", "two"):
        report.write_block("speed", content, copy)
    before, after = (path.read_text(encoding="utf-8") for path in (report.README, copy))
    mark, end = "<!-- speed", "<!-- /speed -->"
    assert after.partition(end)[0].split("-->\n")[-1] == "\ntwo\n\n"
    for sides in (lambda text: text.partition(mark)[0], lambda text: text.partition(end)[2]):
        assert sides(before) == sides(after)
    with pytest.raises(ValueError, match="0 blocks of the name other"):
        report.write_block("other", "", copy)
