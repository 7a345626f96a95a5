"""A link before PostgreSQL, which can lose an answer, or give none any more."""

import contextlib
from collections.abc import Iterator

from sqlalchemy import URL, make_url

from tests.support.link import Link, Listener, Then

_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""The statement as a client sends it: type, length, text."""


class Proxy(Link):
    """Forwards to the server of `database_url`; `url` is the same database through it."""

    def __init__(self, database_url: str) -> None:
        self._address = make_url(database_url)
        super().__init__(_place(self._address))
        self._marker: bytes | None = None
        self._last_words: bytes | None = None
        self._end_at: bytes | None = None
        self.lost_answers = 0

    @property
    def url(self) -> str:
        """For clients. Without TLS, so that statements can be recognised."""
        through: URL = self._address.set(host="127.0.0.1", port=self.port)
        plain = {"sslmode": "disable", "gssencmode": "disable"}
        return through.update_query_dict(plain).render_as_string(hide_password=False)

    def lead_to(self, database_url: str) -> None:
        """New connections go to another server, such as one that started again elsewhere."""
        self.upstream = _place(make_url(database_url))

    def lose_answer(self, statement: bytes) -> None:
        """Once: let the COMMIT of a transaction with this statement through, and cut its reply."""
        self._marker = statement

    def fall_silent(self, statement: bytes) -> None:
        """Once: keep the connection on which this is sent open, and let no more answers through."""
        self._last_words = statement

    def end_at(self, statement: bytes) -> None:
        """Once: cut the connection on which this is sent, before the answer."""
        self._end_at = statement

    def hearing(self) -> Listener:
        said = b""

        def hear(data: bytes) -> Then:
            nonlocal said
            said += data
            if self._last_words is not None and self._last_words in said:
                self._last_words = None
                return Then.HEAR_NO_MORE
            if self._end_at is not None and self._end_at in said:
                self._end_at = None
                return Then.LOSE_THE_ANSWER
            if data == _COMMIT:
                if self._marker is not None and self._marker in said:
                    self._marker = None
                    self.lost_answers += 1
                    return Then.LOSE_THE_ANSWER
                said = b""
            return Then.GO_ON

        return hear


def _place(address: URL) -> tuple[str, int]:
    return address.host or "127.0.0.1", address.port or 5432


@contextlib.contextmanager
def proxied(database_url: str) -> Iterator[Proxy]:
    """A listening proxy for as long as the block lasts."""
    proxy = Proxy(database_url)
    proxy.listen()
    try:
        yield proxy
    finally:
        proxy.refuse()
