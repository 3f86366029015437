"""What every dashboard is made of: panels that ask a question and say what to do, and the variables above them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import bargauge, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT, WIDTH, GRID_WIDTH = 8, 12, 24

SECONDS, PER_SECOND, SHARE, DOLLARS, COUNT, TOKENS_PER_SECOND, SWITCH = (
    "s", "reqps", "percentunit", "currencyUSD", "short", "suffix: tokens/s", "bool_on_off",
)  # fmt: skip
PROBABILITY: Final = "none"
"""In [0, 1], and read as such."""


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and what its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a panel asks, what to do about the answer, and what it is measured in."""

    title: str
    action: str
    unit: str
    most: float | None = None
    """The end of the axis, where there is one."""
    is_stacked: bool = False


Panel = timeseries.Panel | stat.Panel | heatmap.Panel | bargauge.Panel
P = TypeVar("P", timeseries.Panel, stat.Panel, heatmap.Panel, bargauge.Panel)


def graph(asked: Question, *queries: Query, width: int = WIDTH) -> timeseries.Panel:
    """Lines over time."""
    legend = common_builders.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST)
    panel = timeseries.Panel().min(0).fill_opacity(8).show_points(common.VisibilityMode.NEVER)
    panel.legend(legend.placement(common.LegendPlacement.BOTTOM).show_legend(True))
    panel.tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    if asked.is_stacked:
        panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL)).fill_opacity(40)
    if asked.most is not None:
        panel.max(asked.most)
    return _asked(panel, asked, queries, width)


def signed(asked: Question, *queries: Query, width: int = WIDTH) -> timeseries.Panel:
    """Lines on both sides of zero."""
    panel = timeseries.Panel().axis_centered_zero(True).show_points(common.VisibilityMode.NEVER)
    panel.tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    return _asked(panel, asked, queries, width)


def number(asked: Question, *queries: Query, warn: float | None = None, width: int = 4) -> stat.Panel:
    """The newest value, with its course behind it; from `warn` on it is red."""
    steps = [dashboard.Threshold(value=None, color="green")]
    if warn is not None:
        steps.append(dashboard.Threshold(value=warn, color="red"))
    panel = stat.Panel().thresholds(build.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps))
    panel.reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"])).no_value("unknown")
    panel.graph_mode(common.BigValueGraphMode.AREA).color_mode(common.BigValueColorMode.VALUE)
    return _asked(panel, asked, queries, width).height(5)


def spread(asked: Question, expr: str, width: int = WIDTH) -> heatmap.Panel:
    """How a histogram's values lie, over time; `expr` gives its buckets by `le`."""
    panel = heatmap.Panel().calculate(False)
    panel = _asked(panel, asked, (), width)
    return panel.with_target(_target(Query(expr, "{{le}}"), "A").format(PromQueryFormat.HEATMAP))


def bars(asked: Question, query: Query, width: int = WIDTH) -> bargauge.Panel:
    """The newest value of each series, as a bar."""
    panel = bargauge.Panel().orientation(common.VizOrientation.VERTICAL).min(0)
    panel.reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
    if asked.most is not None:
        panel.max(asked.most)
    return _asked(panel, asked, (query,), width)


def dashboard_of(
    name: str, description: str, rows: Iterable[tuple[str, Sequence[Panel]]], variables: Sequence[str] = ("route",)
) -> build.Dashboard:
    """A dashboard of rows, each with a heading. `variables` are of `VARIABLES`."""
    made = build.Dashboard(f"Fallgate: {name}").uid(f"fallgate-{name.lower()}").description(description)
    made.tags(["fallgate"]).editable().refresh("30s").time("now-6h", "now").timezone("browser")
    made.tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    made.link(build.DashboardLink("Fallgate").type(dashboard.DashboardLinkType.DASHBOARDS).tags(["fallgate"])
              .keep_time(True).include_vars(True))  # fmt: skip
    made.with_variable(build.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    for variable in variables:
        made.with_variable(VARIABLES[variable]())
    ids = count(1)
    for heading, panels in rows:
        made.with_row(build.Row(heading).id(next(ids)))
        for panel in panels:
            made.with_panel(panel.id(next(ids)))
    return made


def quantile(share: float, histogram: str, selector: str, by: str) -> str:
    """The value that a share of a histogram's observations do not exceed."""
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({histogram}_bucket{{{selector}}}[$__rate_interval])))"


def rate(counter: str, selector: str, by: str) -> str:
    """What a counter gains in a second."""
    return f"sum by ({by}) (rate({counter}{{{selector}}}[$__rate_interval]))"


def share(part: str, whole: str) -> str:
    """How much of one thing another is: 0 where there is none of it yet, nothing where there is none of the whole."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def _variable(name: str, label: str, query: str, regex: str = "") -> Callable[[], Builder[dashboard.VariableModel]]:
    def made() -> build.QueryVariable:
        variable = build.QueryVariable(name).label(label).query(query).datasource(SOURCE).regex(regex)
        variable.refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        return variable.multi(True).include_all(True).all_value(".+")

    return made


VARIABLES: Final = {
    # A request that is refused before its route is known counts with `none`.
    "route": _variable("route", "Route", "label_values(gateway_requests_total, route)", "/^(?!none$).+/"),
    "model": _variable("model", "Model", "label_values(gateway_attempts_total, model)"),
    "served": _variable("served", "Served by vLLM", "label_values(vllm:num_requests_running, model_name)"),
}


def _asked(panel: P, asked: Question, queries: Sequence[Query], width: int) -> P:
    panel.title(asked.title).description(asked.action).unit(asked.unit).datasource(SOURCE)
    panel.span(min(width, GRID_WIDTH)).height(HEIGHT)
    for place, query in enumerate(queries):
        panel.with_target(_target(query, chr(ord("A") + place)))
    return panel


def _target(query: Query, ref_id: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(" ".join(query.expr.split())).ref_id(ref_id).range()
    return target.legend_format(query.legend or "__auto").datasource(SOURCE)
