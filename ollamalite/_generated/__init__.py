"""Code made from the description of the API: shapes and dispatch, no behaviour."""

from . import codec as codec
