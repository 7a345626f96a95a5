"""Findings in words: English and Chinese, from code and objects alone.

A finding is stored with the sentence of the configured language and the objects that it was made
of, so that it can be said in another language later. Nothing here raises, whatever objects an older
or newer version has stored: what a sentence needs and does not find is shown as `?`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.inventory import ROWS
from job_trigger_worker.domain.sentences import en, zh
from job_trigger_worker.domain.truncation import truncate
from job_trigger_worker.domain.verdict import Finding

Language = Literal["en", "zh"]

LONGEST_SUMMARY = 1000
"""Characters of `trigger_message` (R2)."""

_LONGEST_VALUE = 120
_SENTENCES = {"en": en.SENTENCES, "zh": zh.SENTENCES}
_REMEDIES = {"en": en.REMEDIES, "zh": zh.REMEDIES}
_WORDS = {"en": en.WORDS, "zh": zh.WORDS}
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def sentence(finding: Finding, language: Language = "en") -> str:
    """One sentence that names the exact object, and the node where there is one."""
    sentences = _SENTENCES[language]
    reason = finding.objects.get("reason")
    template = sentences.get(f"{finding.code}.{reason}") or sentences[finding.code]
    said = template.format_map(_Pieces(finding.objects, language))
    if finding.objects.get("node_id") is None:
        return said
    node_id = shown(finding.objects["node_id"])
    return _WORDS[language]["node"].format(node_id=node_id, sentence=said)


def remedy(code: FailureCode, language: Language = "en") -> str:
    """What a person can do about it."""
    return _REMEDIES[language][code]


def summary(
    findings: Sequence[Finding],
    language: Language = "en",
    limit: int = LONGEST_SUMMARY,
    *,
    omitted: int = 0,
) -> str:
    """The findings' sentences in one text of at most `limit` characters, for `trigger_message`.

    `omitted` is how many there are beside `findings`.

    As many whole sentences as fit, then how many there are more; where not even the first fits, it
    is cut between two characters.
    """
    between = _WORDS[language]["between"]
    sentences: list[str] = []
    length = 0
    for finding in findings:
        said = sentence(finding, language)
        length += len(said) + (len(between) if sentences else 0)
        sentences.append(said)
        if length > limit:
            break
    return _within(sentences, len(findings) + omitted, language, limit)


def joined(sentences: Sequence[str], language: Language) -> str:
    """Sentences in one text: Chinese ones follow each other without a blank."""
    return _WORDS[language]["between"].join(sentences)


def describe_stored(
    stored: Sequence[Mapping[str, Any]], count: int, language: Language, limit: int
) -> str:
    """The `summary` of `count` findings, of which the first ones are `stored`, in a language."""
    return _within([localize(each, language) for each in stored], count, language, limit)


def _within(sentences: Sequence[str], count: int, language: Language, limit: int) -> str:
    """As many of the first sentences of `count` as fit, and how many there are more."""
    if not sentences:
        return ""
    words = _WORDS[language]
    between = words["between"]
    for kept in range(len(sentences), 0, -1):
        rest = [words["more"].format(count=count - kept)] if count > kept else []
        text = between.join([*sentences[:kept], *rest])
        if len(text) <= limit:
            return text
    end = between + words["more"].format(count=count - 1) if count > 1 else "…"
    return truncate(sentences[0], limit - len(end)) + end


def as_json(finding: Finding, language: Language = "en") -> dict[str, str | int | None]:
    """A finding as it is stored and sent: `code`, `message`, and the objects beside them."""
    return {"code": finding.code.value, "message": sentence(finding, language), **finding.objects}


def localize(stored: Mapping[str, Any], language: Language) -> str:
    """A stored finding said in a language; as it was stored where its code is not known."""
    try:
        code = FailureCode(str(stored.get("code")))
    except ValueError:
        return str(stored.get("message", "?"))
    objects = {name: value for name, value in stored.items() if name not in {"code", "message"}}
    return sentence(Finding(code, objects), language)


def of_cause(stored: Mapping[str, Any], language: Language | None = None) -> str:
    """The sentence of a cause, from one stored finding of it: the same in every node it breaks.

    In a language; where none is given, in that in which it was stored.
    """
    objects = {name: value for name, value in stored.items() if name != "node_id"}
    message = str(stored.get("message", "?"))
    if (node_id := stored.get("node_id")) is not None:
        for words in _WORDS.values():
            of_node = words["node"].format(node_id=shown(node_id), sentence="")
            message = message.removeprefix(of_node)
    return message if language is None else localize(objects | {"message": message}, language)


def shown(value: object) -> str:
    """A value inside a sentence: one line, without control and direction marks, not too long."""
    text = "?" if value is None else str(value)
    if not text.isprintable():
        text = "".join(map(_harmless, text))
    return text if len(text) <= _LONGEST_VALUE else truncate(text, _LONGEST_VALUE - 1) + "…"


def _harmless(character: str) -> str:
    """A character that cannot break or turn the line that it stands in."""
    if character in _DIRECTIONS:
        return ""
    category = unicodedata.category(character)
    return _REPLACED.get(category, character)


_DIRECTIONS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_REPLACED = {"Cc": "\ufffd", "Cs": "\ufffd", "Zl": " ", "Zp": " "}


class _Pieces(dict[str, str]):
    """What a sentence's braces stand for; made when it is asked for."""

    def __init__(self, objects: Mapping[str, Any], language: Language) -> None:
        super().__init__()
        self.objects = objects
        self.words = _WORDS[language]

    def __missing__(self, name: str) -> str:
        make = _MADE.get(name)
        return make(self) if make else shown(self.objects.get(name))

    def place(self) -> str:
        """The server by its name, or by its id where it has none."""
        name = self.objects.get("server_name")
        return shown(name) if name else self.words["server"].format_map(self)

    def at_path(self) -> str:
        path = self.objects.get("path")
        return self.words["path"].format(path=shown(path)) if path else ""

    def at_character(self) -> str:
        position = self.objects.get("position")
        return self.words["character"].format(position=shown(position)) if position else ""

    def due(self) -> str:
        return shown(self.objects.get("scheduled_at"))[:19].replace("T", " ") + " UTC"

    def note(self, *names: str) -> str:
        """What is known beside an id, in brackets."""
        known = [shown(value) for name in names if (value := self.objects.get(name))]
        if not known:
            return self.words["no_note"]
        return self.words["note"].format(words=self.words["comma"].join(known))

    def kind(self, *, is_capital: bool) -> str:
        job_type = str(self.objects.get("job_type"))
        if job_type not in {"action", "workflow"}:
            return self.words["automation"]
        return self.words[job_type.capitalize() if is_capital else job_type]

    def unclear(self) -> str:
        """What a view says and may not say: a column with its value, or several rows."""
        column, value = shown(self.objects.get("column")), self.objects.get("value")
        if column == ROWS:
            return self.words["several"].format(count=shown(value))
        said = "null" if value is None else "value"
        quoted = self.words[said].format(value=shown(value))
        return self.words["said"].format(column=column, value=quoted)

    def allowed(self) -> str:
        column = str(self.objects.get("column"))
        known = column if f"allowed.{column}" in self.words else _ALLOWED.get(column, "id")
        return self.words[f"allowed.{known}"]

    def duration(self, seconds: object) -> str:
        """Seconds in the two largest units that count: `2 h 5 min`."""
        if not isinstance(seconds, int):
            return "?"
        parts: list[str] = []
        for unit, size in _UNITS:
            count, seconds = divmod(seconds, size)
            if count:
                parts.append(self.words[unit].format(n=count))
            if parts and (len(parts) == 2 or not count):  # noqa: PLR2004  # two units are enough
                break
        return " ".join(parts) or self.words["s"].format(n=0)


