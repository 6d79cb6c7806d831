"""The language-model planner: a sentence and a situation go to a model, a checked proposal comes back.

The model holds nothing and decides nothing: its reply is a draft that is validated argument by argument,
and its words are data. Every exchange is kept as evidence, without the key.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from eucentric.agent.llm.client import ChatClient, ChatReply
from eucentric.agent.llm.draft import Compiled, PlanDraft, compile_steps
from eucentric.agent.llm.numbers import dose_bound, stated, unsupported
from eucentric.agent.llm.picture import MakePicture, Picture
from eucentric.agent.llm.reply import PSEUDO_TOOLS, read_reply, returned
from eucentric.agent.llm.schema import (
    AnyTool,
    declaration,
    draft_schema,
    first_sentence,
    parameters,
    signature,
)
from eucentric.agent.llm.situation import data_block, known
from eucentric.agent.planner import Situation
from eucentric.core.canonical import canonical
from eucentric.core.errors import ModelError, ModelReplyInvalid
from eucentric.core.plan import Plan, Proposal
from eucentric.core.request import Request
from eucentric.core.text import visible
from eucentric.prompts import load

Mode = Literal["tools", "json_schema"]
StoreEvidence = Callable[[str, bytes], str]
"""Keeps a blob under a name and returns its sha256."""

NOT_REVIEWED = "written by a model, not reviewed"


@dataclass
class _Talk:
    """One request's conversation with the model, and what of it was kept."""

    messages: list[dict[str, Any]]
    last_frame: str = ""
    picture: Picture | None = None
    """What the first message shows."""
    evidence: dict[str, str] = field(default_factory=dict)


