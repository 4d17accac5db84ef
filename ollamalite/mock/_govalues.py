"""Values with an encoding of their own: durations, timestamps, base64."""

from __future__ import annotations

import re
import time
from typing import Tuple, Union

from ._gojson import Number, quote

FOREVER = 2**63 - 1
"""The longest duration, in nanoseconds: about 292 years."""

SECOND = 1_000_000_000


class ValueFault(ValueError):
    """A value that Go refuses; the text is Go's."""


_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
_PART = re.compile(r"([0-9]*)(?:(\.)([0-9]*))?([^0-9.]*)")


def duration(value: Union[str, Number]) -> int:
    """``keep_alive`` in nanoseconds: a number counts seconds, a text has units; < 0 is for ever."""
    if isinstance(value, Number):
        seconds = float(value)
        if seconds < 0:
            return FOREVER
        nanoseconds = seconds * SECOND
        # What does not fit is the smallest integer on the server's processor: unload at once.
        return int(nanoseconds) if nanoseconds < 2**63 else 0
    parsed = parse_duration(value)
    return FOREVER if parsed < 0 else parsed


def parse_duration(text: str) -> int:
    """A Go duration such as ``"1h30m"`` in nanoseconds. Raises `ValueFault`."""
    rest = text
    sign = 1
    if rest[:1] in ("-", "+"):
        sign = -1 if rest[0] == "-" else 1
        rest = rest[1:]
    if rest == "0":
        return 0
    if not rest:
        raise ValueFault(f"time: invalid duration {quote(text)}")
    total = 0
    while rest:
        match = _PART.match(rest)
        if match is None or not (match.group(1) or match.group(3)):
            raise ValueFault(f"time: invalid duration {quote(text)}")
        whole, _, fraction, unit = match.groups()
        if not unit:
            raise ValueFault(f"time: missing unit in duration {quote(text)}")
        if unit not in _UNITS:
            raise ValueFault(f"time: unknown unit {quote(unit)} in duration {quote(text)}")
        scale = _UNITS[unit]
        whole = whole.lstrip("0")
        if len(whole) > 19:
            raise ValueFault(f"time: invalid duration {quote(text)}")
        total += int(whole or 0) * scale
        if fraction:
            fraction = fraction[:18]
            total += int(fraction) * scale // 10 ** len(fraction)
        if total > FOREVER:
            raise ValueFault(f"time: invalid duration {quote(text)}")
        rest = rest[match.end() :]
    return sign * total


def timestamp(nanoseconds: int, utc_offset: int = 0) -> str:
    """RFC 3339 with up to nine fractional digits; ``utc_offset`` in minutes."""
    seconds, fraction = divmod(nanoseconds, SECOND)
    days, left = divmod(seconds + utc_offset * 60, 86400)
    # time.gmtime stops in 2038 on some platforms, and "for ever" is 292 years ahead.
    year, month, day = _civil(days)
    hour, left = divmod(left, 3600)
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    zone = "Z"
    if utc_offset:
        hours, minutes = divmod(abs(utc_offset), 60)
        zone = f"{'-' if utc_offset < 0 else '+'}{hours:02d}:{minutes:02d}"
    return (
        f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{left // 60:02d}:{left % 60:02d}"
        f"{digits}{zone}"
    )


def unix_seconds(text: str) -> int:
    """What `timestamp` wrote, in whole seconds since 1970."""
    from datetime import datetime

    zone = "+00:00" if text.endswith("Z") else text[-6:]
    return int(datetime.fromisoformat(text[:19] + zone).timestamp())


def _civil(days: int) -> Tuple[int, int, int]:
    """Days since 1970 as year, month, day (Howard Hinnant's algorithm)."""
    days += 719468
    era, day_of_era = divmod(days, 146097)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year + era * 400 + (month <= 2), month, day


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date() -> str:
    """Now, as the ``Date`` header has it, whatever the locale."""
    now = time.gmtime()
    return (
        f"{_DAYS[now.tm_wday]}, {now.tm_mday:02d} {_MONTHS[now.tm_mon - 1]} {now.tm_year} "
        f"{now.tm_hour:02d}:{now.tm_min:02d}:{now.tm_sec:02d} GMT"
    )


_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}\Z")


def base64_bytes(text: str) -> bytes:
    """Standard base64 with padding; CR and LF are skipped. Raises `ValueFault` with Go's offset."""
    import binascii

    compact = text.replace("\r", "").replace("\n", "")
    if len(compact) % 4 == 0 and _BASE64.match(compact):
        return binascii.a2b_base64(compact)
    raise ValueFault(f"illegal base64 data at input byte {_bad_offset(text)}")


def _bad_offset(text: str) -> int:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    filled = 0
    for index, char in enumerate(text):
        if char in "\r\n":
            continue
        if char != "=" or filled < 2:
            if char not in alphabet:
                return index
            filled = (filled + 1) % 4
            continue
        rest = text[index + 1 :]
        after = index + 1 + len(rest) - len(rest.lstrip("\r\n"))
        if filled == 2:
            if after >= len(text):
                return len(text)
            if text[after] != "=":
                return after
            rest = text[after + 1 :]
            after += 1 + len(rest) - len(rest.lstrip("\r\n"))
        return after
    return len(text) - filled
