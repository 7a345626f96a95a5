"""Pictures of the main pages for the README: `python -m tests.browser.screenshots`.

The demo's three hours at a clock that stands, so that the same code makes the same pictures, as
WebP (Chromium's own) into `docs/screenshots/`.
"""

from __future__ import annotations

import sys
from base64 import b64decode
from pathlib import Path
from typing import NamedTuple

from tests.support import browse, demo, postgres, services
from tests.support.browse import Visitor
from tests.support.console import serving
from tests.support.history import FrozenClock

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
MOST_BYTES = 120_000
_QUALITY = 82


class Picture(NamedTuple):
    """A page, and how it is looked at."""

    path: str
    theme: str = "light"
    language: str = "en"
    width: int = 1280
    height: int = 900


PICTURES = {
    "jobs": Picture("/jobs"),
    "jobs-dark": Picture("/jobs", theme="dark"),
    "jobs-chinese": Picture("/jobs", language="zh"),
    "jobs-phone": Picture("/jobs", theme="dark", width=375, height=812),
    "job": Picture("/jobs/17"),
    "edit": Picture("/jobs/17/edit"),
    "history": Picture("/history"),
    "record": Picture("/history/3700"),
    "failures": Picture("/failures"),
    "failures-dark": Picture("/failures", theme="dark"),
}


def main() -> int:
    """Make them; the exit status, 1 when one is too heavy for a README."""
    heavy = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        postgres.serving() as server,
        browse.running(services.browser_choice().detail) as browser,
    ):
        database = server.create("screenshots")
        demo.fill(database)
        with serving(database, clock=FrozenClock(), console_timezone=demo.ZONE) as served:
            for name, picture in PICTURES.items():
                with browse.browse(
                    browser,
                    served,
                    theme=picture.theme,
                    language=picture.language,
                    width=picture.width,
                    height=picture.height,
                ) as visitor:
                    visitor.open(picture.path)
                    content = _taken(visitor)
                (FOLDER / f"{name}.webp").write_bytes(content)
                sys.stdout.write(f"{name:<14} {len(content):>7,} bytes\n")
                if len(content) > MOST_BYTES:
                    heavy.append(name)
    if heavy:
        sys.stdout.write(f"more than {MOST_BYTES:,} bytes: {', '.join(heavy)}\n")
    return 1 if heavy else 0


def _taken(visitor: Visitor) -> bytes:
    session = visitor.context.new_cdp_session(visitor.page)
    picture = session.send("Page.captureScreenshot", {"format": "webp", "quality": _QUALITY})
    session.detach()
    return b64decode(picture["data"])


if __name__ == "__main__":
    raise SystemExit(main())
