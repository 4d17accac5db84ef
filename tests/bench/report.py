"""What was measured as a table, as pictures, and in the README."""

import re
from html import escape
from pathlib import Path

README = Path(__file__).parent.parent.parent / "README.md"

# Legible on white and on black: a picture does not know which of them the page around it has.
TEXT, PEER, OURS, FLOOR = "#6e7781", "#8c959f", "#2da44e", "#d4762c"


def amount(value, memory):
    """A cost in the unit that makes it readable."""
    units = (("MB", 1e6), ("kB", 1e3)) if memory else (("s", 1), ("ms", 1e-3), ("µs", 1e-6))
    name, size = next((unit for unit in units if value >= unit[1]), units[-1])
    number = value / size
    return f"{number:.0f} {name}" if number >= 100 else f"{number:.3g} {name}"


def _ratio(costs, above, below):
    if not costs.get(above) or not costs.get(below):
        return ""  # not measured, or nothing
    return f"{costs[above] / costs[below]:.2f}"


def markdown(head, lines):
    """A Markdown table, numbers on the right."""
    rule = ["---"] + ["--:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *lines])


def table(rows, costs):
    """The rows by what they cost, `costs[row name][implementation]`, as Markdown."""
    lines = []
    for row in rows:
        found = costs[row.name]
        times, floors = _ratio(found, "ollama", "ollamalite"), _ratio(found, "ollamalite", "floor")
        lines.append([row.name, amount(found["ollamalite"], row.memory), times, floors])
    return markdown(["", "ollamalite", "`ollama` / ollamalite", "ollamalite / floor"], lines)


def picture(rows, costs, title):
    """An SVG: for each row a bar of `ollama`, one of ollamalite, and a mark at the floor."""
    rows = [row for row in rows if costs[row.name].get("ollama")]
    left, full, step, top = 230, 360, 28, 54
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {top + step * len(rows)}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{TEXT}">',
        f"<title>{escape(title)}</title>",
        f'<text x="{left}" y="18" font-weight="bold">{escape(title)}</text>',
    ]

    def bar(x, y, width, height, colour):
        size = f'width="{width:.1f}" height="{height}"'
        parts.append(f'<rect x="{x:.1f}" y="{y}" {size} fill="{colour}"/>')

    def text(x, y, words, more=""):
        parts.append(f'<text x="{x}" y="{y}"{more}>{escape(words)}</text>')

    legend = ((PEER, "ollama"), (OURS, "ollamalite"), (FLOOR, "standard library alone"))
    for x, (colour, name) in zip((left, left + 80, left + 180), legend):
        bar(x, 31, 10, 10, colour)
        text(x + 15, 41, name)
    for y, row in zip(range(top, top + step * len(rows), step), rows):
        found = costs[row.name]
        scale = full / max(found.values())
        text(left - 8, y + 14, row.name.replace("memory: ", ""), ' text-anchor="end"')
        bar(left, y, scale * found["ollama"], 9, PEER)
        bar(left, y + 10, scale * found["ollamalite"], 9, OURS)
        bar(left + scale * found.get("floor", 0) - 1, y, 2, 19, FLOOR)
        ours = amount(found["ollamalite"], row.memory)
        text(left + full + 8, y + 14, f"{ours}, {found['ollama'] / found['ollamalite']:.2g} : 1")
    return "\n".join([*parts, "</svg>", ""])


def write_pictures(folder, rows, costs):
    """`speed.svg` and `memory.svg` of the main rows."""
    for name, memory, title in (
        ("speed.svg", False, "CPU time of the client (less is better)"),
        ("memory.svg", True, "Peak memory of the client (less is better)"),
    ):
        chosen = [row for row in rows if row.main and row.memory == memory]
        Path(folder, name).write_text(picture(chosen, costs, title), encoding="utf-8")


def write_block(name, content, path=README):
    """Put a text between the marks `<!-- name ... -->` and `<!-- /name -->` of a file."""
    block = re.compile(rf"(<!-- {name}\b.*?-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    text, count = block.subn(lambda m: f"{m[1]}\n{content}\n\n{m[2]}", path.read_text("utf-8"))
    if count != 1:
        raise ValueError(f"{path} has {count} blocks of the name {name}: it needs one")
    path.write_text(text, encoding="utf-8")
