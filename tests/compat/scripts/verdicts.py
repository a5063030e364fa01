"""What every script of the compatibility tests shares: run features one by one and print what came of each as JSON.

A script is a plain program that uses a released client as its users do. It runs under an interpreter that has that
client and not our packages, so nothing here needs more than the standard library.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

PROJECT = os.environ["LANGSMITH_PROJECT"]
ENDPOINT = os.environ["LANGSMITH_ENDPOINT"]

Feature = Callable[[], None]


class AbsentError(Exception):
    """This release of the client does not have the feature."""


def expect(found: Any, wanted: Any) -> None:
    """Fail with both values where they differ."""
    if found != wanted:
        raise AssertionError(f"expected {wanted!r}, found {found!r}")


def need(owner: object, *names: str) -> None:
    """Report the feature as absent unless ``owner`` has all the ``names``."""
    for name in names:
        if not hasattr(owner, name):
            raise AbsentError(name)


def main(features: Mapping[str, Feature]) -> None:
    """Run ``features``, title and function, in order; print one JSON object, title to verdict."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    verdicts: dict[str, dict[str, str | None]] = {}
    for title, feature in features.items():
        try:
            feature()
            verdicts[title] = {"outcome": "passed", "said": None}
        except AbsentError as error:
            verdicts[title] = {"outcome": "absent", "said": str(error)}
        except BaseException:  # noqa: BLE001 -- a client that exits or gives up is a verdict too
            verdicts[title] = {"outcome": "failed", "said": traceback.format_exc()}
    print(json.dumps(verdicts))  # noqa: T201 -- the result of the program
