"""Keep the catalogues in step with the code.

`python -m job_trigger_worker.console.shell.catalogues [--check]` takes the texts from
code and templates into each language's `.po` file; what is new stays empty until somebody
translates it. `--check` writes nothing and names what is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from job_trigger_worker.config import Language
from job_trigger_worker.console.shared.texts import LOCALE, NAMES, catalogue

WEB = Path(__file__).parents[1]
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "gettext_noop": None}
_METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
_HEADER = """\
msgid ""
msgstr ""
"Language: LANGUAGE\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"

"""
"""Without dates: the same texts make the same file."""
LANGUAGES: tuple[Language, ...] = tuple(name for name in NAMES if name != "en")


def extracted() -> Catalog:
    """Every text that code and templates show, by the files that contain it."""
    found = Catalog(project="trigger-worker")
    texts = extract_from_dir(
        WEB, method_map=_METHODS, keywords=_KEYWORDS, options_map={"**.html": {"silent": "false"}}
    )
    for name, _line, text, _comments, _context in sorted(texts, key=lambda each: each[:2]):
        found.add(text, locations=[(name, 0)])
    return found


def faults(language: Language) -> list[str]:
    """What is wrong with a language's catalogue, in sentences."""
    wanted, kept = extracted(), catalogue(language)
    found = []
    for message in wanted:
        if not message.id:
            continue
        have = kept.get(message.id if isinstance(message.id, str) else message.id[0])
        if have is None:
            found.append(f"{message.id!r} is not in the catalogue")
        elif not have.string or not all(have.string):
            found.append(f"{message.id!r} is not translated")
        elif have.fuzzy:
            found.append(f"{message.id!r} is fuzzy")
    found += [
        f"{message.id!r} is shown nowhere"
        for message in kept
        if message.id
        and wanted.get(message.id if isinstance(message.id, str) else message.id[0]) is None
    ]
    for message in kept:
        if message.id and message.string:
            found += [f"{message.id!r}: {error}" for error in message.check()]
    return found


def main(arguments: Sequence[str]) -> int:
    """Bring the files up to date, or check them; the exit status."""
    wrong = 0
    for language in LANGUAGES:
        if "--check" not in arguments:
            kept = catalogue(language)
            kept.update(extracted(), no_fuzzy_matching=True)
            kept.obsolete.clear()
            path = LOCALE / language / "LC_MESSAGES" / "console.po"
            with path.open("wb") as file:
                file.write(_HEADER.replace("LANGUAGE", language).encode())
                write_po(file, kept, width=100, omit_header=True, include_lineno=False)
        for fault in faults(language):
            sys.stdout.write(f"{language}: {fault}\n")
            wrong = 1
    return wrong


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
