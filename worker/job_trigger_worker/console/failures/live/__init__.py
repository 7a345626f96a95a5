"""Failures as they happen, for everybody who watches: one reader, and a stream each.

`hub` reads the table once for all and lets viewers wait, `recent` holds what it read last, `told`
and `frames` put it into bytes, `shared` computes once what many want, `sums` says what that is.
"""
