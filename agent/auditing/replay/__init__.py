"""A run made again on a fresh twin from its record, and compared call by call, act by act and frame by frame."""

from eucentric.agent.auditing.replay.perform import replay as replay
from eucentric.agent.auditing.replay.verdict import Compared as Compared
from eucentric.agent.auditing.replay.verdict import Part as Part
from eucentric.agent.auditing.replay.verdict import Replayed as Replayed
