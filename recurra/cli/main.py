"""The command line: words on a terminal. Importing it imports neither torch nor numpy."""

import io
import json
import os
import shlex
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from typer.core import TyperGroup

from recurra.bench import Bench
from recurra.cli.bench import bench
from recurra.cli.cache import cache
from recurra.cli.cells import cells
from recurra.cli.chat import chat
from recurra.cli.compare import compare
from recurra.cli.lr import lr
from recurra.cli.report import report
from recurra.cli.rows import write_rows
from recurra.cli.tune import tune
from recurra.cli.words import option_help, split
from recurra.errors import RecurraError, ResourceError, UsageError
from recurra.tasks.console import terminal
from recurra.tasks.options import (
    TASKS,
    ClassifyPrediction,
    Comparison,
    ComposeGeneration,
    Conversation,
    EvaluationOptions,
    ForecastPrediction,
    MaskPrediction,
    SequenceOptions,
    SequencePrediction,
    TagPrediction,
    TaskOptions,
    TextGeneration,
    TranscribePrediction,
    TranscriptPrediction,
    Tuning,
    WriteGeneration,
)

if TYPE_CHECKING:
    from recurra.tasks.runs import Run

__all__ = ["app", "main"]

WRITERS = ", ".join(name for name, kind in TASKS.items() if issubclass(kind, SequenceOptions))
CODES = """Exit codes: 0 done, 2 usage, 3 bad data, 4 bad model file, 5 no usable checkpoint, 6 resources, 7 numeric,
8 run folder in use, 75 stopped but resumable, 130 interrupted. --debug, anywhere, shows the traceback of an error."""


class _InOrder(TyperGroup):
    """Commands in the order of a run's life."""

    def list_commands(self, ctx: Any) -> list[str]:
        order = [
            "train",
            "resume",
            "evaluate",
            "predict",
            "generate",
            "chat",
            "report",
            "lr",
            "tune",
            "compare",
            "tasks",
            "cells",
            "bench",
            "cache",
        ]
        return sorted(self.commands, key=lambda name: order.index(name) if name in order else len(order))