class LlmPlanner:
    """A planner behind an OpenAI-compatible endpoint.

    Parameters
    ----------
    tools
        The catalogue; the model can propose nothing else.
    mode
        ``json_schema``: the reply is one object under a grammar (llama.cpp, vLLM, small models). ``tools``:
        native tool calls (hosted models). ``auto``: json_schema on this machine, tools elsewhere.
    store_evidence
        Called with a name and bytes; returns the sha256 under which they are kept.
    picture
        Makes a small picture of the newest image, to go with the request; None: no pixel leaves.
    repairs
        How often a reply that does not validate goes back with its errors.
    """

    revises = True
    """After a rejection it is asked for another plan."""

    def __init__(
        self,
        client: ChatClient,
        tools: Sequence[AnyTool],
        *,
        mode: Mode | Literal["auto"] = "auto",
        store_evidence: StoreEvidence,
        picture: MakePicture | None = None,
        repairs: int = 2,
        max_tokens: int = 1200,
        temperature: float = 0.0,
    ) -> None:
        self.name = f"llm {visible(client.model, limit=80)}"
        self.mode: Mode = ("json_schema" if client.local else "tools") if mode == "auto" else mode
        self._client, self._tools, self._store = client, tuple(tools), store_evidence
        self._picture = picture
        self._repairs, self._max_tokens, self._temperature = repairs, max_tokens, temperature

    def propose(self, request: Request, situation: Situation) -> Proposal:
        """A checked proposal.

        Raises
        ------
        EndpointFailed
            The model did not answer.
        ModelReplyInvalid
            It answered, but nothing that validates, also after its errors were given back.
        """
        tools = {
            tool.name: tool for tool in self._tools if not situation.tools or tool.name in situation.tools
        }
        last = situation.last_frame
        picture = self._picture(last) if self._picture and last else None
        talk = _Talk(self._opening(request, situation, tools, picture), last.id if last else "", picture)
        talk.evidence |= self._prompt_evidence()
        try:
            proposal = self._agreed(request, tools, talk)
        except ModelError as error:
            if picture is None:
                raise
            why = f"{error.why}; the request carried {picture.told(self._client.base_url)}"
            remedy = f"{error.remedy}; send_pixels in the settings turns pictures off"
            raise type(error)(error.what, why, remedy, code=error.error_code) from error
        return _telling(proposal, picture.told(self._client.base_url)) if picture else proposal

    def _agreed(self, request: Request, tools: dict[str, AnyTool], talk: _Talk) -> Proposal:
        """Talk until a reply validates."""
        errors: list[str] = []
        for number in range(1, self._repairs + 2):
            reply = self._ask(talk, tools, number)
            draft, errors = read_reply(reply, self._max_tokens, must_be_json=self.mode == "json_schema")
            if draft and not errors:
                first = number == 1 and self._repairs > 0
                proposal, errors = self._proposal(draft, request, tools, talk, first=first)
                if proposal and not errors:
                    return proposal
            talk.messages += returned(reply, errors)
        raise ModelReplyInvalid(
            f"{self.name} gave no valid plan in {self._repairs + 1} replies",
            "; ".join(errors[:4]),
            "say it in other words, use the grammar planner, or another model; its replies are kept as "
            + ", ".join(
                f"{name} {sha[:12]}" for name, sha in talk.evidence.items() if name.startswith("reply")
            ),
        )

    def _opening(
        self, request: Request, situation: Situation, tools: dict[str, AnyTool], picture: Picture | None
    ) -> list[dict[str, Any]]:
        """Rules and tools first and always the same bytes, so that a server can reuse what it computed."""
        rules = load("planner").text + "\n" + load(self._prompt_file).text
        if self.mode == "json_schema":
            rules += "\n".join(signature(tool) for tool in tools.values())
        asked = data_block("SITUATION", known(situation)) + data_block("REQUEST", {"text": request.text})
        if situation.rejected:
            asked += data_block(
                "REJECTED", {"plans": [visible(one, limit=400) for one in situation.rejected]}
            )
        shown = asked if picture is None else [{"type": "text", "text": asked}, *picture.parts()]
        return [{"role": "system", "content": rules}, {"role": "user", "content": shown}]

    @property
    def _prompt_file(self) -> str:
        return "planner_json" if self.mode == "json_schema" else "planner_tools"

    def _prompt_evidence(self) -> dict[str, str]:
        """The prompt files themselves: the stored sha256 is the digest of the file."""
        names = ("planner", self._prompt_file)
        return {
            f"prompt {name}": self._store(f"{name}.md", load(name).text.encode("utf-8")) for name in names
        }

    def _ask(self, talk: _Talk, tools: dict[str, AnyTool], number: int) -> ChatReply:
        if self.mode == "json_schema":
            offer: dict[str, Any] = {"schema": draft_schema(tuple(tools.values()))}
        else:
            declared = [
                declaration(tool.name, first_sentence(tool.description), parameters(tool))
                for tool in tools.values()
            ]
            offer = {"tools": [*declared, *PSEUDO_TOOLS]}
        reply = self._client.chat(
            talk.messages, max_tokens=self._max_tokens, temperature=self._temperature, **offer
        )
        self._keep(talk, reply, number)
        return reply

    def _keep(self, talk: _Talk, reply: ChatReply, number: int) -> None:
        mark = "" if number == 1 else f" {number}"
        talk.evidence[f"request{mark}"] = self._store(f"request{mark}.json", reply.request)
        talk.evidence[f"reply{mark}"] = self._store(f"reply{mark}.txt", reply.response)
        endpoint = {
            "url": self._client.base_url, "model": self._client.model, "served_model": reply.model,
            "fingerprint": reply.fingerprint, "mode": self.mode, "temperature": self._temperature,
            "seed": self._client.seed, "max_tokens": self._max_tokens, "tries": reply.tries,
            "ms": round(reply.ms),
            "prompt_tokens": reply.usage.prompt, "completion_tokens": reply.usage.completion,
            "pixels": talk.picture.record() if talk.picture else None,
        }  # fmt: skip
        talk.evidence[f"endpoint{mark}"] = self._store(f"endpoint{mark}.json", canonical(endpoint).encode())

    def _proposal(
        self, draft: PlanDraft, request: Request, tools: dict[str, AnyTool], talk: _Talk, *, first: bool
    ) -> tuple[Proposal | None, list[str]]:
        if draft.outcome in ("clarify", "refuse") or not draft.steps:
            return _words(draft, talk.evidence)
        compiled = compile_steps(draft.steps, tools)
        errors = compiled.errors[:8] or _unknown_frames(compiled, request.text, talk.last_frame)
        errors = errors or (_invented(compiled, request.text) if first else [])
        if errors:
            return None, errors
        if not stated(request.text) and (amounts := _amounts(compiled, request.text)):
            return _how_much(amounts, talk.evidence), []
        plan = Plan(
            title=visible(request.text, limit=120),
            steps=tuple(compiled.steps),
            budget_e_per_a2=dose_bound(request.text),
            assumed=_assumed(compiled, request.text),
            planner=self.name,
        )
        words = visible(draft.say.strip(), limit=400)
        say = f"The model's words, unchecked: {words}" if words else ""
        return Proposal(outcome=compiled.outcome, plan=plan, say=say, evidence=talk.evidence), []


