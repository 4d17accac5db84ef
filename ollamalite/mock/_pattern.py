"""Texts for the patterns of a JSON Schema, and whether a text has a pattern.

Both walk the tree that Python's own parser makes of a pattern. ``re`` itself is not asked for
matches: it tries ways without end for some patterns, where sets of positions take few steps.
"""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any, Callable, FrozenSet, List, Set

_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")

_PRINTABLE = sorted(map(chr, range(32, 127)), key=lambda c: (not c.isalnum(), not c.islower(), c))
_CATEGORIES = {"DIGIT": re.compile(r"\d"), "SPACE": re.compile(r"\s"), "WORD": re.compile(r"\w")}
_NAMED_GROUP = re.compile(r"\(\?<(?![=!])")
_ENDLESS = 65_535

Spend = Callable[[int], None]


class PatternFault(ValueError):
    """The pattern is none, or has something that is not supported."""


class Pattern:
    """One parsed pattern. Raises `PatternFault`; ``spend`` is told how many steps are taken."""

    def __init__(self, pattern: str, spend: Spend) -> None:
        self._spend = spend
        spend(len(pattern))
        try:
            tree = _parser.parse(_NAMED_GROUP.sub("(?P<", pattern))
        except (re.error, OverflowError, RecursionError) as error:
            raise PatternFault(f"{pattern!r} is not understood: {error}") from None
        if tree.state.flags & ~re.UNICODE:
            raise PatternFault(f"{pattern!r} has flags")
        self._nodes = list(tree)
        self._check(self._nodes, pattern)

    def _check(self, nodes: Any, pattern: str) -> None:
        for op, value in nodes:
            name = op.name
            if name == "SUBPATTERN" and not value[1] and not value[2]:
                self._check(value[3], pattern)
            elif name == "BRANCH":
                for option in value[1]:
                    self._check(option, pattern)
            elif name in ("MAX_REPEAT", "MIN_REPEAT"):
                self._check(value[2], pattern)
            elif name in ("ASSERT", "ASSERT_NOT") and value[0] > 0:
                self._check(value[1], pattern)
            elif name not in ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT"):
                raise PatternFault(f"{pattern!r} has a {name}, which is not supported")

    def found(self, text: str) -> bool:
        """Whether the pattern is somewhere in ``text``."""
        return bool(self._ends(self._nodes, text, frozenset(range(len(text) + 1))))

    def _ends(self, nodes: Any, text: str, starts: FrozenSet[int]) -> FrozenSet[int]:
        """Where a match of ``nodes`` can end that begins at one of ``starts``."""
        for op, value in nodes:
            if not starts:
                break
            starts = self._step(op.name, value, text, starts)
        return starts

    def _step(self, name: str, value: Any, text: str, starts: FrozenSet[int]) -> FrozenSet[int]:
        self._spend(1 + len(starts))
        if name == "SUBPATTERN":
            return self._ends(value[3], text, starts)
        if name == "BRANCH":
            nowhere: FrozenSet[int] = frozenset()
            return nowhere.union(*(self._ends(way, text, starts) for way in value[1]))
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            return self._repeated(value, text, starts)
        if name in ("ASSERT", "ASSERT_NOT"):
            wanted = name == "ASSERT"
            return frozenset(
                at for at in starts if bool(self._ends(value[1], text, frozenset([at]))) is wanted
            )
        if name == "AT":
            return frozenset(at for at in starts if _is_at(value.name, text, at))
        return frozenset(
            at + 1 for at in starts if at < len(text) and _is_in(name, value, text[at])
        )

    def _repeated(self, value: Any, text: str, starts: FrozenSet[int]) -> FrozenSet[int]:
        least, most, inner = value
        for _ in range(least):
            after = self._ends(inner, text, starts)
            if after == starts:
                break
            starts = after
        reached: Set[int] = set(starts)
        count = least
        while starts and count < most:
            starts = self._ends(inner, text, starts) - reached
            reached |= starts
            count += 1
        return frozenset(reached)

    def sample(self, least: int, pick: Callable[[int], int]) -> str:
        """A text that has the pattern, of ``least`` characters or more if its repeats allow.

        ``pick`` gives a number from 0 to below what it is given.
        """
        short: List[str] = []
        self._write(self._nodes, pick, 0, short)
        missing = least - sum(map(len, short))
        if missing <= 0:
            return "".join(short)
        stretched: List[str] = []
        self._write(self._nodes, pick, missing, stretched)
        return "".join(stretched)

    def _write(self, nodes: Any, pick: Callable[[int], int], spare: int, into: List[str]) -> int:
        """Append a text to ``into``; what is left of the ``spare`` characters to add."""
        for op, value in nodes:
            name = op.name
            self._spend(1)
            if name == "SUBPATTERN":
                spare = self._write(value[3], pick, spare, into)
            elif name == "BRANCH":
                way = value[1][pick(len(value[1]))]
                spare = self._write(way, pick, spare, into)
            elif name in ("MAX_REPEAT", "MIN_REPEAT"):
                least, most, inner = value
                # A plain \d+ or [a-z]* reads better with more than the least.
                plain = len(inner) == 1 and inner[0][0].name in ("IN", "ANY")
                count = min(most, least + pick(4)) if plain and most >= _ENDLESS else least
                for _ in range(count):
                    self._spend(1)
                    spare = self._write(inner, pick, spare, into)
                while spare > 0 and count < most:
                    size = len(into)
                    spare = self._write(inner, pick, spare, into)
                    spare -= sum(map(len, into[size:]))
                    count += 1
                    if len(into) == size:
                        break
            elif name not in ("AT", "ASSERT", "ASSERT_NOT"):
                into.append(_char(name, value, pick))
        return spare


def _is_at(name: str, text: str, at: int) -> bool:
    if name in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
        return at == 0
    if name in ("AT_END", "AT_END_STRING"):
        return at == len(text)
    word = _CATEGORIES["WORD"]
    beside = [bool(word.match(char)) for char in (text[at - 1 : at], text[at : at + 1])]
    return (beside[0] != beside[1]) is (name == "AT_BOUNDARY")


def _is_in(name: str, value: Any, char: str) -> bool:
    if name == "LITERAL":
        return bool(ord(char) == value)
    if name == "NOT_LITERAL":
        return bool(ord(char) != value)
    if name == "ANY":
        return char != "\n"
    if name == "RANGE":
        return bool(value[0] <= ord(char) <= value[1])
    if name == "CATEGORY":
        _, negated, kind = ("_" + value.name).replace("_CATEGORY", "").rpartition("NOT_")
        return bool(_CATEGORIES[kind.lstrip("_")].match(char)) is not bool(negated)
    members = [(op.name, inner) for op, inner in value]
    negated = members[0][0] == "NEGATE"
    return negated is not any(_is_in(op, inner, char) for op, inner in members[negated:])


def _char(name: str, value: Any, pick: Callable[[int], int]) -> str:
    if name == "LITERAL":
        return chr(value)
    fitting = [char for char in _PRINTABLE if _is_in(name, value, char)]
    if fitting:
        # Letters and digits where they will do: what is read by people should look it.
        easy = [char for char in fitting if char.isalnum()] or fitting
        return easy[pick(len(easy))]
    parts: List[Any] = value if name == "IN" else []
    tried: List[int] = [inner for op, inner in parts if op.name == "LITERAL"]
    tried += [inner[0] for op, inner in parts if op.name == "RANGE"]
    for code in (*tried, 9, 10, 0xE4, 0x3042, 0x1F600, 0):
        if _is_in(name, value, chr(code)):
            return chr(code)
    raise PatternFault("a class has no character")
