"""Options of the task `forecast`."""

from typing import Annotated, Any, ClassVar, Literal, final

from pydantic import BeforeValidator, Field

from recurra.errors import UsageError
from recurra.tasks.options.options import Options, TaskOptions

__all__ = ["Forecast", "ForecastPrediction"]


def _season(value: Any) -> str:
    """Numbers of steps, ascending; 0 and nothing leave them to the calendar."""
    words = [str(part).strip() for part in (value if isinstance(value, list | tuple) else str(value).split(","))]
    if not all(word.isdecimal() for word in words if word):
        raise UsageError(f"season={value}: wanted the steps of a season, or of several, as 24 or 24,168")
    return ",".join(map(str, sorted({int(word) for word in words if word} - {0})))


@final
class Forecast(TaskOptions):
    """Forecasts of one or many time series, each with a band.

    Example:
        >>> Forecast(target="sales", horizon=14).model
        'segment'
    """

    task: ClassVar[str] = "forecast"
    summary: ClassVar[str] = "forecasts of time series from tables, each with a band"
    tables: ClassVar[bool] = True
    afterwards: ClassVar[tuple[str, ...]] = (
        "predict RUN --out forecast.csv",
        "evaluate RUN LATER.csv",
        "predict RUN score=true",
    )
    not_searched: ClassVar[frozenset[str]] = frozenset(
        {"band", "gap", "horizon", "log", "missing", "rows", "test", "validation"}
    )

    # what is common to all tasks, with other defaults
    cell: str = Field("gru", description="the recurrent cell; recurra cells lists them")
    hidden: int = Field(128, ge=2, le=100_000, description="units of each layer")
    layers: int = Field(1, ge=1, le=1000, description="recurrent layers on top of each other")
    dropout: float = Field(0.2, ge=0, lt=1, description="share of activations set to zero, in training")
    batch: int = Field(64, ge=1, description="windows learnt from at a time")
    window: int = Field(0, ge=0, description="steps of history that are read; 0 takes four seasons, or the longest")
    epochs: float = Field(30, gt=0, le=1_000_000, description="passes over what is learnt from; 600 updates at least")
    lr: float = Field(0.001, gt=0, le=1000, description="highest learning rate")
    patience: int = Field(8, ge=0, description="stop after so many looks without a better score; 0 never")

    # the data
    target: str = Field("", description="column to forecast, or several as a,b; all takes every column of numbers")
    horizon: int = Field(
        0, ge=0, le=1_000_000, description="steps to forecast; 0 takes a season of the calendar, or 12 where rows have none"
    )
    season: Annotated[str, BeforeValidator(_season)] = Field(
        "",
        description="steps of a season to compare with and to look back upon, or several as 24,168; empty takes those of the "
        "calendar alone: a day and a week of hours, 7 days, 12 months; 1 says that there is none",
    )
    time: str = Field("", description="column of time stamps; empty finds it; none counts rows")
    id: str = Field("", description="column that says which series a row belongs to")
    past: str = Field("", description="covariates a,b that are known up to now")
    known: str = Field("", description="covariates a,b that are known ahead")
    static: str = Field("", description="covariates a,b that are the same all along a series")
    categories: str = Field("", description="covariates a,b whose numbers are names, as that of a shop; words are anyway")
    calendar: bool = Field(True, description="add the hour, the weekday and the season as covariates known ahead")
    missing: Literal["refuse", "linear", "last", "mask"] = Field(
        "refuse", description="missing values: refuse them, fill them on a line or with the last value, or tell the network too"
    )
    resample: str = Field("", description="mean over equal steps, such as 1h, 1d, 1mo, for stamps that are not regular")
    encoding: str = Field("utf-8", description="of a text file")
    rows: int = Field(0, ge=0, description="read only so many steps of each series; 0 reads all")
    log: bool = Field(False, description="forecast the logarithm; every value must be above 0")

    # what is learnt, looked at and measured
    validation: float = Field(0.1, gt=0, description="share of each series, or steps if 1 or more, that training looks at")
    test: float = Field(0.2, gt=0, description="share of each series, or steps if 1 or more, kept back to measure on")
    gap: int = Field(0, ge=0, description="steps left out between these parts")
    stride: int = Field(1, ge=1, description="steps from one origin of a forecast to the next, in measuring")

    # the network
    model: Literal["segment", "direct", "autoregressive", "transformer", "linear"] = Field(
        "segment", description="SegRNN; layers and a map to all steps; step after step; two that are not recurrent"
    )
    segment: int = Field(0, ge=0, description="steps of a segment; 0 takes a season of the calendar, or a part of the window")
    joint: bool = Field(False, description="read all targets at once; else one network serves each by itself")
    normalise: Literal["auto", "none", "last", "mean", "level"] = Field(
        "auto",
        description="what history is seen relative to: its last value, its mean and spread, its size (of counts); auto takes "
        "what lies nearer to what follows, in what is learnt from",
    )
    loss: Literal["quantile", "squared", "absolute", "gaussian", "student", "negative-binomial"] = Field(
        "quantile", description="what is learnt: quantiles, a point (its band comes from errors seen), or a distribution"
    )
    band: float = Field(0.8, gt=0, lt=1, description="share of true values that the band should hold")


@final
class ForecastPrediction(Options):
    """How to forecast.

    Example:
        >>> ForecastPrediction.parse(["hold=12"]).hold
        12
    """

    hold: int = Field(0, ge=0, description="forecast the last so many steps from what came before, and compare; 0 the future")
    score: bool = Field(False, description="give each step's surprise instead: how unlikely it was, one step ahead")
    paths: int = Field(0, ge=0, le=10_000, description="sample so many ways it might go on (model=autoregressive)")
    seed: int = Field(0, ge=0, le=4_294_967_295, description="of the paths")
