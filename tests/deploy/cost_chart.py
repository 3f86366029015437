"""A picture of the cost dashboard's main query: `python -m tests.deploy.cost_chart docs/cost.png`, in two minutes.

A real Prometheus scrapes a real gateway of two workers; the models are simulated, and the picture says so.
"""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import matplotlib
import matplotlib.pyplot as plt

from gateway.clock import now_us
from tests.deploy.dashboards import DASHBOARDS, panels
from tests.deploy.prometheus import Prometheus, prometheus
from tests.deploy.test_live import MODELS, asking, config, filled
from tests.fakes.control import SCRAPER
from tests.fakes.served import serving, wait_for
from tests.fakes.simulated import simulated_in_thread

LOAD_S: Final = 60.0
TITLE: Final = "What does a day cost at this pace, by purpose?"


def main_query() -> str:
    """As Grafana sends it."""
    path = next(path for path in DASHBOARDS if path.stem == "cost")
    panel = next(panel for panel in panels(path) if panel["title"] == TITLE)
    return filled(panel["targets"][0]["expr"])


def measured() -> list[dict[str, Any]]:
    """The query's series over a minute of load."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(simulated_in_thread(MODELS))
        served = stack.enter_context(serving(directory, config(upstream.base_url))).wait_ready()
        address = served.admin.removeprefix("http://")
        watch: Prometheus = stack.enter_context(prometheus(directory, {"fallgate": address}, SCRAPER))
        wait_for(lambda: watch.is_up("fallgate"), "the gateway is scraped")
        started_s = now_us() / 1e6
        with asking(served, [], []):
            wait_for(lambda: now_us() / 1e6 - started_s > LOAD_S, "there was load for a minute", 2 * LOAD_S)
        found: list[dict[str, Any]] = watch.ask(
            "query_range", query=main_query(), start=str(started_s), end=str(started_s + LOAD_S), step="1"
        )["result"]
        return found


def draw(series: list[dict[str, Any]], path: Path) -> None:
    """Stacked, as on the dashboard."""
    matplotlib.use("Agg")
    times = sorted({at for one in series for at, _ in one["values"]})
    heights = [[float(dict(map(tuple, one["values"])).get(at, 0.0)) for at in times] for one in series]
    figure, axes = plt.subplots(figsize=(9, 4.2))
    axes.stackplot([at - times[0] for at in times], heights, labels=[one["metric"]["purpose"] for one in series])
    axes.set(title=TITLE, xlabel="seconds", ylabel="US dollars a day", xlim=(0, times[-1] - times[0]))
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), reverse=True)
    figure.text(0.99, 0.01, "Simulated models and traffic, real gateway and Prometheus", ha="right", fontsize=8)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    draw(measured(), Path(sys.argv[1]))
