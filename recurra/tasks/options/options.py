"""Options: frozen values with types, bounds, units and help, from which the command line is made. No torch here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self, final, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from recurra.errors import UsageError, near_miss

if TYPE_CHECKING:
    from recurra.tasks.runs import Run
    from recurra.train import RangeTest

__all__ = ["Described", "EvaluationOptions", "Options", "TaskOptions", "described"]


class Described(NamedTuple):
    """One option as help shows it."""

    name: str
    kind: str
    default: str
    help: str


class Options(BaseModel):
    """Base of all options: unknown names are refused, with the nearest known one suggested."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    headings: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
    """Options that help shows together, by what they are about; all others come first."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise UsageError(_one_line(type(self), error)) from None

    @classmethod
    def parse(cls, pairs: Iterable[str]) -> Self:
        """Options from words ``name=value``.

        Example:
            >>> from recurra.tasks.options import Text
            >>> Text.parse(["hidden=64", "cell=gru"]).hidden
            64
        """
        values: dict[str, str] = {}
        for pair in pairs:
            name, sign, value = pair.partition("=")
            if not sign:
                raise UsageError(f"{pair}: wanted name=value; {near_miss(name, cls.model_fields)}")
            if name in values:
                raise UsageError(f"{name} is given twice, as {values[name]} and {value}")
            values[name] = value
        return cls(**values)


GROUPS = MappingProxyType(
    {
        "Recurrent layers": ("cell", "hidden", "layers", "residual", "highway", "norm", "chrono"),
        "Regularisation": (
            *("dropout", "variational", "input_dropout", "recurrent_dropout", "weight_drop", "zoneout", "embedding_dropout"),
            *("word_dropout", "activation_penalty", "slowness_penalty", "max_norm", "weight_decay"),
        ),
        "Optimisation": (
            *(
                "batch",
                "window",
                "epochs",
                "steps",
                "optimizer",
                "lr",
                "recurrent_lr",
                "schedule",
                "warmup",
                "accumulate",
                "average",
            ),
            *("clip", "clip_value", "adaptive_clip", "patience", "forcing", "forcing_decay"),
        ),
        "Run": ("seed", "seeds", "check", "precision", "device", "engine"),
    }
)


class TaskOptions(Options):
    """Base of the options of a task; what is common to all tasks stands here."""

    task: ClassVar[str]
    summary: ClassVar[str]
    tables: ClassVar[bool] = False
    """Whether the task takes data frames."""
    afterwards: ClassVar[tuple[str, ...]]
    """What to type when a training is done."""
    not_searched: ClassVar[frozenset[str]] = frozenset()
    """Options that change what a look measures: a search cannot compare across them."""
    headings: ClassVar[Mapping[str, tuple[str, ...]]] = GROUPS

    cell: str = Field("lstm", description="the recurrent cell; recurra cells lists them")
    hidden: int = Field(256, ge=1, le=100_000, description="units of each layer")
    layers: int = Field(2, ge=1, le=1000, description="recurrent layers on top of each other")
    residual: bool = Field(False, description="add each layer's input to its output")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of activations set to zero between layers, in training")
    batch: int = Field(16, ge=1, description="rows read side by side")
    window: int = Field(64, ge=1, description="steps that the gradient travels back")
    epochs: float = Field(12, gt=0, le=1_000_000, description="passes over the learning part")
    steps: int = Field(0, ge=0, description="updates; 0 counts them from epochs")
    optimizer: Literal["adamw", "adam", "nadam", "rmsprop", "sgd", "nt-asgd"] = Field(
        "adamw", description="of torch.optim; nt-asgd is sgd, whose weights are averaged once looks stop getting better"
    )
    lr: float = Field(0.004, gt=0, le=1000, description="highest learning rate")
    recurrent_lr: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="rate of the weights inside the recurrence, as a share of lr; 0 leaves them as they start",
    )
    schedule: Literal["constant", "cosine", "exponential", "plateau", "onecycle"] = Field(
        "cosine", description="how the rate moves"
    )
    warmup: int = Field(50, ge=0, description="updates over which the rate rises from zero (not with onecycle)")
    weight_decay: float = Field(0.01, ge=0, le=1000, description="pull of matrices towards zero")
    accumulate: int = Field(1, ge=1, le=1_000_000, description="batches whose gradients make an update together")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="what updates compute in, by autocast; weights are float32 always"
    )
    average: float = Field(
        0.0, ge=0, lt=1, description="decay of a moving average of the weights, which is looked at and kept; 0 for none"
    )
    clip: float = Field(1.0, ge=0, le=1_000_000, description="largest norm of the gradient; 0 for none")
    clip_value: float = Field(0.0, ge=0, le=1_000_000, description="largest absolute value in the gradient; 0 for none")
    patience: int = Field(0, ge=0, description="stop after so many looks without a better score; 0 never")
    seed: int = Field(0, ge=0, le=4_294_967_295, description="of start weights, dropout and the order of data")
    seeds: int = Field(1, ge=1, le=1000, description="trainings, one after the other, from seed on; the best is kept")
    check: int = Field(0, ge=0, description="updates between looks at the held-out part, each saved; 0 makes 30 looks")
    device: str = Field("auto", description="cpu, cuda, mps; auto takes a GPU where there is one")
    engine: Literal["auto", "sweep", "torch", "fold"] = Field("auto", description="how cells run; auto takes the fastest")
    variational: bool = Field(False, description="each dropout draws one mask for all steps that are read at a time")
    input_dropout: float = Field(0.0, ge=0, lt=1, description="share of what the layers read set to zero, in training")
    recurrent_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of what a cell would write into its state set to zero, in training"
    )
    weight_drop: float = Field(
        0.0, ge=0, lt=1, description="share of the weights between a layer's own units set to zero, in training"
    )
    zoneout: float = Field(0.0, ge=0, lt=1, description="share of the units that keep their state for a step, in training")
    norm: Literal["none", "layer", "batch", "batch-inside"] = Field(
        "none", description="normalisation over a layer's units, or over the batch, of its inputs or of its products too"
    )
    highway: bool = Field(False, description="mix each layer's input with its output by a gate that is learnt")
    activation_penalty: float = Field(
        0.0, ge=0, le=1_000_000, description="added to the loss times the mean square of the layers' outputs"
    )
    slowness_penalty: float = Field(
        0.0, ge=0, le=1_000_000, description="added to the loss times the mean square of their changes from step to step"
    )
    max_norm: float = Field(
        0.0, ge=0, le=1_000_000, description="longest vector of weights that a unit of the layers reads with; 0 for none"
    )
    chrono: int = Field(
        0, ge=0, le=1_000_000_000, description="longest span that gates' biases start for, in steps; 0 leaves them"
    )
    adaptive_clip: float = Field(
        0.0, ge=0, le=1_000_000, description="largest norm of a unit's gradient beside that of its weights; 0 for none"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.residual and self.highway:
            raise UsageError("residual=true and highway=true: both lead a layer's input past it; choose one")
        if self.average and self.optimizer == "nt-asgd":
            raise UsageError(f"average={self.average} and optimizer=nt-asgd: both average the weights; choose one")
        return self

    def fit(self, data: Any = None, *, out: str | Path | None = None, show: bool = True) -> Run:
        """Train on `data` into the run folder `out` (by default ``runs/TASK-N``), and give back the finished run.

        Args:
            data: the path of what the task reads, or, where the task reads tables, any data frame; None takes its embedded
                default.
            out: a folder that does not exist yet.
            show: print the table of training as it grows.
        """
        page = import_module(f"recurra.tasks.{self.task}")
        run: Run = page.begin(self, self.given(data), None if out is None else Path(out))
        return run.train(show=show)

    @classmethod
    def given(cls, data: Any) -> Any:
        """Data as a page takes them: a Path, None, or a data frame as it is where the task reads tables."""
        if data is None or isinstance(data, str | PathLike):
            return None if data is None else Path(data)
        if not cls.tables:
            raise UsageError(f"data is {type(data).__name__}; the task {cls.task} wants the path of a file or folder")
        return data

    def find_lr(self, data: Any = None) -> RangeTest:
        """The learning-rate range test: train a model, which is thrown away, while the rate rises over `steps`, or 150 updates.

        Args:
            data: as for `fit`.
        """
        page, recipes = (import_module(f"recurra.tasks.{name}") for name in (self.task, "recipes"))
        found: RangeTest = recipes.find_lr(self, page.setup(self, self.given(data)))
        return found


@final
class EvaluationOptions(Options):
    """How to measure a run.

    Example:
        >>> EvaluationOptions.parse(["weights=int8"]).weights
        'int8'
    """

    weights: Literal["full", "bfloat16", "int8"] = Field(
        "full", description="recurrent matrices, as they are or in fewer bytes and beside what that costs"
    )


def described(options: type[Options]) -> list[Described]:
    """Every option of a class, in the order of its definition."""
    fields = options.model_fields.items()
    return [Described(name, _kind(field), _default(field), field.description or "") for name, field in fields]


def _default(field: FieldInfo) -> str:
    value = field.default
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _kind(field: FieldInfo) -> str:
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    names: dict[Any, str] = {int: "whole number", float: "number", bool: "true|false", str: "text"}
    bounds = [_bound(item) for item in field.metadata]
    return " ".join([names[annotation], *[bound for bound in bounds if bound]])


def _bound(item: Any) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    return next((f"{sign} {getattr(item, name):.15g}" for name, sign in signs.items() if hasattr(item, name)), "")


def _one_line(options: type[Options], error: ValidationError) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        return f"{name}: no such option of {options.__name__}; {near_miss(name, options.model_fields)}"
    return f"{name}={first['input']}: wanted {_kind(options.model_fields[name])}"
