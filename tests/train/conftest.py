"""An unbroken run that resumed ones are compared with."""

from pathlib import Path

import pytest

from tests.train.bench import Bench


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Path]:
    folder = tmp_path_factory.mktemp("whole")
    bench = Bench(folder)
    bench.run()
    return bench, folder
