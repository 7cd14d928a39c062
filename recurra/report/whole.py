"""The report of a run: it is read, measured, judged, drawn and written."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import torch

from recurra import store
from recurra.errors import ModelFileError, RecurraError, ResourceError
from recurra.layers import Recurrent
from recurra.report.advice import Advice, Case, advise
from recurra.report.attention import attention_pictures
from recurra.report.drawings import drawing_pictures
from recurra.report.entities import entity_report
from recurra.report.gradients import flow_pictures
from recurra.report.history import History, history_pictures
from recurra.report.labels import LabelReport, label_report
from recurra.report.music import music_pictures
from recurra.report.page import Section, flow_table, options_table, page, scores_tables
from recurra.report.placed import placed_pictures
from recurra.report.style import Picture
from recurra.tasks import recipes
from recurra.tasks.runs import Run
from recurra.train.flow import Flow, map_radii, measure

__all__ = ["RunReport", "draw_report"]

PICTURES = ("score", "loss", "norm", "rate", "travel", "radii", "eigenvalues", "gates", "units")


class RunReport(NamedTuple):
    """Where a report is, what it advises, and all its figures as ``report.json`` has them."""

    folder: Path
    advice: tuple[Advice, ...]
    figures: Mapping[str, Any]

    @property
    def page(self) -> Path:
        """The HTML page."""
        return self.folder / "index.html"


def draw_report(run: Run, out: str | Path | None = None, *, sentences: Sequence[str] = ()) -> RunReport:
    """Say why a run does not learn, or that nothing stands out: ``index.html``, its pictures as SVG and PNG, ``report.json``.

    The run's weights are put to its own batches in evaluation mode; nothing of the run is changed. Where its data or its
    weights are gone, the page says so and has the rest.

    Args:
        run: a run folder, finished or not.
        out: the folder of the report; ``report`` in the run's if not given.
        sentences: of a run that reads sources, those whose maps of attention are drawn; some that it was measured on if none
            are given.

    Example:
        >>> report = draw_report(recurra.load("runs/text-1"))  # doctest: +SKIP
        >>> for advice in report.advice:                       # doctest: +SKIP
        ...     print(advice.says, *advice.tries)
    """
    folder = run.folder / "report" if out is None else Path(out)
    _make(folder)  # before anything that takes long
    history, missing = History.of(run), list[str]()
    if not history.step:
        missing.append("no look at the held-out part was logged yet, so there are no learning curves")
    start, flow, radii = _measured(run, missing)
    missing += flow.missing
    evaluation = _evaluation(run, missing)
    metrics = evaluation.get("metrics", {})
    name = next((name for name in metrics if name.startswith(history.metric)), next(iter(metrics), ""))
    judged = metrics.get(name, {})
    same = judged.get("baselines", {}) if name.startswith(history.metric) else {}
    source = "" if run.facts["data"].get("embedded") else run.source
    advice = advise(Case(run.options, source, history, flow, judged.get("value"), judged.get("baselines", {})))
    curves = history_pictures(history, run.options.clip, {k: v for k, v in same.items() if v is not None})
    task, flows = run.options.task, flow_pictures(flow, start)
    labels = entity_report(evaluation) if task == "tag" else label_report(run, evaluation, sentences, missing)
    maps = [] if task == "classify" else attention_pictures(run, sentences, missing)
    placed, places = placed_pictures(run, missing)
    own = {
        "Where it looked": maps,
        "Where it finds what it writes": placed,
        "What it plays": music_pictures(run, missing),
        "What it draws": drawing_pictures(run, missing),
    }
    figures = {
        "run": str(run.folder),
        "task": task,
        "advice": [each._asdict() for each in advice],
        "missing": missing,
        "options": run.options.model_dump(),
        "history": history.as_json(),
        "evaluation": evaluation or None,
        "flow": flow.as_json(),
        "flow_at_the_start": start.as_json() if start else None,
        "maps": radii,
    } | ({"explained": labels.explained} if labels.explained else {})
    if places:
        figures["placed"] = [
            {"wanted": one.wanted, "symbols": one.symbols, "unit": one.unit, "centres": one.centres} for one in places
        ]
    sections = _sections(run, metrics, curves, labels, own, flow, flows, radii)
    _write(
        folder,
        page(run.folder.name, _said(run, history), advice, sections, missing),
        [*curves, *labels.pictures, *chain.from_iterable(own.values()), *flows],
        figures,
    )
    return RunReport(folder, advice, figures)


def _measured(run: Run, missing: list[str]) -> tuple[Flow | None, Flow, dict[str, dict[str, float]]]:
    """The model before training and after, and the spectral radii of its maps; of what cannot be had, why not."""
    try:
        with torch.random.fork_rng():
            setup = run.setup()
            parts = (setup.model, setup.update, setup.batches, setup.carry)
            start: Flow | None = measure(*parts, count=1, spectra=False)
            try:
                run.fill(setup.model)
            except ModelFileError as error:
                missing.append(f"{error}; the figures of gradients, gates and units are those of the weights at the start")
                start = None
            flow = measure(*parts)
            return start, flow, {layer.name: dict(layer.maps) for layer in flow.layers}
    except RecurraError as error:
        missing.append(f"no figures of gradients, gates and units, which need the data: {error}")
    try:
        return None, Flow(()), _radii_alone(run)
    except RecurraError as error:
        missing.append(f"no spectral radii: {error}")
    return None, Flow(()), {}


def _radii_alone(run: Run) -> dict[str, dict[str, float]]:
    """The spectral radii of a run's maps, from its weights alone: the layers that the options make are filled with them."""
    path = run.folder / "weights.safetensors"
    tensors, found = store.read_tensors(path), dict[str, dict[str, float]]()
    ends = [name.removesuffix("layers.0.input_weight") for name in tensors if name.endswith("layers.0.input_weight")]
    for prefix in ends:
        stack = recipes.stack(run.options, tensors[f"{prefix}layers.0.input_weight"].shape[1])
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        try:
            stack.load_state_dict(own)
        except RuntimeError as error:
            raise ModelFileError(f"{path}: not the layers of the options ({' '.join(str(error).split())})") from None
        layers = [layer for layer in stack.modules() if isinstance(layer, Recurrent)]
        for k, layer in enumerate(layers, len(found) + 1):
            found[f"layer {k}"] = map_radii(layer.cell, layer.wiring, layer.weights)
    return found


