"""What was decoded and resampled once, kept on disk for the next run over the same data: tensors under a key.

The files are safetensors in the folder ``features`` beside that of the engine's entries (see `recurra.cache`): private,
written whole or not at all, the ones used longest ago removed where all together pass a limit. What goes wrong costs time,
never a result.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from recurra import cache, store
from recurra.errors import ModelFileError, ResourceError

__all__ = ["kept"]


def kept(
    about: Mapping[str, Any], make: Callable[[], dict[str, Tensor]], limit: int = cache.FEATURES_LIMIT
) -> dict[str, Tensor]:
    """What `make` gives, from the disk where it was kept under the same key, which is all that it depends on.

    Args:
        about: the fingerprint of the data, and every option that changes what is made; anything that is JSON.
        make: makes the tensors.
        limit: bytes that all files together may have; what is larger by itself is not kept.

    Example:
        >>> import torch
        >>> kept({"data": "a", "rate": 8000}, lambda: {"samples": torch.ones(2)})["samples"]
        tensor([1., 1.])
    """
    folder = _folder()
    if folder is None:
        return make()
    path = folder / f"{hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()}.safetensors"
    with suppress(ModelFileError):
        found = store.read_tensors(path)
        with suppress(OSError):  # a disk that is only read
            os.utime(path)
        return found
    made = make()
    if sum(tensor.nbytes for tensor in made.values()) <= limit:
        with suppress(OSError, ResourceError):
            folder.parent.mkdir(0o700, parents=True, exist_ok=True)
            folder.mkdir(0o700, exist_ok=True)
            if _folder() is not None:  # nobody else was quicker
                store.write_tensors(path, made)
                cache.trim(folder, "*.safetensors", limit)
    return made


def _folder() -> Path | None:
    place = cache.folder("features")
    return None if place.off else place.path
