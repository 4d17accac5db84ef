"""Keywords of pydantic's methods that ask for what the models here always do, or cannot do."""

from typing import Any, Mapping, NamedTuple, Tuple

from .errors import RequestError


class _Keyword(NamedTuple):
    # The values that mean what happens anyhow; none stands for all.
    taken: Tuple[Any, ...] = ()
    otherwise: str = ""


KEYWORDS: Mapping[str, Mapping[str, _Keyword]] = {
    "model_dump": {
        # Nothing is computed, and no serializer of the caller's runs that could read a context.
        "context": _Keyword(),
        "exclude_computed_fields": _Keyword(),
        "polymorphic_serialization": _Keyword(),
        "round_trip": _Keyword(),
        "serialize_as_any": _Keyword(),
        "warnings": _Keyword(
            (True, False, "none", "warn"), "a dump does not check values: model_validate does"
        ),
    },
    "model_validate": {
        "context": _Keyword(),
        "strict": _Keyword((None, False), "values of other types are converted: check them before"),
        "from_attributes": _Keyword((None, False), "give a mapping, such as vars(object)"),
        "by_alias": _Keyword((None, True), "fields go by both of their names"),
        "by_name": _Keyword((None, True), "fields go by both of their names"),
        "extra": _Keyword((None, "allow"), "members that a class does not declare are kept"),
    },
}


def check_keywords(method: str, given: Mapping[str, Any]) -> None:
    """Raise RequestError for what cannot be obeyed, and TypeError for what nobody has."""
    for name, value in given.items():
        keyword = KEYWORDS[method].get(name)
        if keyword is None:
            raise TypeError(f"{method}() got an unexpected keyword argument {name!r}")
        if keyword.taken and value not in keyword.taken:
            raise RequestError(f"{method}: {name}={value!r} is not supported: {keyword.otherwise}")
