"""docs/benchmark.svg: wall time as bars, one panel a scenario. Texts are texts; it has its own background, light or dark."""

from html import escape

WIDTH, BAR_LEFT, BAR_RIGHT = 760, 190, 690
ROW, PANEL_HEAD, MARGIN = 19, 30, 16
STYLE = """text{font:12px system-ui,sans-serif;fill:#1f2328}.h{font-weight:600}.n{text-anchor:end}.m{fill:#59636e}
rect{fill:#8c959f}.o{fill:#0969da}.b{fill:#fff;stroke:#d1d9e0}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.m{fill:#9198a1}rect{fill:#656c76}.o{fill:#4493f8}.b{fill:#0d1117;stroke:#3d444d}}"""


def bar(row, y, scale, ours):
    width = max(2, round(row.seconds * scale))
    kind = ' class="o"' if row.name == ours else ""
    return (f'<text class="n" x="{BAR_LEFT - 8}" y="{y + 11}">{escape(row.name)}</text>'
            f'<rect{kind} x="{BAR_LEFT}" y="{y}" width="{width}" height="14" rx="2"/>'
            f'<text x="{BAR_LEFT + width + 6}" y="{y + 11}">{row.seconds:.2f} s</text>')


def panel(name, rows, y, ours):
    """The fastest first; each panel has a scale of its own."""
    rows = sorted(rows, key=lambda row: row.seconds)
    scale = (BAR_RIGHT - BAR_LEFT) / rows[-1].seconds
    lines = [f'<text class="h" x="{MARGIN}" y="{y + 14}">{escape(name)}</text>']
    lines += [bar(row, y + PANEL_HEAD - 6 + at * ROW, scale, ours) for at, row in enumerate(rows)]
    return lines, y + PANEL_HEAD + len(rows) * ROW + 10


def chart(title, compared, ours):
    """`compared` holds the name and the rows of each scenario; rows that failed are left out."""
    y, lines = MARGIN + 26, []
    for name, rows in compared:
        rows = [row for row in rows if row.runs]
        if rows:
            more, y = panel(name, rows, y, ours)
            lines += more
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">',
        f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>",
        f'<rect class="b" x=".5" y=".5" width="{WIDTH - 1}" height="{y - 1}" rx="6"/>',
        f'<text class="m" x="{MARGIN}" y="{MARGIN + 12}">{escape(title)}</text>', *lines, "</svg>", ""])
