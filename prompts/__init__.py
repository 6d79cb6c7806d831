"""The texts a model reads, as files, each with the digest that goes into the record."""

import re
from importlib.resources import files
from typing import NamedTuple

from eucentric.core.canonical import sha256_text
from eucentric.core.errors import BadInput


class Prompt(NamedTuple):
    """A text and the sha256 of its UTF-8 bytes."""

    text: str
    digest: str


def load(name: str) -> Prompt:
    """The prompt file ``prompts/NAME.md``.

    Raises
    ------
    BadInput
        If there is no such file.
    """
    path = files(__name__) / f"{name}.md"
    if not re.fullmatch(r"[a-z_]{1,40}", name) or not path.is_file():
        raise BadInput(f"no prompt {name!r}", "prompts are the .md files of eucentric.prompts")
    text = path.read_bytes().decode("utf-8")
    return Prompt(text, sha256_text(text))
