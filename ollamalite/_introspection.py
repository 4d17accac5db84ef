"""What only those ask for who look at the classes of models: their fields, with types."""

import inspect
import typing
from typing import TYPE_CHECKING, Any, Dict, List, Optional

if TYPE_CHECKING:
    from ._model import Field


class FieldInfo:
    """One declared field, under the names that pydantic's class of this name has."""

    __slots__ = ("_required", "alias", "annotation", "default")

    default_factory = None
    description = None
    exclude = None
    title = None

    def __init__(self, field: "Field", annotation: Any) -> None:
        self.annotation = annotation
        """Type of the field; its text, where that names what only a function knows."""
        self.alias: Optional[str] = None if field.alias == field.name else field.alias
        """Name on the wire where it is another one."""
        self.default = field.default
        self._required = field.required

    @property
    def serialization_alias(self) -> Optional[str]:
        return self.alias

    @property
    def validation_alias(self) -> Optional[str]:
        return self.alias

    @property
    def metadata(self) -> List[Any]:
        return []

    def is_required(self) -> bool:
        return self._required

    def get_default(self, **_: Any) -> Any:
        """Return the default; None for a required field, which has none."""
        return self.default

    def __repr__(self) -> str:
        kind = self.annotation
        shown = kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
        default = "" if self._required else f", default={self.default!r}"
        alias = f", alias={self.alias!r}" if self.alias else ""
        return f"FieldInfo(annotation={shown}, required={self._required}{default}{alias})"


def field_infos(cls: Any) -> Dict[str, FieldInfo]:
    """Return the declared fields of a class of models by name."""
    hints = _hints(cls)
    fields: Dict[str, Field] = cls._fields
    return {
        name: FieldInfo(each, hints.get(name, each.annotation)) for name, each in fields.items()
    }


def signature(cls: Any) -> inspect.Signature:
    """Return the signature of a class of models."""
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if info.is_required() else info.default,
            annotation=info.annotation,
        )
        for name, info in field_infos(cls).items()
    ]
    parameters.append(inspect.Parameter("unknown", inspect.Parameter.VAR_KEYWORD, annotation=Any))
    return inspect.Signature(parameters)


def _hints(cls: Any) -> Dict[str, Any]:
    try:
        return typing.get_type_hints(cls)
    except NameError:
        return {}