def _group(help: str) -> typer.Typer:
    return typer.Typer(
        cls=_InOrder,
        help=help,
        epilog=CODES,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


app = _group("Recurrent sequence models: train one on your data with one command, then use it.")
"""All verbs, as a Typer application."""
train = _group("Train a model of your data.")
app.add_typer(train, name="train")

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, as recurra train made it")]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


def main() -> None:
    """What the command `recurra` runs."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a letter shows another
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch, imported later, then asks for large pages
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # and its profiler says on standard error only what went wrong
    debug = "--debug" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--debug"]
    try:
        app()
    except BrokenPipeError:  # the reader went away, as in: recurra generate RUN | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except RecurraError as error:
        _fail(error, debug)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        reason = str(error).partition("\n")[0] or "no more of it"
        _fail(ResourceError(f"out of memory ({reason}); try a smaller batch, window or hidden"), debug)
    except OSError as error:
        _fail(ResourceError(f"{error.filename or 'the system'}: {error.strerror or error}"), debug)


def _fail(error: RecurraError, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)
    print(f"recurra: {error}", file=sys.stderr)
    sys.exit(error.exit_code)


def _trainer(options: type[TaskOptions]) -> Callable[..., None]:
    def command(
        words: Annotated[list[str] | None, typer.Argument(metavar="[DATA] [name=value ...]", show_default=False)] = None,
        out: Annotated[
            Path | None, typer.Option(metavar="RUN", help="the run folder to make; runs/TASK-N if not given")
        ] = None,
    ) -> None:
        data, pairs = split(words or [])
        run = options.parse(pairs).fit(data, out=out)
        _say_what_next(run)

    return command


for _task, _options in TASKS.items():
    train.command(_task, help=f"Train {_options.summary}.", short_help=_options.summary, epilog=option_help(_options))(
        _trainer(_options)
    )


@app.command()
def resume(folder: RunFolder) -> None:
    """Go on with a training that was stopped or killed, exactly where it was."""
    _say_what_next(_open(folder).train())


@app.command(epilog=option_help(EvaluationOptions))
def evaluate(
    folder: RunFolder,
    words: Annotated[list[str] | None, typer.Argument(metavar="[DATA] [name=value ...]", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Measure a run on its held-out part or on DATA, each figure with its interval and beside naive baselines."""
    data, pairs = split(words or [])
    options = EvaluationOptions.parse(pairs)
    evaluation = _open(folder).evaluate(data, weights=options.weights)
    if as_json:
        print(json.dumps(evaluation.as_json(), indent=2))
    else:
        from recurra.tasks.watch import show_evaluation

        show_evaluation(evaluation, terminal())


@app.command(
    epilog="\n\n".join(
        [
            option_help(MaskPrediction, "Options of mask"),
            option_help(TranscriptPrediction, "Options of read"),
            option_help(TranscribePrediction, "Options of transcribe"),
            option_help(ForecastPrediction, "Options of forecast"),
            option_help(SequencePrediction, f"Options of {WRITERS}"),
            option_help(ClassifyPrediction, "Options of classify"),
            option_help(TagPrediction, "Options of tag"),
        ]
    )
)
def predict(
    folder: RunFolder,
    words: Annotated[list[str] | None, typer.Argument(metavar="[DATA] [name=value ...]", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write there instead of to the terminal; .csv, .parquet, else tabs")
    ] = None,
    as_json: Json = False,
) -> None:
    """Apply a run to data.

    How likely each line is (text), what stands at each [mask] of it (mask), what it becomes (translate and its kin), which
    label it has (classify), which entities (tag), what it says (read, transcribe), or what follows (forecast).
    """
    run, (data, pairs) = _open(folder), split(words or [])
    if out is not None and out.suffix.lower() in (".svg", ".png"):
        raise UsageError(f"{out}: the table goes there, and the picture beside it; name a .csv, .parquet or .tsv")
    options = run.prediction.parse(pairs)
    items = predicted = run.predict(data, **options.model_dump(exclude_unset=True))
    if run.options.task == "forecast":
        from recurra.report import draw_predictions

        items = iter(kept := list(items))
        picture = draw_predictions(run, kept, getattr(predicted, "collection", data), out)
        if picture is not None:
            print(f"picture: {picture}", file=sys.stderr)
        for note in getattr(predicted, "notes", ()):
            print(note, file=sys.stderr)
    write_rows(items, out, as_json=as_json)


@app.command(
    epilog="\n\n".join(
        [
            option_help(TextGeneration, "Options of text"),
            option_help(ComposeGeneration, "Options of compose"),
            option_help(WriteGeneration, "Options of write"),
        ]
    )
)
def generate(
    folder: RunFolder,
    words: Annotated[list[str] | None, typer.Argument(metavar="[name=value ...]", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="write there; of music .mid, .wav, .json, .png or .svg, of drawings .svg, .png or .jsonl"
        ),
    ] = None,
) -> None:
    """Write with a run: text, symbol by symbol; music, as MIDI, sound and picture; handwriting and sketches, as SVG."""
    run = _open(folder)
    data, pairs = split(words or [])
    if data is not None:
        raise UsageError(f"{data}: wanted name=value, such as prompt='{data}'")
    options = run.generation.parse(pairs)
    made = run.generate(**options.model_dump())
    if isinstance(options, ComposeGeneration):
        _keep_music(run, made, out)
    elif isinstance(options, WriteGeneration):
        from recurra.report import keep_drawings

        print(keep_drawings(made, out or _fresh(run.folder / "drawings"), animated=options.animated))
    elif out is None:
        for piece in made:
            sys.stdout.write(piece)
            sys.stdout.flush()
        print()
    else:
        from recurra import store

        store.write_bytes(out, "".join([*made, "\n"]).encode())


def _keep_music(run: "Run", piece: Any, out: Path | None) -> None:
    """Show a piece, and write it where it was asked for, or beside the run's weights."""
    from recurra.report import keep_piece

    print(piece)
    made, missing = keep_piece(piece, out or _fresh(run.folder / "music"))
    print(f"\n{', '.join(map(str, made))}")
    for line in missing:
        print(line, file=sys.stderr)


def _fresh(folder: Path) -> Path:
    """The next number in a folder of numbered files, as a name without an ending."""
    folder.mkdir(exist_ok=True)
    return folder / f"{1 + max([0, *(int(file.stem) for file in folder.glob('*.*') if file.stem.isdigit())]):03}"


@app.command()
def tasks() -> None:
    """List the tasks."""
    _table(["task", "what it makes"], [[name, kind.summary] for name, kind in TASKS.items()])
    print("\nrecurra train TASK --help lists the options of a task.")


app.command(epilog=option_help(Conversation))(chat)
app.command()(report)
app.command()(cells)
app.command()(lr)
app.command(epilog=option_help(Tuning))(tune)
app.command(epilog=option_help(Comparison))(compare)
app.command(epilog=option_help(Bench))(bench)
app.command()(cache)


def _open(folder: Path) -> "Run":
    from recurra.tasks.runs import load

    return load(folder)


def _say_what_next(run: "Run") -> None:
    from recurra.report import draw_curve

    folder = shlex.quote(str(run.folder))
    print(f"\nThe run is in {folder}, its learning curve in {draw_curve(run)}. Next:")
    for words in run.options.afterwards:
        print(f"  recurra {words.replace('RUN', folder)}")


def _table(columns: list[str], rows: list[list[str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column.startswith("parameters") else "left")
    for row in rows:
        table.add_row(*row)
    terminal().print(table)
