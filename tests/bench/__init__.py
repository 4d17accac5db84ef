"""What the client costs, beside the `ollama` package and beside the bare standard library."""
