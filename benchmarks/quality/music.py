"""Music as the literature measures it: nats of a step of chorales, folk tunes and piano pieces, beside same-note bigrams.

Run: scripts/quality music   (needs RECURRA_DATA; an hour on two cores)
Some of it: python -m benchmarks.quality.music jsb-nade, or a group (jsb, nottingham, piano)
"""

from collections.abc import Mapping
from typing import Any

from benchmarks.quality.classification import single
from benchmarks.quality.trainings import Training, head, measure_all, naive, ran_on, row

__all__ = ["TRAININGS", "main", "section"]

NAME = "music"
FIGURE = "nats per step"
SETS = {
    "jsb": single("jsb_chorales", "chorales.json.gz", "jsb-chorales-quarter.json.gz"),
    "nottingham": single("nottingham", "tunes.json.gz", "Nottingham.json.gz"),
    "piano": single("piano_midi", "pieces.json.gz", "Piano_midi.json.gz"),
}
ELSEWHERE: dict[str, dict[str, float]] = {
    "jsb-independent": {"LSTM (arXiv:1803.01271)": 8.45, "TCN": 8.10},
    "jsb-nade": {"RNN-NADE (arXiv:1206.6392)": 5.56},
    "nottingham-independent": {"LSTM (arXiv:1803.01271)": 3.29, "TCN": 3.07},
    "nottingham-nade": {"RNN-NADE (arXiv:1206.6392)": 2.31},
    "piano-independent": {"GRU, recalled": 8.82},
    "piano-nade": {"RNN-NADE (arXiv:1206.6392)": 7.05},
}
HOW = {
    "jsb": "grid=1 batch=8 lr=0.01 epochs=100",
    "nottingham": "window=100 hidden=400 epochs=24",
    "piano": "window=100 epochs=15 dropout=0.5",
}
TOLD = {"jsb": "Bach's chorales, quarter notes", "nottingham": "Nottingham folk tunes", "piano": "Piano-midi.de"}
OUTPUTS = {"independent": "each key by itself", "nade": "keys together, NADE"}

TRAININGS: dict[str, Training] = {
    f"{name}-{output}": Training(
        made,
        f"{HOW[name]} output={output}",
        elsewhere={FIGURE: ELSEWHERE[f"{name}-{output}"]},
        task="compose",
    )
    for name, made in SETS.items()
    for output in OUTPUTS
}
"""By name; what stands before the hyphen is a group."""


def main() -> None:
    """Train and measure what is named, or all; the figures of others stay as they were."""
    measure_all(NAME, "Music", TRAININGS)


def section(result: Mapping[str, Any]) -> str:
    """The part of docs/quality.md."""
    trainings = result["trainings"]
    lines = [
        f"## {result['title']}",
        "",
        f"{ran_on(result)} Nats of all 88 keys of a step together, the mean over all steps but the first of each piece of the "
        "sets' own test parts, the state carried through each; intervals resample pieces. In training pieces are moved by up "
        "to five semitones. Minutes are those of the updates, one seed.",
        "",
        *head("data", "output", FIGURE, "95 % interval", "naive", "", "elsewhere", "updates", "minutes"),
        *(_told(name, found) for name, found in trainings.items()),
        "",
        "Options:",
        "",
        *(f"- {name}: `{found['options']}`" for name, found in trainings.items()),
        "",
    ]
    return "\n".join(lines)


def _told(name: str, found: Mapping[str, Any]) -> str:
    group, _, output = name.partition("-")
    metric = found["figures"][FIGURE]
    best, value = next(iter(naive(metric).items()))
    low, high = metric["interval"]
    return row(
        TOLD[group],
        OUTPUTS[output],
        f"**{metric['value']:.3f}**",
        f"{low:.3f} to {high:.3f}",
        f"{value:.2f}",
        best,
        "; ".join(f"{who} {each}" for who, each in found["elsewhere"].get(FIGURE, {}).items()),
        f"{found['updates']:,}",
        f"{found['minutes']:.1f}",
    )


if __name__ == "__main__":
    main()