_MADE: Mapping[str, Callable[[_Pieces], str]] = {
    "server_note": lambda pieces: pieces.note("ip", "server_name"),
    "job_note": lambda pieces: pieces.note("job_name"),
    "owner_note": lambda pieces: pieces.note("owner_name"),
    "target_note": lambda pieces: pieces.note("target_name"),
    "kind": lambda pieces: pieces.kind(is_capital=False),
    "Kind": lambda pieces: pieces.kind(is_capital=True),
    "lateness": lambda pieces: pieces.duration(pieces.objects.get("lateness_s")),
    "limit": lambda pieces: pieces.duration(pieces.objects.get("max_lateness_s")),
    "earliness": lambda pieces: pieces.duration(pieces.objects.get("earliness_s")),
    "earliness_limit": lambda pieces: pieces.duration(pieces.objects.get("max_earliness_s")),
    "place": _Pieces.place,
    "at_path": _Pieces.at_path,
    "at_character": _Pieces.at_character,
    "due": _Pieces.due,
    "unclear": _Pieces.unclear,
    "allowed": _Pieces.allowed,
}

_ALLOWED = {
    "enabled": "flag",
    "usable": "flag",
    "max_lateness_s": "number",
    "version": "number",
    "group_ids": "ids",
}
"""What may stand in a view's column; in columns that are not named here or in words, an id."""
