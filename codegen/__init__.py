"""Writes ``ollamalite/_generated/`` from ``openapi/ollama.yaml``; used at build time only.

``python -m codegen`` writes, ``python -m codegen --check`` compares. `description` reads the file
and `lint` refuses what the generator cannot do well, each with the line to mend; `models` runs
datamodel-code-generator; `codec`, `operations`, `methods` and `tables` each write one module.
"""
