"""What tests ask models: a question, and a function that they may call."""

from typing import Any

SKY: Any = [{"role": "user", "content": "Why is the sky blue?"}]
ADD: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers",
        "parameters": {
            "type": "object",
            "required": ["a", "b"],
            "properties": {"a": {"type": "number"}, "b": {"type": "integer"}},
        },
    },
}
