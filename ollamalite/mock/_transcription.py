"""``/v1/audio/transcriptions``: a form with a sound in it, answered by way of ``chat``."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any, Dict, Mapping, Sequence

from . import _generation
from ._app import Call
from ._compatible import Translated, misused, refused_by_cloud, tell
from ._gojson import encode
from ._openai import OpenAIWriter
from ._reply import NDJSON, Failure, Response

_BOUNDARY = re.compile(r'\bboundary=("[^"]+"|[^\s;"]+)', re.IGNORECASE)
_FILE_NAME = re.compile(rb'\bfilename\*?="?[^";\s]', re.IGNORECASE)
_NAME = re.compile(rb'\bname="([^"]*)"', re.IGNORECASE)


def transcribe(call: Call) -> Response:
    data, fault = call.data()
    try:
        form = _form(call.head.get("content-type"), data, fault)
        asked = form.get("model", b"").decode("utf-8", "replace")
        if not asked:
            raise Failure(400, "model is required")
        if "file" not in form:
            raise Failure(400, "file is required: http: no such file")
        if not form["file"]:
            raise Failure(400, "audio file is empty")
    except Failure as failure:
        return misused(_TranscriptionWriter({}), str(failure))
    refused = refused_by_cloud(call, asked)
    if refused is not None:
        return refused
    text = form.get("prompt", b"").decode("utf-8", "replace") or "Transcribe the audio."
    language = form.get("language", b"").decode("utf-8", "replace")
    message = {
        "role": "user",
        "content": f"{text} Language: {language}." if language else text,
        "images": [b64encode(form["file"]).decode()],
    }
    request = Translated(call, "ChatRequest", {"model": asked, "messages": [message]})
    return tell(_TranscriptionWriter(form), True, _generation.chat, request)


def _form(content_type: str, data: bytes, fault: Any) -> Dict[str, bytes]:
    """The parts of a form by their names. Raises `Failure` with status 400."""
    if not content_type.lower().startswith("multipart/form-data"):
        reason = "request Content-Type isn't multipart/form-data"
        raise Failure(400, f"failed to parse multipart form: {reason}")
    match = _BOUNDARY.search(content_type)
    if match is None:
        reason = "no multipart boundary param in Content-Type"
        raise Failure(400, f"failed to parse multipart form: {reason}")
    mark = b"\r\n--" + match.group(1).strip('"').encode("latin-1")
    parts = (b"\r\n" + data).split(mark)[1:]
    if fault is not None or not parts or not parts.pop().startswith(b"--"):
        raise Failure(400, "failed to parse multipart form: multipart: NextPart: EOF")
    form: Dict[str, bytes] = {}
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        named = _NAME.search(head)
        # What has the name of a file is no value, and a value is no file.
        is_file = _FILE_NAME.search(head) is not None
        if named is not None and is_file == (named.group(1) == b"file"):
            form.setdefault(named.group(1).decode("utf-8", "replace"), content)
    return form


class _TranscriptionWriter(OpenAIWriter):
    # The type of the native stream stays, though there is one object or a bare text.
    content_type = NDJSON

    def __init__(self, form: Mapping[str, bytes]) -> None:
        self._bare = form.get("response_format") == b"text"
        self._told = ""

    def pieces(self, answer: Dict[str, Any]) -> Sequence[bytes]:
        if "error" in answer:
            return ()
        self._told += answer["message"]["content"]
        if not answer["done"]:
            return ()
        if self._bare:
            return (self._told.encode("utf-8", "replace"),)
        return (encode({"text": self._told}) + b"\n",)
