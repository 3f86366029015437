"""All experiments in a table."""

from gateway.cli.client import Json


def show_all(found: Json) -> None:
    """A line each, in the order in which they were started."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not found["experiments"]:
        console.print("no experiment was started yet")
        return
    table = Table(box=None, pad_edge=False)
    for word in ("route", "experiment", "state", "metric", "effect", "from", "to", "verdict", "among all"):
        table.add_column(word)
    for one in found["experiments"]:
        figures = ("-" if one[part] is None else f"{one[part]:+.4g}" for part in ("effect", "lower", "upper"))
        holds = "differs" if one["holds_among_all"] else "-"
        cells = (one["route"], one["name"], one["state"], one["metric"], *figures, one["ruling"] or "-", holds)
        table.add_row(*(Text(str(cell).replace("_", " ") if cell == one["state"] else str(cell)) for cell in cells))
    console.print(table)
    share = found["false_share"]
    console.print(f"of the differences that hold among all, at most {share:.0%} are none, on average", soft_wrap=True)
