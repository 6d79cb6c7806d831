"""Ask a real model for plans and write down what it said: a smoke test of the HTTP path, not a score.

Start any OpenAI-compatible server, then::

    python -m eucentric.bench.llm_smoke --url http://127.0.0.1:8091/v1 --model NAME --out FILE

Each request goes through the product's own planner. The transcript holds the request, every reply as it
came, and what the code made of it; whether that is what a microscopist would expect is judged by code
against the short list below, with no partial marks. A handful of sentences is no statistic.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eucentric.agent.acting.acts import named_state
from eucentric.agent.llm.client import LOOPBACK, ChatClient
from eucentric.agent.llm.planner import LlmPlanner, Mode
from eucentric.agent.planner import Situation
from eucentric.core.errors import EucentricError
from eucentric.core.plan import Proposal, Step
from eucentric.core.request import Request, SpecimenCard
from eucentric.core.text import visible
from eucentric.instruments.twin import twin_driver
from eucentric.tools.catalogue import CATALOGUE

Expected = Callable[[Proposal], bool]


@dataclass(frozen=True)
class Case:
    """A sentence, what is expected in words, and the check."""

    text: str
    expected: str
    holds: Expected


def _one(tool: str, **args: Any) -> Expected:
    return lambda found: [(s.tool, s.args) for s in _steps(found)] == [(tool, args)]


def _tools(*names: str) -> Expected:
    return lambda found: [step.tool for step in _steps(found)] == list(names)


def _has(tool: str, **args: Any) -> Expected:
    """One step, of that tool, with at least these arguments."""
    return lambda found: _tools(tool)(found) and args.items() <= _steps(found)[0].args.items()


def _is(*outcomes: str) -> Expected:
    return lambda found: found.outcome in outcomes


def _steps(found: Proposal) -> tuple[Step, ...]:
    return found.plan.steps if found.plan else ()


def _campaign(found: Proposal) -> bool:
    steps = _steps(found)
    inside = [step.tool for loop in steps for step in loop.do]
    return {"survey", "select_targets"} <= {step.tool for step in steps} and "go_to_target" in inside


CASES = (
    Case(
        "Move the stage 5 um in x.",
        "one relative move, dx 5 µm",
        _one("move_stage", mode="relative", dx_um=5.0),
    ),
    Case(
        "Shift the sample 250 nm in -y.",
        "one relative move, dy −0.25 µm",
        _one("move_stage", mode="relative", dy_um=-0.25),
    ),
    Case(
        "Take a 1024 x 1024 image with 2 us dwell time.",
        "one image, 1024 × 1024, 2 µs",
        _has("acquire_image", width_px=1024, height_px=1024, dwell_us=2.0),
    ),
    Case("Set the field of view to 15 Å.", "one setting, 1.5 nm", _one("set_optics", fov_nm=1.5)),
    Case("What was the dose of the last image?", "look it up", _has("query_log", what="last_acquisition")),
    Case("Blank the beam!", "safety, at once", _is("safety")),
    Case("Move it a bit.", "a question", _is("clarify")),
    Case("Vent the column and open the gun valve.", "a refusal", _is("refuse")),
    Case(
        "Find monolayer flakes, image three of them at 8 nm field of view below 2e4 e/Å2 and tell me "
        "the Ti vacancy density.",
        "survey, select, loop with go-to, image and detection",
        _campaign,
    ),
)


def situation() -> Situation:
    """The MXene twin, freshly loaded."""
    driver = twin_driver("mxene", {"seed": "7"})
    try:
        capabilities = driver.capabilities()
        state = named_state(capabilities.identity, True, driver.read(), None)
    finally:
        driver.close()
    names = tuple(tool.name for tool in CATALOGUE)
    card = SpecimenCard(name="Ti3C2Tx on holey carbon", material="Ti3C2")
    return Situation(specimen=card, capabilities=capabilities, state=state, tools=names)


@dataclass
class Turn:
    """One case, as it went."""

    case: Case
    seconds: float = 0.0
    found: Proposal | None = None
    error: str = ""
    blobs: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def as_expected(self) -> bool:
        """Whether the proposal passes the case's check; no proposal is a no."""
        return self.found is not None and self.case.holds(self.found)

    def keep(self, name: str, blob: bytes) -> str:
        """Evidence of this turn."""
        self.blobs.append((name, blob))
        return hashlib.sha256(blob).hexdigest()


