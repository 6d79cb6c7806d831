"""Write the run's report."""

from eucentric.core.base import Model
from eucentric.tools.base import Context, Tool, free


class Args(Model):
    """No arguments: the report is made from the ledger."""


class Result(Model):
    """Where it is."""

    markdown: str
    html: str


def run(args: Args, context: Context) -> Result:
    """Make it from what the ledger holds."""
    markdown, html = context.report()
    return Result(markdown=str(markdown), html=str(html))


TOOL: Tool[Args, Result] = Tool(
    "write_report",
    "Write the run's report (Markdown and one self-contained HTML file) from the ledger.",
    "analyse",
    Args,
    Result,
    run,
    free,
    lambda result: f"report {result.html}",
)
