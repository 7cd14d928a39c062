"""Windows learnt from a second, beside neuralforecast's LSTM of the same size on the same series, where it is installed.

Run: python -m benchmarks.quality.forecast_speed   (a minute; nothing else should run beside it)

Two recurrent layers of 128 units read 96 hours, one map tells the next 24; 64 windows an update, absolute error. Each runs in a
process of its own, in turn, three times; the median counts.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import recurra
from benchmarks.machine import RESULTS, write_result

WINDOW, HORIZON, BATCH, UPDATES, ROUNDS = 96, 24, 64, 60, 3


def main() -> None:
    """Measure, print, and put the figures into benchmarks/results/forecast.json."""
    found: dict[str, list[float]] = {"recurra": [], "neuralforecast": []}
    for _ in range(ROUNDS):
        for who, rates in found.items():
            done = subprocess.run([sys.executable, "-m", __spec__.name, who], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                rates.append(float(done.stdout.split()[-1]))
    medians = {who: statistics.median(some) for who, some in found.items() if some}
    print(medians)
    kept = json.loads((RESULTS / "forecast.json").read_text())
    write_result("forecast", kept | {"windows per second": medians})


def ours() -> float:
    """Windows per second of the task's own loop."""
    options = {"model": "direct", "cell": "lstm", "layers": 2, "hidden": 128, "loss": "absolute", "calendar": False}
    with tempfile.TemporaryDirectory() as folder:
        task = recurra.Forecast(**options, horizon=HORIZON, window=WINDOW, batch=BATCH, steps=UPDATES, check=20, season=24)
        run = task.fit({"y": series()}, out=Path(folder) / "run", show=False)
        looks = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    return float(max(look["items_per_second"] for look in looks[1:]))


def theirs() -> float:
    """Windows per second between the ends of neuralforecast's updates."""
    import pandas
    import pytorch_lightning
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MAE
    from neuralforecast.models import LSTM

    stamps: list[float] = []

    class Watch(pytorch_lightning.Callback):  # type: ignore[misc]
        """Notes when each update ends."""

        def on_train_batch_end(self, *_: Any) -> None:
            stamps.append(time.perf_counter())

    model = LSTM(
        h=HORIZON,
        input_size=WINDOW,
        encoder_n_layers=2,
        encoder_hidden_size=128,
        decoder_hidden_size=128,
        decoder_layers=1,
        loss=MAE(),
        max_steps=UPDATES,
        windows_batch_size=BATCH,
        batch_size=1,
        recurrent=False,
        callbacks=[Watch()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        accelerator="cpu",
    )
    stamped = pandas.date_range("2000", periods=len(series()), freq="h")
    NeuralForecast([model], freq="h").fit(pandas.DataFrame({"unique_id": "a", "ds": stamped, "y": series()}))
    return float(BATCH / np.median(np.diff(stamps[5:])))


def series() -> Any:
    """Half a year of hours."""
    return np.sin(np.arange(4000) * 2 * np.pi / 24) + 0.1 * np.random.default_rng(0).normal(size=4000)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["recurra"]:
            print(ours())
        case ["neuralforecast"]:
            print(theirs())
        case _:
            main()
