"""Options that several commands share, and how a command opens what they name."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from eucentric.agent.consent.rules import RuleBook
    from eucentric.agent.likeness import Again
    from eucentric.agent.planner import Planner
    from eucentric.core.request import SpecimenCard
    from eucentric.core.roles import Role
    from eucentric.core.settings import Settings
    from eucentric.core.store import Store
    from eucentric.instruments.instrument import Instrument

F = TypeVar("F", bound=Callable[..., Any])

store_option = click.option(
    "--store", type=click.Path(path_type=Path), help="Store folder [./eucentric-store]."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
debug_option = click.option("--debug", is_flag=True, hidden=True, help="Show the trace of a defect.")


def instrument_options(command: F) -> F:
    """Which instrument, which specimen."""
    for option in (
        click.option("--specimen", type=click.Path(path_type=Path), help="Specimen card (TOML)."),
        click.option("--instrument", metavar="URI", help="Such as twin://mxene?seed=7 or py:module:factory."),
    ):
        command = option(command)
    return command


def planner_options(command: F) -> F:
    """Which planner, which model."""
    for option in (
        click.option("--model", help="Name of the model at the endpoint."),
        click.option(
            "--base-url", help="OpenAI-compatible endpoint; must be on the allow-list of the settings."
        ),
        click.option(
            "--planner", type=click.Choice(["grammar", "llm"]), help="grammar (default, no model) or llm."
        ),
    ):
        command = option(command)
    return command


def settings() -> "Settings":
    """The user's settings."""
    from eucentric.core.settings import load_settings

    return load_settings()


def open_store(folder: Path | None, *, existing: bool = False) -> "Store":
    """The store named by the option, the settings or the default."""
    from eucentric.core.store import Store

    path = folder or settings().store
    return Store.existing(path) if existing else Store(path)


def specimen_card(path: Path | None, uri: str) -> "SpecimenCard | None":
    """The card named by the option or the settings; a built-in twin's world brings its own."""
    from eucentric.core.redaction import redacted
    from eucentric.core.request import SpecimenCard
    from eucentric.core.settings import load_model
    from eucentric.instruments.cards import card_of_twin

    named = path or settings().specimen
    if named is not None:
        card = load_model(named, "specimen card", SpecimenCard)
        return SpecimenCard.model_validate(redacted(card.model_dump(mode="json", exclude_unset=True)))
    return card_of_twin(uri)


def rule_book(uri: str) -> "RuleBook":
    """The rules of the site that the settings name, else the built-in ones."""
    from eucentric.agent.consent.rules import BUILT_IN, load_rules
    from eucentric.core.places import canonical_uri

    path = settings().policy
    return BUILT_IN if path is None else load_rules(path, canonical_uri(uri))


def open_by_uri(uri: str | None) -> "tuple[str, Instrument]":
    """The instrument named by the option or the settings, through its host process."""
    from eucentric.core.places import canonical_uri
    from eucentric.instruments.uri import open_instrument

    name = canonical_uri(uri or settings().instrument)
    return name, open_instrument(name)


def make_planner(kind: str | None, base_url: str | None, model: str | None, store: "Store") -> "Planner":
    """The grammar, or a language model at an allowed endpoint."""
    chosen = settings()
    if (kind or chosen.planner) == "grammar":
        from eucentric.agent.grammar import GrammarPlanner

        return GrammarPlanner()
    from eucentric.agent.llm.client import ChatClient
    from eucentric.agent.llm.picture import from_store
    from eucentric.agent.llm.planner import LlmPlanner
    from eucentric.agent.safety_first import SafetyFirst
    from eucentric.tools.catalogue import CATALOGUE

    llm = chosen.llm
    client = ChatClient(
        base_url or llm.base_url, model or llm.model, allow=llm.allow, timeout_s=llm.timeout_s, api_key=_key()
    )

    def keep(name: str, data: bytes) -> str:
        return store.put_text(data)

    picture = from_store(store) if llm.send_pixels else None
    return SafetyFirst(LlmPlanner(client, CATALOGUE, mode=llm.mode, store_evidence=keep, picture=picture))


def make_again(store: Path | None, run: str, drop: tuple[str, ...], change: tuple[str, ...]) -> "Again":
    """The plan of an earlier run, in the planner's place."""
    from eucentric.agent.likeness import Again

    opened = open_store(store, existing=True)
    try:
        return Again(opened, run, drop, change)
    finally:
        opened.close()


def _key() -> str | None:
    import os

    return os.environ.get("EUCENTRIC_API_KEY")


def proved(name: str, secret: str) -> "tuple[Role, Any]":
    """The role of an operator whose secret fits, and what signs in their name (None without a key).

    Raises
    ------
    ApprovalRefused
        It does not fit.
    """
    from eucentric.core.operators import prove
    from eucentric.core.signing import signer_for

    return prove(name, secret).role, signer_for(name, secret)


def who() -> str:
    """The person and the terminal, for the record."""
    import getpass
    import os
    import sys

    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    try:
        place = os.ttyname(sys.stdin.fileno()).removeprefix("/dev/")
    except (OSError, ValueError):
        place = "no terminal"
    return f"{name} ({place})"
