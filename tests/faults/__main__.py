"""Tries to break the product, and says what came of it: `python -m tests.faults [OPTIONS]`.

Exit status: 0 without a violation, 1 with one, or when a scenario could not be played.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time

from tests.faults import report
from tests.faults.campaign import campaign
from tests.faults.scenarios import SCENARIOS
from tests.support import services


def main() -> int:
    """Play what was asked for; the exit status."""
    asked = _arguments()
    began = time.monotonic()
    chosen = [each for each in SCENARIOS if _is_meant(each.name, asked.only)]
    if asked.short:
        chosen = [each for each in chosen if each.is_short]
    if asked.soak:
        chosen = [each for each in chosen if each.mixes]
    if asked.list:
        sys.stdout.writelines(f"{each.name}\n" for each in chosen)
        return 0
    if not chosen:
        _say(f"No scenario is called {' or '.join(asked.only)}; --list names them all.")
        return 2
    if not services.node_choice().is_available:
        _say(f"Nothing was played: {services.node_choice().detail}")
        return 1

    def say(line: str) -> None:
        _say(f"{time.monotonic() - began:6.0f} s  {line}")

    say(f"seed {asked.seed}; the same again: make faults ARGS='--seed {asked.seed}'")
    with campaign(asked.seed, say) as played:
        if asked.soak:
            runs = played.soak(chosen, minutes=asked.soak)
        else:
            runs = played.play(chosen, runs=asked.runs)
    table = report.rows(runs, [each.name for each in SCENARIOS])
    violations = sum(row.violations for row in table)
    if asked.json:
        sys.stdout.write(json.dumps(report.as_object(asked.seed, table)) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in report.as_table(table))
    say(f"{violations or 'no'} violation{'' if violations == 1 else 's'}, seed {asked.seed}")
    return 1 if violations else 0


def _is_meant(name: str, only: list[str]) -> bool:
    return not only or any(each.lower() in name.lower() for each in only)


def _say(line: str) -> None:
    """For people; stdout is for the result."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object")
    parser.add_argument("--list", action="store_true", help="name the scenarios and play nothing")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="draw as then")
    parser.add_argument(
        "--only", action="append", default=[], metavar="WORDS", help="scenarios with it in the name"
    )
    parser.add_argument("--runs", type=int, default=2, metavar="N", help="of each (2)")
    parser.add_argument("--short", action="store_true", help="the selection of CI")
    parser.add_argument(
        "--soak", type=float, default=0, metavar="MINUTES", help="mix at random for so long"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
