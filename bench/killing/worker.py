"""A worker of `bench kill`: cases from a first number in steps, each a line of JSON on stdout."""

import argparse
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from eucentric.bench.killing.case import Case, carried_out, preload
from eucentric.bench.killing.judge import as_json, judged
from eucentric.bench.killing.scenario import scenario

_TYPICAL_S = {"series": 2.2, "survey": 3.2, "long": 4.0}
"""The frames of an undisturbed run on two slow cores [s]; kills by time are drawn from it."""


def one(number: int, seed: int, folder: Path) -> dict[str, Any]:
    """A case, judged; one that breaks is a failed one."""
    chosen = scenario(number, seed)
    begun = time.monotonic()
    case = Case(chosen, folder)
    with case.entered():
        try:
            record = carried_out(case, _TYPICAL_S[chosen.plan])
            return as_json(judged(case.store, case.log, record, case.ended()), record)
        except Exception as error:
            said = {
                child.output.name: child.read[-400:].decode("utf-8", "replace") for child in case.children
            }
            return {
                "id": chosen.words_of_it, "outputs": {"broke": repr(error), "said": said},
                "trace": traceback.format_exc()[-1500:],
                "deviation": 1, "pass": False, "seconds": round(time.monotonic() - begun, 2),
            }  # fmt: skip


def main() -> None:
    """Until all are done or the time is over."""
    parser = argparse.ArgumentParser()
    for name in ("first", "step", "count", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    preload()
    end = time.monotonic() + chosen.seconds
    for number in range(chosen.first, chosen.count, chosen.step):
        if time.monotonic() > end:
            break
        sys.stdout.write(json.dumps(one(number, chosen.seed, chosen.folder)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