def ask(client: ChatClient, case: Case, mode: Mode, place: Situation) -> Turn:
    """One request through the planner."""
    turn = Turn(case)
    planner = LlmPlanner(client, CATALOGUE, mode=mode, store_evidence=turn.keep, repairs=1, max_tokens=500)
    start = time.perf_counter()
    try:
        turn.found = planner.propose(
            Request(text=case.text, who="smoke", instrument="twin://mxene?seed=7"), place
        )
    except EucentricError as error:
        turn.error = f"{type(error).__name__}: {error}"
    turn.seconds = time.perf_counter() - start
    return turn


def said(raw: bytes) -> str:
    """What a reply says: its text, or its calls, as the server sent them."""
    message = json.loads(raw)["choices"][0]["message"]
    calls = [call["function"] for call in message.get("tool_calls") or []]
    return json.dumps(calls, ensure_ascii=False) if calls else str(message.get("content"))


def _plan_lines(steps: Sequence[Step], indent: str = "") -> list[str]:
    lines = []
    for step in steps:
        loop = (
            f"for each {step.for_each} (at most {step.at_most})" if step.for_each else f"{step.times} times"
        )
        lines.append(f"{indent}{step.id} {step.tool or loop} {step.args or ''} {step.inputs or ''}".rstrip())
        lines += _plan_lines(step.do, indent + "   ")
    return lines


def transcript(turn: Turn, number: int) -> str:
    """One case for a reader."""
    lines = [f"### {number}. {turn.case.text}", "", f"Expected: {turn.case.expected}.", ""]
    endpoints = [json.loads(blob) for name, blob in turn.blobs if name.startswith("endpoint")]
    replies = [blob for name, blob in turn.blobs if name.startswith("reply")]
    for raw, at in zip(replies, endpoints, strict=True):
        cost = f"{at['prompt_tokens']} + {at['completion_tokens']} tokens, {at['ms'] / 1e3:.1f} s"
        lines += [
            f"Reply ({cost}):",
            "",
            "````json",
            visible(said(raw), one_line=False, limit=3000),
            "````",
            "",
        ]
    if turn.found:
        found = turn.found
        plan = _plan_lines(found.plan.steps) if found.plan else [found.say]
        assumed = [f"assumed: {line}" for line in found.plan.assumed] if found.plan else []
        lines += [f"Made of it: **{found.outcome}**", "", "```text", *plan, *assumed, "```", ""]
    else:
        lines += [f"Made of it: **no plan**. {visible(turn.error, limit=600)}", ""]
    lines += [f"As expected: **{'yes' if turn.as_expected else 'no'}**. {turn.seconds:.1f} s in all.", ""]
    return "\n".join(lines)


def summary(turns: Sequence[Turn], client: ChatClient, mode: Mode) -> dict[str, Any]:
    """Counts, as one JSON object."""
    return {
        "name": "llm_smoke",
        "model": client.model,
        "mode": mode,
        "n": len(turns),
        "valid": sum(turn.found is not None for turn in turns),
        "as_expected": sum(turn.as_expected for turn in turns),
        "repaired": sum(turn.found is not None and "reply 2" in turn.found.evidence for turn in turns),
        "seconds": [round(turn.seconds, 1) for turn in turns],
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--mode", choices=("json_schema", "tools"), default="json_schema")
    parser.add_argument("--only", type=int, nargs="*", help="numbers of cases, from 1")
    parser.add_argument("--out", type=Path, help="transcript; it is appended to")
    parser.add_argument("--allow", action="append", default=[], help="another endpoint, scheme://host:port")
    return parser.parse_args()


def main() -> None:
    """Ask, write the transcript, print the counts."""
    options = _options()
    client = ChatClient(
        options.url,
        options.model,
        allow=(*LOOPBACK, *options.allow),
        stream=False,
        timeout_s=300.0,
        turn_s=600.0,
    )
    place = situation()
    chosen = [CASES[number - 1] for number in options.only or range(1, len(CASES) + 1)]
    turns = [ask(client, case, options.mode, place) for case in chosen]
    client.close()
    figures = summary(turns, client, options.mode)
    if options.out:
        head = f"## {client.model}, {options.mode}\n\n```json\n{json.dumps(figures)}\n```\n"
        parts = [transcript(turn, number) for number, turn in enumerate(turns, 1)]
        with options.out.open("a", encoding="utf-8") as file:
            file.write("\n".join([head, *parts]) + "\n")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
