"""The page of numbers: what all processes of this machine counted, read from their files at every scrape."""

from collections.abc import Container, Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from gateway.metrics.totals import add_up
from gateway.metrics.writers import WriterFiles


class WritersCollector(Collector):
    """The sum over all processes of this machine, read anew at every scrape."""

    def __init__(self, files: WriterFiles, leave_out: Container[str] = ()) -> None:
        """`leave_out` names metrics that somebody else shows."""
        self._files = files
        self._leave_out = leave_out

    def collect(self) -> Iterator[Metric]:
        """One metric a family. No gauge is shown of which no live process has a value."""
        totals = add_up(self._files.sources())
        yield from (total.to_metric() for name, total in sorted(totals.items()) if name not in self._leave_out)
