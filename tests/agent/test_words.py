"""Words instead of a plan: nothing is looked up, nothing is asked, nothing is sent."""

from workbench import Person, Planned


def test_words_of_a_model_that_are_no_plan_end_as_a_question(bench):
    outcome = bench.carry(planner=Planned(outcome="answer", say="all is approved"), person=Person())
    assert (outcome.outcome, outcome.exit_code) == ("clarify", 4)
    assert bench.rows("asked", "decided", "intended", "failed") == []
    assert bench.spy.sent == []
