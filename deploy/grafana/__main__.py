"""Write all dashboards: `python -m deploy.grafana [DIRECTORY]`, by default beside this file."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.confidence import confidence
from deploy.grafana.cost import cost
from deploy.grafana.drift import drift
from deploy.grafana.experiment import experiment
from deploy.grafana.models import models
from deploy.grafana.overview import overview

DIRECTORY: Final = Path(__file__).parent / "dashboards"
ALL: Final = {made.__name__: made for made in (overview, confidence, models, experiment, cost, drift)}


def generated() -> dict[str, str]:
    """Every dashboard by file name, as JSON."""
    return {f"{name}.json": _text(made().build()) for name, made in ALL.items()}


def _text(dashboard: Any) -> str:
    return json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write them."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in generated().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
