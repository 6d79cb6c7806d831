"""Ways to get an answer that take no person at a terminal: nobody, an option, a file."""

from collections.abc import Callable

from eucentric.agent.consent.asked import Answer, Asked
from eucentric.agent.consent.policy import Policy, outside
from eucentric.core.roles import at_least
from eucentric.core.text import quoted, visible


class Nobody:
    """No terminal, no policy: the question is parked, never answered."""

    def show(self, asked: Asked) -> None:
        """Nothing to show it on."""

    def poll(self, asked: Asked, seconds: float) -> Answer:
        """At once: there is no channel. That is not a denial."""
        return Answer("no_channel", "nobody", "no terminal to ask on", automatic=True)


class Deny:
    """`--approve deny`: what needs approval is not done."""

    def show(self, asked: Asked) -> None:
        """Nothing to show."""

    def poll(self, asked: Asked, seconds: float) -> Answer:
        """Always rejected, by the option a person gave."""
        return Answer(
            "rejected", "option --approve deny", "nothing that moves or exposes may run", automatic=True
        )


class ByPolicy:
    """A policy file answers what lies inside it; what does not is parked."""

    def __init__(self, policy: Policy, sha256: str, path: str, tell: Callable[[str], None]) -> None:
        self.policy, self.sha256, self.path, self.tell = policy, sha256, path, tell

    def show(self, asked: Asked) -> None:
        """Print the file's bounds in full, since nobody is asked."""
        author = quoted(self.policy.author)
        self.tell(f"Approving by file {quoted(self.path)} (by {author}, sha256 {self.sha256[:12]}…):")
        bounds = {"releases_holds": self.policy.releases_holds, **self.policy.envelope.model_dump()}
        if asked.held:
            self.tell(f"    The beam is held: {visible(asked.held)}")
        for key, value in bounds.items():
            self.tell(f"    {key} = {list(value) if isinstance(value, tuple) else value}")

    def poll(self, asked: Asked, seconds: float) -> Answer:
        """Approved if the wanted envelope fits, else no channel for the rest."""
        by = f"policy {quoted(self.policy.name)} (sha256 {self.sha256})"
        wrong = outside(self.policy.envelope, asked.envelope)
        if asked.held and not self.policy.releases_holds:
            wrong.append(f"the beam is held ({quoted(asked.held)}) and the policy does not release holds")
        if not at_least("user", asked.needs.role) or asked.needs.approvers > 1 or asked.needs.signed:
            wrong.append(f"it takes {asked.needs.role}, which a file is not")
        if wrong:
            return Answer("no_channel", by, "outside the policy: " + "; ".join(wrong), automatic=True)
        return Answer("approved", by, f"inside the bounds of {self.path}", automatic=True)
