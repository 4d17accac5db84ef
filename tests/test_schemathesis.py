"""What the mock answers to made-up requests is what the description says of every operation."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("schemathesis", reason="schemathesis runs on Python 3.10 and newer")
yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parent.parent


def test_schemathesis_finds_no_answer_of_the_mock_that_the_description_does_not_have():
    # Most of the time goes into the cases that cover the schemas, and their number is fixed.
    run = subprocess.run(
        [sys.executable, "-m", "tests.run_schemathesis", "10"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    description = yaml.safe_load((ROOT / "openapi" / "ollama.yaml").read_text(encoding="utf-8"))
    methods = {"get", "head", "post", "delete"}
    operations = sum(len(methods & set(item)) for item in description["paths"].values())
    assert f"Tested: {operations}" in run.stdout
    cases = re.search(r"(\d+) generated, \1 passed", run.stdout)
    assert cases is not None, run.stdout
    assert int(cases.group(1)) > 2000