def _telling(proposal: Proposal, sent: str) -> Proposal:
    """The proposal, and its plan for whoever approves it, with what left this machine."""
    plan = proposal.plan
    if plan is not None:
        plan = plan.model_copy(update={"assumed": (*plan.assumed, f"pixels sent: {sent}")})
    return proposal.model_copy(update={"plan": plan, "pixels_sent": sent})


def _unknown_frames(compiled: Compiled, text: str, last: str) -> list[str]:
    """Frames that a model made up: a frame is named by the person, is the last one, or comes from a step."""
    return [
        f"{name} {tool.name}.{key}: there is no frame {visible(str(frame), limit=60)!r}; refer to a step's "
        "result, such as 's1.frames'"
        for name, tool, args in compiled.used
        for key in ("frame", "frames")
        for frame in ([args[key]] if isinstance(args.get(key), str) else args.get(key) or [])
        if frame not in ("last", last) and str(frame) not in text
    ]


def _amounts(compiled: Compiled, text: str) -> list[str]:
    """Settings whose number the request does not state."""
    return [
        f"{name} {tool.name}: {number}"
        for name, tool, args in compiled.used
        if tool.risk == "control"
        for number in unsupported(args, tool.args, text)
    ]


def _how_much(amounts: list[str], evidence: dict[str, str]) -> Proposal:
    """'Move it a bit' has no amount: whatever a model makes of it is a question, never a plan."""
    say = "The request states no amount for a setting. How much? The model's own choice is listed, nothing more."
    return Proposal(outcome="clarify", say=say, options=tuple(amounts[:5]), evidence=evidence)


def _invented(compiled: Compiled, text: str) -> list[str]:
    """Settings that nobody asked for go back once; a model that insists may have a reason, and a person sees it."""
    remedy = (
        "is not in the request; copy the person's number and unit, leave out what nobody asked for, or ask"
    )
    return [f"{amount} {remedy}" for amount in _amounts(compiled, text)]


def _assumed(compiled: Compiled, text: str) -> tuple[str, ...]:
    """What the person who approves must know: who wrote it, whose numbers these are, which defaults act."""
    lines = [NOT_REVIEWED]
    for name, tool, args in compiled.used:
        lines += [
            f"{name} {tool.name}: {number} is the model's number, not in the request"
            for number in unsupported(args, tool.args, text)
        ]
        taken = [
            f"{key} {entry.default}"
            for key, entry in tool.args.model_fields.items()
            if key not in args and not entry.is_required() and entry.default not in (None, "", ())
        ]
        if taken and tool.risk in ("control", "expose"):
            lines.append(f"{name} {tool.name}: defaults {', '.join(taken)}")
    return tuple(lines)


def _words(draft: PlanDraft, evidence: dict[str, str]) -> tuple[Proposal | None, list[str]]:
    """A question, a refusal or plain words: nothing runs, and what it claims is marked as unchecked."""
    say = visible(draft.say.strip(), limit=400)
    if not say:
        return None, ["'say' is empty and there are no steps: plan, ask or refuse"]
    options = tuple(visible(option, limit=120) for option in draft.options[:5])
    if draft.outcome in ("clarify", "refuse"):
        return Proposal(outcome=draft.outcome, say=say, options=options, evidence=evidence), []
    if draft.outcome != "answer":
        return None, [f"outcome {draft.outcome!r} needs steps; nothing was done, so do not say that it was"]
    marked = f"Nothing was done or looked up. The model's words, unchecked: {say}"
    return Proposal(outcome="answer", say=marked, evidence=evidence), []
