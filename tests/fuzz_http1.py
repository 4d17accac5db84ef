"""Coverage-guided fuzzing of the readers of answers and lines; needs `atheris`.

    python -m tests.fuzz_http1 --seed CORPUS                     writes first inputs into a folder
    python -m tests.fuzz_http1 CORPUS -max_total_time=900 -max_len=4096

An input is four bytes that choose method, limits and cuts, and then what a server sends. However
that is cut, the same must come of it; only the exceptions that are meant for it may be raised; and
no reader may hold or give more than what came.
"""

import sys
from pathlib import Path

if __name__ == "__main__" and "--seed" not in sys.argv:
    import atheris

    with atheris.instrument_imports(include=["ollamalite"]):
        import ollamalite._exchange
        import ollamalite._generated.codec
        import ollamalite._http1
        import ollamalite._ndjson  # noqa: F401 - only to be instrumented

from .wire_oracle import pieces_at, read, single_bytes

METHODS = ("GET", "POST", "HEAD", "CONNECT")
HEAD_SIZES = (65536, 65536, 65536, 100)
LINE_SIZES = (1 << 20, 1 << 20, 1 << 20, 40)


def check(data: bytes) -> None:
    """Read one input in all ways."""
    if len(data) < 4:
        return
    choice, step, first, second = data[:4]
    answer = data[4:]
    options = {
        "method": METHODS[choice & 3],
        "max_head_size": HEAD_SIZES[choice >> 2 & 3],
        "max_line": LINE_SIZES[choice >> 4 & 3],
    }
    whole = read([answer], **options)
    steps = [answer[i : i + step + 1] for i in range(0, len(answer), step + 1)]
    ways = [single_bytes(answer), steps, pieces_at(answer, (first, second, first * second))]
    for way in ways:
        result = read(way, **options)
        assert result == whole, f"{whole} became {result} for {way}"


def write_seeds(folder: Path) -> None:
    import base64
    import json

    from .wire_cases import CASES

    folder.mkdir(parents=True, exist_ok=True)
    answers = [(case.method, case.answer) for case in CASES]
    for path in sorted((Path(__file__).parent / "captures").glob("*.json")):
        capture = json.loads(path.read_text(encoding="utf-8"))
        for part in capture.get("exchanges", [capture]):
            raw = base64.b64decode(part["response"]["raw_base64"])
            answers.append((part["request"]["method"], raw))
    for number, (method, answer) in enumerate(answers):
        if len(answer) <= 4000:
            choice = METHODS.index(method) if method in METHODS else 0
            start = bytes([choice, number % 17, number % 256, number % 91])
            (folder / f"seed-{number:04}").write_bytes(start + answer)


if __name__ == "__main__":
    if "--seed" in sys.argv:
        write_seeds(Path(sys.argv[sys.argv.index("--seed") + 1]))
    else:
        atheris.Setup(sys.argv, check)
        atheris.Fuzz()
