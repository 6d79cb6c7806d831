"""What two processes do at once: a module of its own, as each of them imports what it is sent."""

from eucentric.agent.consent.asked import Answer
from eucentric.agent.consent.deciding import answered_by_grant, decide
from eucentric.agent.gate import question
from eucentric.core.store import Store


def use_grant(folder, run_id, barrier, answers):
    """Answer the question of a run by a standing grant, if there is one left."""
    store = Store(folder)
    asked = question(store, run_id)
    barrier.wait()
    made = answered_by_grant(store, run_id, asked)
    answers.put(made.outcome if made else "asked")
    store.close()


def answer_first(folder, name, barrier, answers):
    """Answer the question of the first run; tell whose answer counts."""
    store = Store(folder)
    asked = question(store, "r-0001")
    barrier.wait()
    answers.put(decide(store, "r-0001", asked, Answer("approved" if name == "a" else "rejected", name)).by)
    store.close()
