"""JSON scalars that Python shows as something richer: times and byte sizes.

The wire's own text or number is what a record keeps; these functions make the Python value of it
when it is read, so that nothing (such as the nanoseconds of a time) is lost.
"""

from __future__ import annotations

import datetime
import re
from typing import Any, Dict

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):?(\d\d))?\Z",
    re.ASCII,
)


def parse_timestamp(text: str) -> datetime.datetime:
    """Return the time that an RFC 3339 ``text`` names, cut to microseconds.

    Raises ValueError where it names none, or one outside the years 1 to 9999.
    """
    match = _TIMESTAMP.match(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text[:80]!r}")
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    fraction, zulu, sign, hours, minutes = match.groups()[6:]
    zone = None
    if zulu:
        zone = datetime.timezone.utc
    elif sign:
        offset = datetime.timedelta(hours=int(hours), minutes=int(minutes))
        zone = datetime.timezone(-offset if sign == "-" else offset)
    microsecond = int(fraction[:6].ljust(6, "0")) if fraction else 0
    return datetime.datetime(year, month, day, hour, minute, second, microsecond, zone)


def read_timestamp(value: Any) -> Any:
    """Return the ``datetime`` of a timestamp's text; what is no RFC 3339 time stays as it came."""
    if isinstance(value, str):
        try:
            return parse_timestamp(value)
        except ValueError:
            return value
    return value


class ByteSize(int):
    """A number of bytes that can write itself for people."""

    __slots__ = ()

    def human_readable(self, decimal: bool = False, separator: str = "") -> str:
        """Return the size with a unit: ``1.9GiB``, or ``2.0GB`` where ``decimal`` is true."""
        step, suffix = (1000, "B") if decimal else (1024, "iB")
        number = float(self)
        if abs(number) < step:
            return f"{number:0.0f}{separator}B"
        prefixes = iter("KMGTPE")
        prefix = ""
        while abs(number) >= step and prefix != "E":
            number /= step
            prefix = next(prefixes)
        return f"{number:0.1f}{separator}{prefix}{suffix}"

    def to(self, unit: str) -> float:
        """Return the size in ``unit``: ``b``, ``kb``, ``kib``, ``mbit`` and so on, in any case.

        Raises ValueError for a unit that does not exist.
        """
        try:
            return self / _UNITS[unit.lower()]
        except KeyError:
            raise ValueError(f"not a unit of size: {unit!r}") from None


def _units() -> Dict[str, float]:
    units: Dict[str, float] = {"b": 1, "bit": 1 / 8}
    for power, prefix in enumerate("kmgtpe", 1):
        units[prefix + "b"] = 1000**power
        units[prefix + "ib"] = 1024**power
        units[prefix + "bit"] = 1000**power / 8
        units[prefix + "ibit"] = 1024**power / 8
    return units


_UNITS = _units()


def read_byte_size(value: Any) -> Any:
    """Return a ByteSize of a number; what is no integer stays as it came."""
    return ByteSize(value) if type(value) is int else value
