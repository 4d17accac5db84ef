"""What a model would say: text, thoughts, tool calls and vectors, the same for the same prompt."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ._faults import count, seconds
from ._fill import Source, arguments, fill
from ._fits import SchemaFault
from ._gojson import float32, plain
from ._gotypes import Raw

_WORDS = re.compile(r"\s*\S{1,24}|\s+\Z")
_CALL_KEYS = {"arguments", "id", "index", "name"}
_TOKENS = re.compile(r"\w+|[^\w\s]")


class Answer:
    """What the next generation says, in place of what the mock would make up.

    ``text`` and ``thinking`` are sent word by word; ``pieces`` gives the pieces themselves, as
    ``("content" | "thinking", text)``. ``tool_calls`` are ``{"name", "arguments", "id"?}``.
    With ``error`` the generation fails after ``after`` pieces (all of them if None), with
    ``status`` if nothing was sent; ``early`` lets it fail as a load or a full queue does, before
    generation begins. ``finished=False`` lets it stop without a last object, as
    the server does when its runner just ends. ``delay``: seconds before each piece.
    Embeddings and transfers take only answers with an ``error``; for pull, push and create
    ``after`` counts lines, one if it is None. ``ValueError`` for what makes no sense.
    """

    def __init__(
        self,
        text: str = "",
        *,
        thinking: str = "",
        pieces: Optional[Sequence[Tuple[str, str]]] = None,
        tool_calls: Sequence[Mapping[str, Any]] = (),
        done_reason: str = "stop",
        error: Optional[str] = None,
        status: int = 500,
        after: Optional[int] = None,
        early: bool = False,
        finished: bool = True,
        delay: Optional[float] = None,
    ) -> None:
        for call in tool_calls:
            if not isinstance(call.get("name"), str) or set(call) - _CALL_KEYS:
                keys = ", ".join(sorted(_CALL_KEYS))
                raise ValueError(f"a tool call has a name, and of {keys} what it needs: {call!r}")
            if not isinstance(call.get("arguments") or {}, Mapping):
                raise ValueError(f"arguments are a dict, not {call['arguments']!r}")
        for piece in pieces or ():
            kind, text_of_it = piece if len(piece) == 2 else ("", "")
            if kind not in ("content", "thinking") or not isinstance(text_of_it, str):
                raise ValueError(f'a piece is ("content" | "thinking", text), not {piece!r}')
        if error is None and (early or after is not None):
            raise ValueError("early and after say when an error comes: there is no error")
        if not isinstance(error, (str, type(None))):
            raise ValueError(f"error is a text, not {error!r}")
        if not 400 <= count("status", status, 0) <= 599:
            raise ValueError(f"status must be that of an error, 400 to 599, not {status!r}")
        if pieces is None:
            pieces = [("thinking", word) for word in words(thinking)]
            pieces += [("content", word) for word in words(text)]
        self.pieces: List[Tuple[str, str]] = list(pieces)
        self.tool_calls: List[Mapping[str, Any]] = list(tool_calls)
        self.done_reason = done_reason
        self.error = error
        self.status = status
        self.after: Optional[int] = None if after is None else count("after", after, 0)
        self.early = early
        self.finished = finished
        self.delay: Optional[float] = None if delay is None else seconds("delay", delay)


class Prompt(NamedTuple):
    """All that an answer depends on."""

    text: str
    """What is asked: the prompt, or the last message."""
    context: str
    """Everything the model reads, as one text."""
    tools: Sequence[Mapping[str, Any]] = ()
    tool_results: Sequence[Tuple[str, str]] = ()
    images: Sequence[bytes] = ()
    schema: Any = None
    """None for free text, "json", or a JSON Schema."""
    suffix: str = ""
    think: Any = False
    seed: int = 0


def words(text: str) -> List[str]:
    """A text as the pieces it is streamed in; joined they give the text again."""
    return _WORDS.findall(text)


def count_tokens(text: str) -> int:
    return len(_TOKENS.findall(text))


def token_ids(text: str) -> List[int]:
    return [_number(token, 32_000) for token in _TOKENS.findall(text)]


def answer(prompt: Prompt) -> Answer:
    """What a model that does its best says to a prompt.

    Raises `SchemaFault` for a schema, of the answer or of the tool that is called, to which no
    value can be made.
    """
    thinking = _thoughts(prompt) if prompt.think else ""
    if prompt.tools and not prompt.tool_results:
        return Answer(thinking=thinking, tool_calls=[_tool_call(prompt)])
    if prompt.schema is not None:
        source = Source(prompt.text)
        schema = prompt.schema
        try:
            value: Any = {"answer": _text(prompt)} if schema == "json" else fill(schema, source)
        except SchemaFault as fault:
            raise SchemaFault(f"invalid JSON schema in format: {fault}") from None
        return Answer(json.dumps(value, ensure_ascii=False), thinking=thinking)
    return Answer(_text(prompt), thinking=thinking)


_KNOWN: Sequence[Tuple[str, str]] = (
    (
        r"\bsky\b.*\bblue\b|\bblue\b.*\bsky\b",
        "The sky is blue because of Rayleigh scattering: the molecules of the air scatter the "
        "short waves of blue light much more than the long waves of red light, so blue reaches "
        "our eyes from every direction.",
    ),
    (r"\bgrass\b.*\bgreen\b", "Grass is green because chlorophyll reflects green light."),
    (r"\bcapital of france\b", "The capital of France is Paris."),
    (r"\bcolou?r\b", "Blue."),
    (r"\A\W*(hi|hello|hey)\b", "Hello! How can I help you today?"),
    (r"\bjoke\b", "Why did the packet cross the network? To get to the other side."),
)

_OPENINGS = (
    "That is a good question about {topic}.",
    "Here is what I can say about {topic}.",
    "Let us look at {topic}.",
    "In short, {topic} comes down to a few things.",
)
_MIDDLES = (
    "It depends on what you want to do with it, and on how much time you have.",
    "The main point is to begin with something small that works.",
    "There are several ways to see it, and each of them has its merits.",
    "Most people find that it becomes clear once they try it.",
)
_ENDINGS = (
    "Ask me again and I will say the same.",
    "I hope this helps.",
    "Tell me more if you want a longer answer.",
    "That is all I know, for I am only a mock.",
)

_STOP_WORDS = frozenset(
    [
        "a",
        "about",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "can",
        "do",
        "does",
        "for",
        "from",
        "give",
        "how",
        "i",
        "in",
        "is",
        "it",
        "me",
        "my",
        "of",
        "on",
        "or",
        "please",
        "say",
        "so",
        "tell",
        "that",
        "the",
        "this",
        "to",
        "was",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "will",
        "with",
        "you",
        "your",
    ]
)

_SUM = re.compile(r"(-?\d+(?:\.\d+)?)\s*([-+*/x])\s*(-?\d+(?:\.\d+)?)")


def _text(prompt: Prompt) -> str:
    if prompt.tool_results:
        name, result = prompt.tool_results[-1]
        return f"{name} says: {result}" if name else result
    if prompt.images:
        return " ".join(_describe(image) for image in prompt.images)
    if prompt.suffix:
        return "    result = None\n    "
    asked = prompt.text.lower()
    for pattern, text in _KNOWN:
        if re.search(pattern, asked, re.DOTALL):
            return text
    match = _SUM.search(prompt.text)
    if match:
        return _calculate(*match.groups())
    topic = " ".join(_topic(prompt.text)) or "that"
    seed = f"{prompt.seed}\n{prompt.context}"
    parts = (_OPENINGS, _MIDDLES, _ENDINGS)
    chosen = (options[_number(seed + str(i), len(options))] for i, options in enumerate(parts))
    return " ".join(chosen).replace("{topic}", topic)


def _topic(text: str) -> List[str]:
    topic: List[str] = []
    for word in re.findall(r"[^\W_]+", text):
        if word.lower() not in _STOP_WORDS and word not in topic:
            topic.append(word)
    return topic[:3]


def _calculate(left: str, operator: str, right: str) -> str:
    a, b = float(left), float(right)
    if operator == "/" and not b:
        return "Nobody can divide by zero."
    if operator == "+":
        result = a + b
    elif operator == "-":
        result = a - b
    else:
        result = a / b if operator == "/" else a * b
    return f"{left} {operator} {right} = {result:.10g}."


def _describe(image: bytes) -> str:
    if image[:8] == b"\x89PNG\r\n\x1a\n" and len(image) >= 24:
        width = int.from_bytes(image[16:20], "big")
        height = int.from_bytes(image[20:24], "big")
        return f"The picture is a PNG of {width} by {height} pixels."
    if image[8:12] == b"WAVE" or image.startswith((b"ID3", b"\xff\xfb")):
        return f"The sound has {len(image)} bytes."
    kinds = ((b"\xff\xd8", "JPEG"), (b"RIFF", "WebP"), (b"GIF8", "GIF"))
    kind = next((name for magic, name in kinds if image.startswith(magic)), "unknown")
    return f"The picture is of kind {kind} and has {len(image)} bytes."


def _thoughts(prompt: Prompt) -> str:
    topic = ", ".join(_topic(prompt.text)) or "nothing in particular"
    thoughts = [f"The user asks about {topic}."]
    if prompt.tools and not prompt.tool_results:
        thoughts.append("A tool can answer that.")
    if prompt.think in (True, "medium", "high", "max"):
        thoughts.append("I should answer briefly and clearly.")
    if prompt.think in ("high", "max"):
        thoughts.append("Let me check that once more before I answer.")
    return " ".join(thoughts)


def _tool_call(prompt: Prompt) -> Dict[str, Any]:
    """The tool whose name and description share most words with the prompt."""
    asked = {word.lower() for word in re.findall(r"[^\W_]+", prompt.text)} - _STOP_WORDS

    def shared(tool: Mapping[str, Any]) -> int:
        function: Mapping[str, Any] = tool.get("function") or {}
        told = f"{function.get('name', '')} {function.get('description', '')}".lower()
        return len(asked & set(re.findall(r"[^\W_]+", told)))

    chosen: Mapping[str, Any] = max(prompt.tools, key=shared).get("function") or {}
    name = chosen.get("name", "")
    sent = chosen.get("parameters")
    parameters: Any = plain(sent.node) if isinstance(sent, Raw) else {}
    try:
        return {"name": name, "arguments": arguments(parameters, Source(prompt.text))}
    except SchemaFault as fault:
        raise SchemaFault(f'invalid parameters of the tool "{name}": {fault}') from None


def call_id(seed: str) -> str:
    """An id such as the server makes up for a tool call."""
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
    digest = hashlib.blake2b(seed.encode("utf-8", "replace"), digest_size=8).digest()
    return "call_" + "".join(alphabet[byte % 36] for byte in digest)


def logprobs(token: str, top: int) -> Dict[str, Any]:
    """The log probability of a token, and of its ``top`` likeliest rivals."""
    own = _logprob(token, -(1 + _number(token, 700)) / 1000)
    if top > 0:
        rivals = ("Hi", " the", "\n", " a", '"', "<|im_end|>", " of", ".", " and", " to")
        ranked = [dict(own)]
        likelihood = own["logprob"]
        for index in range(top - 1):
            rival = rivals[index] if index < len(rivals) else f" {index}"
            likelihood -= (1 + _number(token + rival, 900)) / 1000
            ranked.append(_logprob(rival, round(likelihood, 6)))
        own["top_logprobs"] = ranked
    return own


def _logprob(token: str, value: float) -> Dict[str, Any]:
    entry: Dict[str, Any] = {"token": token, "logprob": value}
    if token:
        entry["bytes"] = list(token.encode("utf-8", "replace"))
    return entry


def embedding(text: str, dimensions: int) -> List[float]:
    """A vector of length 1. Texts that share words and syllables have similar vectors."""
    folded = text.lower()
    features: List[Tuple[str, float]] = [
        ("word " + word, 1.0) for word in re.findall(r"\w+", folded)
    ]
    padded = f" {' '.join(folded.split())} "
    features += [("part " + padded[i : i + 3], 0.3) for i in range(len(padded) - 2)]
    if not features:
        features.append(("nothing", 1.0))
    weights: Dict[str, float] = {}
    for feature, weight in features:
        weights[feature] = weights.get(feature, 0.0) + weight
    vector = [0.0] * dimensions
    for feature, weight in weights.items():
        for index, sign in enumerate(_signs(feature, dimensions)):
            vector[index] += weight if sign == "1" else -weight
    return unit(vector)


def _signs(feature: str, count: int) -> str:
    bits = ""
    block = 0
    while len(bits) < count:
        seed = f"{block} {feature}".encode("utf-8", "replace")
        number = int.from_bytes(hashlib.blake2b(seed).digest(), "big")
        bits += f"{number:0512b}"
        block += 1
    return bits[:count]


def unit(vector: Sequence[float]) -> List[float]:
    """The vector scaled to length 1, in 32 bit numbers; zeros stay zeros."""
    length = math.sqrt(sum(value * value for value in vector))
    return [float32(value / length) if length else 0.0 for value in vector]


def choose(context: str, options: Iterable[Tuple[str, str]]) -> Dict[str, float]:
    """Probabilities of options by how much their descriptions share with a text."""
    asked = set(re.findall(r"\w+", context.lower())) - _STOP_WORDS
    weights: Dict[str, float] = {}
    for key, description in options:
        shared = len(asked & set(re.findall(r"\w+", f"{key} {description}".lower())))
        weights[key] = math.exp(shared + _number(f"{key}\n{context}", 100) / 200)
    total = sum(weights.values())
    return {key: round(weight / total, 6) for key, weight in weights.items()}


def _number(text: str, below: int) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % below
