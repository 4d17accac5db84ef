"""``/v1/systemone``: choices, truths and scores, each with probabilities."""

from __future__ import annotations

import json
from typing import Any, Dict

from . import _lookup, _mind
from ._app import Call
from ._gojson import as_list, as_map
from ._reply import Failure, Reply, json_reply


def systemone(call: Call) -> Reply:
    request = call.fields()
    asked = request.get("model", "")
    if not asked.strip():
        raise Failure(400, "model is required")
    name, origin = _lookup.source(asked)
    model = _lookup.find(call.app, name, origin, f"model '{asked}' not found")
    questions = as_map(request.get("questions"))
    if not questions:
        raise Failure(400, "questions is required")
    store = call.app.store
    store.load(model, request.get("keep_alive"), {})
    store.release(model)
    state = _text(request.get("state", ""))
    answers: Dict[str, Any] = {}
    for key, question in questions.items():
        answers[key] = _answer(state, key, question)
    asked_tokens = _mind.count_tokens(state + " " + _text(questions))
    usage = {"input_tokens": asked_tokens, "output_tokens": len(answers)}
    return json_reply({"model": asked, "answers": answers, "usage": usage})


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def _answer(state: str, key: str, question: Any) -> Dict[str, Any]:
    asked = as_map(question)
    kind = asked.get("type")
    named = as_map(asked.get("criteria"))
    ordered = as_list(asked.get("criteria"))
    context = f"{state}\n{_text(asked.get('instructions', ''))}"
    if kind == "noul":
        options = [(word, named.get(word) or word) for word in ("false", "true")]
        return {"type": "noul", "noul": _mind.choose(context, options)["true"]}
    if kind == "choice":
        if not named:
            raise Failure(400, f'question "{key}" must have criteria')
        chosen = _mind.choose(context, [(name, text or name) for name, text in named.items()])
        best = max(chosen, key=lambda name: chosen[name])
        return {
            "type": "choice",
            "choice": best,
            "probabilities": chosen,
            "confidence": chosen[best],
        }
    if kind == "score":
        if not ordered:
            raise Failure(400, f'question "{key}" must have criteria')
        legend = {str(index): str(text) for index, text in enumerate(ordered)}
        chosen = _mind.choose(context, list(legend.items()))
        return {
            "type": "score",
            "score": round(sum(int(index) * share for index, share in chosen.items()), 6),
            "legend": legend,
            "probabilities": chosen,
            "confidence": max(chosen.values()),
        }
    raise Failure(400, f'question "{key}" must be of type choice, noul or score')
