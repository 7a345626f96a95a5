"""The sentences about each failure, one module a language; `domain.messages` renders them.

Each module has `SENTENCES` (by code, or by `code.reason` for one that is told in several ways),
`REMEDIES` (by code) and `WORDS` (the pieces between). Names in braces are the finding's objects and
the pieces that `messages` makes of them. A test holds the languages to the same keys.
"""
