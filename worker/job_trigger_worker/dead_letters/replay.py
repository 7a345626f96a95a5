"""Sending dead letters again, as they came or edited: the way back of promise 5.

A letter goes back to the topic that it came from, with a header `replay-of` that names it and is
signed with its nonce (`domain.signatures`). Its idempotency key is derived from both, so whatever
is sent twice becomes one record and a counted repeat, and nobody else can take its place. It is
marked as replayed after the broker has it; a crash in between repeats harmlessly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from sqlalchemy import Connection, Engine

from job_trigger_worker.config import Settings
from job_trigger_worker.dead_letters import replay_rules
from job_trigger_worker.dead_letters.replay_rules import Replayed, Standing
from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.domain.signatures import REPLAY_HEADER, sign
from job_trigger_worker.errors import BrokersAway, Transient
from job_trigger_worker.kafka.message_sender import MessageSender
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.db.engine import make_engine
from job_trigger_worker.storage.read import dead_letters
from job_trigger_worker.storage.read.dead_letters import DeadLetterFilter, Selection, Sendable

Note = Callable[[Connection, Mapping[int, str | None]], None]
"""Called for each letter of a batch, in the transaction that marks it: why it was not sent, or
None.
"""

_PATIENCE_S = 5.0
_PATIENT_S = 30.0


def replay(
    engine: Engine,
    kafka: KafkaSettings,
    choice: DeadLetterFilter,
    found: Selection,
    *,
    edited: bytes | None = None,
    progress: Callable[[int], None] = lambda _: None,
    note: Note = lambda _connection, _outcomes: None,
    timeout_s: float = _PATIENT_S,
) -> Replayed:
    """Send a choice's letters, as counted in `found`, in the order of their ids.

    Each batch is marked when every message of it was looked at. What the brokers refuse is left
    out; it ends after a batch in which they did not answer for one. `progress` is told how many
    are done. `edited` takes the place of the value of the one letter that is chosen. A letter of
    which less than the whole message is kept is never sent.

    Raises `BrokersAway` when none answers within `timeout_s`: then nothing was sent.
    """
    result = Replayed()
    choice = dataclasses.replace(choice, with_cut=False)
    after = 0
    try:
        connected = MessageSender(kafka, found.topics, timeout_s=timeout_s)
    except Transient as error:
        raise BrokersAway(error.message, remedy=error.remedy) from error
    with connected as resender:
        while result.is_answered:
            with errors.translate_read_errors(), engine.connect() as connection:
                page = dead_letters.page(connection, choice, after=after, last=found.last)
            if not page:
                break
            after = page[-1].id
            outcomes = resender.send([message(letter, edited) for letter in page])
            done = dict(zip([letter.id for letter in page], outcomes, strict=True))
            sent = [letter_id for letter_id, outcome in done.items() if outcome.error is None]
            with errors.translate_write_errors(), engine.begin() as connection:
                dead_letters.mark_replayed(connection, sent)
                note(connection, {i: each.error for i, each in done.items()})
            result.replayed += sent
            result.failed |= {i: each.error for i, each in done.items() if each.error is not None}
            result.is_answered = all(each.error is None or each.is_refused for each in outcomes)
            progress(len(result.replayed))
    return result


def standing(
    engine: Engine, choice: DeadLetterFilter, found: Selection, *, edited: bytes | None
) -> list[Standing]:
    """Records beside which a choice's letters will have theirs; of those not replayed before."""
    beside: list[Standing] = []
    choice = dataclasses.replace(choice, with_replayed=False, with_cut=False)
    after = 0
    with errors.translate_read_errors(), engine.connect() as connection:
        while page := dead_letters.page(connection, choice, after=after, last=found.last):
            after = page[-1].id
            if edited is not None:
                page = [dataclasses.replace(each, value=edited) for each in page]
            beside += replay_rules.standing(connection, page)
    return beside


def message(letter: Sendable, edited: bytes | None) -> Event:
    """A letter as it is sent again: the same key, value and headers, and what it repeats."""
    headers = [header for header in letter.headers if header[0] != REPLAY_HEADER]
    value = letter.value if edited is None else edited
    signed = sign(REPLAY_HEADER, letter.place, letter.nonce, value)
    return Event(letter.topic, letter.key, [*headers, (REPLAY_HEADER, signed)], value)


class Replayer:
    """Replays for people who wait for an answer; threads may share one."""

    def __init__(self, settings: Settings, kafka: KafkaSettings) -> None:
        self._engine = make_engine(settings)
        self._kafka = kafka

    def replay(
        self, choice: DeadLetterFilter, found: Selection, *, edited: bytes | None, note: Note
    ) -> Replayed:
        """As `replay` does, within some seconds a batch."""
        return replay(
            self._engine,
            self._kafka,
            choice,
            found,
            edited=edited,
            note=note,
            timeout_s=_PATIENCE_S,
        )
