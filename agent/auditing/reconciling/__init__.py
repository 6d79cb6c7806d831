"""What the instrument did, what lies on the disk, and what the rows say: compared, and what has no row is listed."""

from eucentric.agent.auditing.reconciling.compare import reconciled as reconciled
from eucentric.agent.auditing.reconciling.model import Reconciliation as Reconciliation
