"""What is said of each failure, one module a language; `domain.messages` renders it.

Each module has `SENTENCES` (by code, or by `code.reason` for one that is told in several ways),
`REMEDIES` (by code) and `WORDS` (the pieces between). Names in braces are the finding's objects and
the pieces that `messages` makes of them. A test holds the languages to the same keys.
"""
