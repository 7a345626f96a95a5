"""Throughput as a picture for the README: bars, drawn with our own few lines."""

from collections.abc import Mapping
from html import escape

_WIDTH, _NAME, _VALUE = 720, 130, 190
_ROW, _BAR, _TOP = 34, 22, 58

_STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 12px; fill: #59636e }
.bar { fill: #b6bdc6 } .ours { fill: #0b6e69 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } .bar { fill: #4a5361 } .ours { fill: #35b5ac }
}
"""


def bars(title: str, below: str, per_s: Mapping[str, float], ours: str) -> str:
    """An SVG with a bar for each name, the fastest on top; `ours` stands out.

    Beside each bar stand its triggers a second and, for others, how many times faster ours is.
    Readable in light and dark, and by a screen reader through its title and description.
    """
    ranked = sorted(per_s.items(), key=lambda item: -item[1])
    height = _TOP + _ROW * len(ranked) + 8
    room = _WIDTH - _NAME - _VALUE
    said = "; ".join(f"{name} {speed:,.0f} a second" for name, speed in ranked)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"',
        f'width="{_WIDTH}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(title)}</title><desc id="d">{escape(said)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<text x="0" y="20">{escape(title)}</text>',
        f'<text class="small" x="0" y="40">{escape(below)}</text>',
    ]
    for place, (name, speed) in enumerate(ranked):
        y = _TOP + place * _ROW
        width = max(1.0, room * speed / ranked[0][1])
        kind = "bar ours" if name == ours else "bar"
        value = f"{speed:,.0f}/s"
        if name != ours:
            value += f"  (ours is {_times(per_s[ours] / speed)} of it)"
        middle = y + _BAR - 6
        parts += [
            f'<text x="{_NAME - 10}" y="{middle}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{_NAME}" y="{y}" width="{width:.1f}" height="{_BAR}"/>',
            f'<text class="small" x="{_NAME + width + 8:.1f}" y="{middle}">{escape(value)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
