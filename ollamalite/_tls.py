"""The TLS context that a client's settings ask for."""

from __future__ import annotations

import ssl

from . import errors
from ._settings import Settings

__all__ = ["make_context"]


def make_context(settings: Settings) -> ssl.SSLContext:
    """Make a context from `verify` and `cert`; `RequestError` if one of their files is no good."""
    verify = settings.verify
    if isinstance(verify, ssl.SSLContext):
        context = verify
    else:
        context = _context_for(verify)
        context.set_alpn_protocols(["http/1.1"])
    if settings.cert is not None:
        certificate, key, password = settings.cert
        try:
            context.load_cert_chain(certificate, key, password)
        except OSError as error:
            raise errors.RequestError(f"cert={certificate!r} cannot be used: {error}") from error
    return context


def check_name(name: str) -> None:
    """Raise RequestError for a server's name that TLS has no form for.

    The `ssl` module notices it when it has taken the socket over, and leaves that open.
    """
    try:
        fits = bool(name.encode("idna")) and not name.startswith(".")
    except UnicodeError:
        fits = False
    if not fits:
        raise errors.RequestError(f"not a name that a certificate could be for: {name!r}")


def _context_for(verify: object) -> ssl.SSLContext:
    if isinstance(verify, bool):
        context = ssl.create_default_context()
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
    from os.path import isdir

    assert isinstance(verify, (str, bytes))
    try:
        if isdir(verify):
            return ssl.create_default_context(capath=verify)
        return ssl.create_default_context(cafile=verify)
    except OSError as error:
        raise errors.RequestError(f"verify={verify!r} cannot be used: {error}") from error
