"""Answers to an auditor's questions, from the ledger alone: `why`, `moments`."""

from eucentric.agent.auditing.moments import at_moment as at_moment
from eucentric.agent.auditing.moments import in_stores as in_stores
from eucentric.agent.auditing.why import Why as Why
from eucentric.agent.auditing.why import why as why
