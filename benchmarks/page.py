"""docs/quality.md and its pictures, from the results that the long runs left.

Run: python -m benchmarks.page
"""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

import recurra
from benchmarks.machine import RESULTS
from benchmarks.memory import page as memory
from benchmarks.quality import (
    classification,
    laws,
    music,
    reading,
    regularisers,
    sequences,
    speech,
    tagging,
    translation,
    writing,
)
from recurra.bench import Result
from recurra.bench.page import summary
from recurra.bench.pictures import pictures
from recurra.report import learning_curve

DOCS = Path(__file__).parent.parent / "docs"
TRAINED: dict[str, Any] = {
    page.NAME: page for page in (translation, sequences, classification, tagging, reading, speech, music, writing)
}
"""The measurements of one training each, by the names of their results."""
HEAD = """# Measured quality

Long runs on real data (`make quality`), each figure beside its naive baselines and in a column of its own what was published or
measured elsewhere. Intervals are 95 %, from resampling blocks of the held-out part. The data behind every picture lie in
`benchmarks/results/`.
"""


def main() -> None:
    """Write the page."""
    mpl.rcParams["svg.hashsalt"] = "recurra"  # the same picture has the same bytes
    sections = [HEAD]
    for path in sorted(RESULTS.glob("*.json"), reverse=True):
        result = json.loads(path.read_text())
        if "cases" in result:
            sections.append(_forecasts(result))
        elif "runs" in result:
            sections.append(memory.section(result, DOCS / "images"))
        elif laws.NAME in result:
            sections.append(laws.section(result))
        elif "gains" in result:
            sections.append(regularisers.section(result))
        elif "trainings" in result:
            sections.append(TRAINED[path.stem].section(result))
        elif "figures" in result:
            _draw(path.stem, result)
            sections.append(_section(path.stem, result))
        else:
            sections.append(_speed(path.stem, result))
    (DOCS / "quality.md").write_text("\n".join(sections))


def _section(name: str, result: dict[str, Any]) -> str:
    machine, options = result["machine"], result["options"]
    usual = recurra.Text().model_dump()
    changed = " ".join(f"{key}={value}" for key, value in options.items() if usual[key] != value)
    lines = [
        f"## {result['title']}",
        "",
        f"`{result['command']}`: {result['seconds'] / 60:.1f} minutes of updates on {machine['cores']} cores of "
        f"{machine['processor']}, {machine['threads']} threads, torch {machine['torch']}.",
        "",
    ]
    for figure, facts in result["figures"].items():
        rows = [("**recurra**", facts["value"], "{:.4f} to {:.4f}".format(*facts["interval"]), "")]
        rows += [(who, value, "", "") for who, value in facts["baselines"].items()]
        rows += [(who, value, "", "elsewhere") for who, value in result["elsewhere"].items()]
        lines += [f"| who | {figure} | 95 % interval | where |", "|---|---|---|---|"]
        lines += [
            f"| {who} | {value:.4f} | {interval} | {where} |"
            for who, value, interval, where in sorted(rows, key=lambda r: r[1])
        ]
        lines.append("")
    lines += [f"![learning curve](images/{name}.svg)", "", f"Options beside the defaults: `{changed}`.", ""]
    return "\n".join(lines)


def _forecasts(result: dict[str, Any]) -> str:
    machine = result["machine"]
    lines = [
        f"## {result['title']}",
        "",
        f"`{result['command']}`: on {machine['cores']} cores of {machine['processor']}, torch {machine['torch']}, "
        f"{machine['threads']} thread(s). Every origin of the test part (`drop_last` off), one seed. Minutes are those of the "
        "whole run, data and measurement included. *Naive* is the best of the naive forecasts by that figure.",
        "",
        "| data, steps ahead | figure | recurra | 95 % interval | naive | | elsewhere | look-back | minutes |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, case in result["cases"].items():
        for figure, metric in case["figures"].items():
            best = min(metric["baselines"], key=lambda who: metric["baselines"][who])
            low, high = metric["interval"]
            elsewhere = "; ".join(f"{who} {value}" for who, value in case["elsewhere"].get(figure, {}).items())
            interval = "" if low is None else f"{low:.4g} to {high:.4g}"
            naive = f"{metric['baselines'][best]:.4g} | {best}"
            numbers = f"**{metric['value']:.4g}** | {interval} | {naive} | {elsewhere}"
            lines.append(f"| {name} | {figure} | {numbers} | {case['options']['window']} | {case['minutes']:.1f} |")
    if "windows per second" in result:
        rates = result["windows per second"]
        told = ", ".join(f"{who} {rate:.0f}" for who, rate in rates.items())
        lines += ["", f"Windows learnt from a second (`python -m benchmarks.quality.forecast_speed`): {told}."]
    lines += ["", "What each run says of itself:", ""]
    lines += [f"- {name}: {case['notes'][0]}" for name, case in result["cases"].items()]
    lines += ["", "Options:", ""]
    for name, case in result["cases"].items():
        lines.append(f"- {name}: `{' '.join(f'{key}={value}' for key, value in case['options'].items())}`")
    lines.append("")
    return "\n".join(lines)


def _speed(name: str, table: dict[str, Any]) -> str:
    result = Result.of(table)
    drawn = {f"images/{name}-{picture}": content for picture, content in pictures(result).items()}
    (DOCS / "images").mkdir(exist_ok=True)
    for picture, content in drawn.items():
        (DOCS / picture).write_bytes(content)
    return "\n".join(summary(result, list(drawn), level=2))


def _draw(name: str, result: dict[str, Any]) -> None:
    (_, seconds), (measure, scores) = result["curve"].items()
    figure = learning_curve([time / 60 for time in seconds], scores, next(iter(result["figures"].values()))["baselines"])
    figure.axes[0].set(xlabel="minutes of updates", ylabel=measure)
    (DOCS / "images").mkdir(exist_ok=True)
    figure.savefig(DOCS / "images" / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
