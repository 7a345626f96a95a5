"""docs/logs.md lists every event that the code logs, with its levels and fields, and no other."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ROOT / "worker" / "job_trigger_worker"
LEVELS = {"debug", "info", "warning", "error"}
ROW = re.compile(r"^\| `(\w+)` \| ([a-z, ]+) \| ([`\w ]*) \| [^|]+ \| [^|]+ \|$", re.MULTILINE)

Event = tuple[set[str], set[str]]


def test_every_event_is_documented_with_its_levels_and_fields() -> None:
    documented = {
        word: (set(levels.split(", ")), set(re.findall(r"`(\w+)`", fields)))
        for word, levels, fields in ROW.findall((ROOT / "docs/logs.md").read_text())
    }
    assert documented == _logged()


def test_every_line_is_an_event() -> None:
    """No module writes a line past `logs`; clients of Kafka get the standard logger."""
    for path in CODE.rglob("*.py"):
        for call, _ in _calls(path):
            (word,) = map(ast.literal_eval, call.args)
            assert re.fullmatch(r"[a-z_]+", word), f"{path}:{call.lineno}"


def _logged() -> dict[str, Event]:
    found: dict[str, Event] = defaultdict(lambda: (set(), set()))
    for path in CODE.rglob("*.py"):
        for call, level in _calls(path):
            levels, fields = found[ast.literal_eval(call.args[0])]
            levels.add(level)
            fields |= {each.arg for each in call.keywords if each.arg not in (None, "exc_info")}
    return dict(found)


def _calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Calls of a logger, with the method's name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in LEVELS and ast.unparse(node.func.value) in ("log", "self._log"):
            yield node, node.func.attr
