"""The page of numbers: what all processes of this machine counted, read from their files at every scrape."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from gateway.metrics.totals import add_up
from gateway.metrics.writers import WriterFiles


class WritersCollector(Collector):
    """The sum over all processes of this machine, read anew at every scrape."""

    def __init__(self, files: WriterFiles) -> None:
        self._files = files

    def collect(self) -> Iterator[Metric]:
        """One metric a family. No gauge is shown of which no live process has a value."""
        totals = add_up(self._files.sources())
        yield from (total.to_metric() for _, total in sorted(totals.items()))
