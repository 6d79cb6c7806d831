"""The loop as a langgraph graph: wiring only. After a crash the ledger is read, not a checkpoint."""

import os
from typing import Any, TypedDict

os.environ.setdefault("LANGSMITH_TRACING", "false")
os.environ.setdefault("LANGCHAIN_TRACING_V2", "false")

from langgraph.graph import END, START, StateGraph

from eucentric.agent.session import Session


class LoopState(TypedDict):
    """Plain strings; everything else is in the ledger."""

    outcome: str


def build(session: Session, *, plan_only: bool = False, resumed: bool = False) -> Any:
    """Wire plan → preview → gate → execute ⇄ judge for one session; a resumed run has its plan already."""
    graph = StateGraph(LoopState)
    if not resumed:
        graph.add_node("plan", lambda state: {"outcome": session.propose()})
    graph.add_node("preview", lambda state: {"outcome": _rehearsed(session, plan_only)})
    graph.add_node("gate", lambda state: {"outcome": session.ask_again() if resumed else session.ask()})
    graph.add_node("execute", lambda state: {"outcome": session.next_call()})
    graph.add_edge(START, "preview" if resumed else "plan")
    if not resumed:
        after = ["preview", "execute", END]
        graph.add_conditional_edges("plan", lambda state: _after_plan(state["outcome"], plan_only), after)
    graph.add_conditional_edges(
        "preview", lambda state: {"ok": "gate", "free": "execute"}.get(state["outcome"], END)
    )
    graph.add_conditional_edges("gate", lambda state: _AFTER_GATE.get(state["outcome"], END))
    graph.add_conditional_edges("execute", lambda state: _AFTER_CALL.get(state["outcome"], END))
    return graph.compile()


_AFTER_GATE = {"approved": "execute", "replan": "plan"}
_AFTER_CALL = {"more": "execute", "ask": "gate"}


def _rehearsed(session: Session, plan_only: bool) -> str:
    outcome = session.rehearse()
    if outcome == "ok" and plan_only:
        return "planned"
    return "free" if outcome == "ok" and session.shown is not None and not session.shown.asks else outcome


def _after_plan(outcome: str, plan_only: bool) -> str:
    if outcome == "safety" and not plan_only:
        return "execute"  # stop and blank wait for nothing
    return "preview" if outcome in ("run", "answer", "safety") else END


def drive(session: Session, *, plan_only: bool = False) -> str:
    """Run the loop to its end and return the last outcome."""
    return _invoke(build(session, plan_only=plan_only))


def drive_resumed(session: Session) -> str:
    """Take up a run whose plan is in the ledger: preview, gate (again), and on."""
    return _invoke(build(session, resumed=True))


def _invoke(graph: Any) -> str:
    last = graph.invoke({"outcome": ""}, {"recursion_limit": 1_000_000})
    return str(last["outcome"])
