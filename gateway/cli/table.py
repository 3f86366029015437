"""All commands, with the line that `fallgate --help` shows of each."""

from typing import NamedTuple


class Entry(NamedTuple):
    """Where a command is."""

    module: str
    attribute: str
    """A function, or a typer application with commands of its own."""
    help: str


BUILT = {
    "serve": Entry("gateway.cli.serve", "serve", "Run the gateway."),
    "simulate": Entry("gateway.cli.simulate", "simulate", "Serve simulated models."),
    "vllm": Entry("gateway.cli.vllm", "vllm", "Launch a vLLM server with adapters."),
    "config": Entry("gateway.cli.config", "app", "Check, show and describe the configuration file."),
    "split": Entry("gateway.cli.split", "split", "Change how a route's traffic is split, while it flows."),
    "rollback": Entry("gateway.cli.rollback", "rollback", "Go back to the split that a route had before."),
    "experiment": Entry("gateway.cli.experiment", "experiment", "Run the experiment of a route, and see how it does."),
    "versions": Entry("gateway.cli.versions", "app", "List, show, register and promote versions."),
    "keys": Entry("gateway.cli.keys", "app", "Make, list and revoke API keys."),
    "explain": Entry("gateway.cli.explain", "explain", "Say which arm a unit gets, and why."),
    "calibrate": Entry("gateway.cli.calibrate", "calibrate", "Fit a confidence to rows of a file."),
    "curve": Entry("gateway.cli.curve", "curve", "Draw the trade between cost and quality."),
    "compare": Entry("gateway.cli.compare", "compare", "Compare the arms of a file."),
    "drifting": Entry("gateway.cli.drifting", "drifting", "Say what of a route has moved, how far, since when."),
    "drift": Entry("gateway.cli.drift", "drift", "Say which columns of a file have moved."),
    "cost": Entry("gateway.cli.cost", "cost", "Say what a route costs and saves."),
    "plan": Entry("gateway.cli.plan", "plan", "Say how large an experiment has to be."),
}
