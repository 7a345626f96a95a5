"""Tests; README.md says how they are laid out.

Importing this imports kafka-python once without its warnings: it reads its schemas in a way that
Python 3.11 calls deprecated, and warnings are errors here.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka  # noqa: F401
