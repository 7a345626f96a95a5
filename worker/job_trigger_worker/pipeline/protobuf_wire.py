"""Whether bytes are Protobuf, as far as they say so themselves. Pure.

Source: protobuf.dev, 'Encoding', and the wire format of Confluent's serializers. Groups, which no
serializer writes any more, are not known. Bounded: the first thousand fields are looked at.
"""

from __future__ import annotations

_MOST_FIELDS = 1000
_LONGEST_VARINT = 10
_GOES_ON = 0x80
_VARINT, _FIXED_64, _BY_LENGTH, _FIXED_32 = 0, 1, 2, 5
_WIDTHS = {_FIXED_64: 8, _FIXED_32: 4}


def is_protobuf(content: bytes) -> bool:
    """Whether bytes are fields of Protobuf, at least one, to their end."""
    place = 0
    for _ in range(_MOST_FIELDS):
        place = _after_field(content, place)
        if not 0 <= place < len(content):
            return place == len(content) > 0
    return True


def is_framed_protobuf(payload: bytes) -> bool:
    """The same behind the indexes that name a message within its schema."""
    count, place = _varint(payload, 0)
    for _ in range(min(count >> 1, _MOST_FIELDS)):  # zigzag; 0 stands for the first message
        _, place = _varint(payload, place)
    return place >= 0 and is_protobuf(payload[place:])


def _after_field(content: bytes, place: int) -> int:
    """Where the field at a place ends; -1 where there is none."""
    tag, place = _varint(content, place)
    kind = tag & 7
    if place < 0 or not tag >> 3:
        return -1
    if kind == _VARINT:
        return _varint(content, place)[1]
    if kind == _BY_LENGTH:
        size, place = _varint(content, place)
        return place + size if place >= 0 else -1
    return place + _WIDTHS[kind] if kind in _WIDTHS else -1


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """A number and where it ends; -1 where there is none."""
    number = 0
    if place >= 0:
        for step, byte in enumerate(content[place : place + _LONGEST_VARINT]):
            number |= (byte & ~_GOES_ON) << (7 * step)
            if byte < _GOES_ON:
                return number, place + step + 1
    return 0, -1
