"""Records as text for people, in the words of Ollama's own command line."""

from datetime import datetime, timezone
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from .._generated.models import (
    ListResponse,
    ListResponseModel,
    ProcessResponse,
    ProcessResponseModel,
    ProgressResponse,
    ShowResponse,
)

LICENSE_LINES = 2
DIGEST_SHOWN = 12
YEARS_FOREVER = 20

_GAP = "    "
_UNITS = ("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)


def models(response: ListResponse) -> str:
    """Return the table of models that the server has."""
    rows = [_model_row(model) for model in response.models or ()]
    return table([("NAME", "ID", "SIZE", "MODIFIED"), *rows])


def _model_row(model: ListResponseModel) -> Sequence[str]:
    # A remote model takes no room here.
    room = "-" if model.remote_model else size(model.size)
    return _name(model), _id(model), room, moment(model.modified_at)


def running(response: ProcessResponse) -> str:
    """Return the table of models that are loaded."""
    rows = [_running_row(model) for model in response.models or ()]
    return table([("NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"), *rows])


def _running_row(model: ProcessResponseModel) -> Sequence[str]:
    until = model.expires_at
    if isinstance(until, datetime) and _seconds_ago(until) > 0 and until.year > 1:
        end = "Stopping..."
    else:
        end = moment(until)
    return (
        _name(model),
        _id(model),
        size(model.size),
        processor(model.size, model.size_vram),
        str(model.context_length or ""),
        end,
    )


def _name(model: Any) -> str:
    return str(model.name or model.model or "")


def _id(model: Any) -> str:
    return str(model.digest or "")[:DIGEST_SHOWN]


def facts(response: ShowResponse) -> str:
    """Return the key facts of a model."""
    sections: List[Tuple[str, Sequence[Sequence[str]]]] = [
        ("Model", _model_facts(response)),
        ("Projector", _projector_facts(response.projector_info or {})),
        ("Capabilities", [(name,) for name in response.capabilities or ()]),
        ("Parameters", [line.split(None, 1) for line in _lines(response.parameters)]),
        ("System", [(line,) for line in _lines(response.system)]),
        ("License", [(line,) for line in _lines(response.license)[:LICENSE_LINES]]),
    ]
    return "\n".join(f"  {title}\n{table(rows, '    ')}" for title, rows in sections if rows)


def _model_facts(response: ShowResponse) -> List[Tuple[str, str]]:
    info = response.modelinfo or {}
    details = response.details
    family = info.get("general.architecture") or (details and details.family)
    return _known(
        ("remote model", response.remote_model),
        ("remote host", response.remote_host),
        ("architecture", family),
        ("parameters", details and details.parameter_size),
        ("context length", info.get(f"{family}.context_length")),
        ("embedding length", info.get(f"{family}.embedding_length")),
        ("quantization", details and details.quantization_level),
        ("requires", response.requires),
    )


def _projector_facts(info: Mapping[str, Any]) -> List[Tuple[str, str]]:
    family = info.get("general.architecture")
    return _known(
        ("architecture", family),
        ("parameters", info.get("general.parameter_count")),
        ("embedding length", info.get(f"{family}.vision.embedding_length")),
        ("dimensions", info.get(f"{family}.vision.projection_dim")),
    )


def _known(*facts: Tuple[str, Any]) -> List[Tuple[str, str]]:
    return [(name, str(value)) for name, value in facts if value]


def _lines(text: Optional[str]) -> List[str]:
    return [line.strip() for line in (text or "").splitlines() if line.strip()]


def progress(step: ProgressResponse) -> str:
    """Return a step of a transfer as one line: what, how far in percent, and of how much."""
    if not step.total:
        return step.status or ""
    done = step.completed or 0
    return f"{step.status}: {100 * done // step.total:3d}%  {size(done)}/{size(step.total)}"


def table(rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Return rows as lines, with aligned columns."""
    widths: List[int] = []
    for row in rows:
        widths.extend([0] * (len(row) - len(widths)))
        widths[: len(row)] = [max(len(cell), width) for cell, width in zip(row, widths)]
    lines = [
        indent + _GAP.join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows
    ]
    return "".join(line.rstrip() + "\n" for line in lines)


def size(number: Optional[int]) -> str:
    """Return a number of bytes with a decimal unit: ``2.0 GB``."""
    if number is None:
        return ""
    for unit, step in _UNITS:
        if number >= step:
            if number >= 10 * step or number % step == 0:
                return f"{number // step} {unit}"
            return f"{number / step:.1f} {unit}"
    return f"{number} B"


def processor(whole: Optional[int], on_gpu: Optional[int]) -> str:
    """Return where a model lies, by its size in bytes and the part of it in GPU memory."""
    whole, on_gpu = whole or 0, on_gpu or 0
    if not on_gpu:
        return "100% CPU"
    if on_gpu == whole:
        return "100% GPU"
    if on_gpu > whole:
        return "Unknown"
    on_cpu = round(100 * (whole - on_gpu) / whole)
    return f"{on_cpu}%/{100 - on_cpu}% CPU/GPU"


def moment(when: Any) -> str:
    """Return how far a time is from now: ``3 weeks ago``, ``4 minutes from now``."""
    if not isinstance(when, datetime):
        return str(when or "")
    # The zero time of the server.
    if when.year == 1:
        return "Never"
    seconds = _seconds_ago(when)
    if seconds < -YEARS_FOREVER * 365 * 86400:
        return "Forever"
    if seconds < 0:
        return f"{span(-seconds)} from now"
    return f"{span(seconds)} ago"


def _seconds_ago(when: datetime) -> float:
    now = datetime.now(timezone.utc)
    if when.tzinfo is None:
        now = now.replace(tzinfo=None)
    return (now - when).total_seconds()


def span(seconds: float) -> str:
    """Return a number of seconds in the largest unit that says enough."""
    whole = int(seconds)
    minutes = whole // 60
    hours = int(seconds / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if minutes < 1:
        return f"{whole} second{'s' if whole > 1 else ''}"
    if minutes < 60:
        return f"{minutes} minutes" if minutes > 1 else "About a minute"
    if hours < 48:
        return f"{hours} hours" if hours > 1 else "About an hour"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{hours // 24 // 365} years"
