"""Files that are whole or not there: JSON and safetensors, never pickle.

Every file is written under a temporary name beside its target, flushed to the disk, and renamed; then the folder is
flushed too. A reader therefore meets the old file or the new one, also after a power cut.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from recurra.errors import ModelFileError, ResourceError

__all__ = [
    "append_line",
    "keep_lines",
    "publish",
    "read_json",
    "read_tensors",
    "sha256",
    "sweep",
    "write_bytes",
    "write_json",
    "write_tensors",
    "write_text",
]


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON; NaN and infinities are refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    _replace(path, [text.encode("utf-8", "backslashreplace"), b"\n"])  # file names may hold what is not Unicode


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote; ModelFileError names the place where the file is not JSON."""
    try:
        return json.loads(path.read_text("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except FileNotFoundError:
        raise ModelFileError(f"{path}: no such file") from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: not the JSON that recurra writes ({error})") from None


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors as safetensors; tensors that share memory are written once each."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    _replace(path, [safetensors.torch.save(plain)])


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read what `write_tensors` wrote; a damaged file is a ModelFileError."""
    try:
        return safetensors.torch.load(path.read_bytes())
    except FileNotFoundError:
        raise ModelFileError(f"{path}: no such file") from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from None
    except (SafetensorError, ValueError, KeyError) as error:
        raise ModelFileError(f"{path}: not a sound safetensors file ({error})") from None


def write_text(path: Path, lines: Iterable[str]) -> None:
    """Write lines of text; the file appears when the last one is written."""
    _replace(path, (line.encode() + b"\n" for line in lines))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of any kind."""
    _replace(path, [content])


def sweep(folder: Path) -> None:
    """Remove what a killed writer left half-written in a folder; only for who holds the folder's lock."""
    for path in folder.glob(".*.tmp"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def append_line(path: Path, value: Any) -> None:
    """Append `value` to a JSON-lines log."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        raise _refused(path, error) from None


def keep_lines(path: Path, keep: Callable[[Any], bool]) -> None:
    """Drop the lines of a JSON-lines log that `keep` refuses, and a last one that was cut off; a missing log stays missing."""
    if not path.exists():
        return
    kept = []
    for line in path.read_bytes().split(b"\n"):  # bytes: the last line may end inside a character
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if keep(value):
            kept.append(line + b"\n")
    _replace(path, kept)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def publish(target: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder whole: `fill` writes into a temporary one, which then takes the name `target` in one step."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        fill(temporary)
        _sync(temporary)
        temporary.rename(target)
        _sync(target.parent)
    except OSError as error:
        raise _refused(target, error) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(path: Path, content: Iterable[bytes]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise _refused(path, error) from None
    finally:  # also after an interrupt; where the place itself cannot be, neither can this
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there, and the rename is journalled
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(path: Path, error: OSError) -> ResourceError:
    return ResourceError(f"{path}: cannot be written ({error.strerror or error}); free space or choose another folder")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key stands twice")
    return table


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not a number")