def _evaluation(run: Run, missing: list[str]) -> dict[str, Any]:
    if not (run.folder / "evaluation.json").exists():
        missing.append(f"no evaluation beside baselines: the training did not come to its end; recurra resume {run.folder}")
        return {}
    told: dict[str, Any] = run.read("evaluation.json")
    return told


def _said(run: Run, history: History) -> str:
    options = run.options
    kind = "transformer" if getattr(options, "model", "") == "transformer" else options.cell
    parts = [f"{options.task}: {options.layers} × {kind}, {options.hidden} units"]  # noqa: RUF001
    if history.step:
        parts.append(f"{history.step[-1]:,} of {history.steps:,} updates")
    if history.best is not None:
        parts.append(f"best {history.metric} {history.score[history.best]:.4g} after {history.step[history.best]:,}")
    return "; ".join(parts)


def _sections(
    run: Run,
    metrics: Mapping[str, Any],
    curves: list[Picture],
    labels: LabelReport,
    own: Mapping[str, list[Picture]],
    flow: Flow,
    flows: list[Picture],
    radii: dict[str, dict[str, float]],
) -> list[Section]:
    sections = [Section("How it learnt", "", curves)] if curves else []
    sections += labels.sections
    sections += [Section(title, "", pictures) for title, pictures in own.items() if pictures]
    if flow.layers:
        sections.append(Section("Gradients, gates and units", flow_table(flow), flows))
    elif radii:
        pairs = {f"{layer}: {name}": f"{value:.3f}" for layer, parts in radii.items() for name, value in parts.items()}
        sections.append(Section("Spectral radii of the maps inside the step", options_table(pairs)))
    if metrics:
        sections.append(Section("Beside naive methods", f"<div class='columns'>{scores_tables(metrics)}</div>"))
    defaults = type(run.options)().model_dump()
    changed = {name: value for name, value in run.options.model_dump().items() if value != defaults[name]}
    facts = run.facts["data"]
    data = {"data": run.source} | {name: f"{facts[name]:,}" for name in ("characters", "series", "steps") if name in facts}
    made = {f"made with {name}": value for name, value in run.facts.get("made_with", {}).items()}
    words = options_table({"folder": run.folder, **data, **{f"{k}=": v for k, v in changed.items()}, **made})
    sections.append(Section("The run", words))
    return sections


def _make(folder: Path) -> None:
    """Make the folder, and take out the pictures of a report that was there before."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (*PICTURES, "attention-*", "placed-*", "music-*", "drawn", "window-*", "confusion", "steps-*"):
            for kind in ("svg", "png"):
                for picture in folder.glob(f"{name}.{kind}"):
                    picture.unlink()
    except OSError as error:
        raise ResourceError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from None


def _write(folder: Path, shown: str, pictures: list[Picture], figures: Mapping[str, Any]) -> None:
    for picture in pictures:
        store.write_bytes(folder / f"{picture.name}.svg", picture.svg)
        store.write_bytes(folder / f"{picture.name}.png", picture.png)
    store.write_json(folder / "report.json", _finite(figures))
    store.write_bytes(folder / "index.html", shown.encode())


def _finite(value: Any) -> Any:
    """The same without NaN and infinities, which JSON has not."""
    return json.loads(json.dumps(value), parse_constant=lambda _: None)
