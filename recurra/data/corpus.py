"""Text from files, a folder, or the standard library, and its honest split."""

import codecs
import gzip
import hashlib
import lzma
import os
import platform
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from recurra.data.lines import readable
from recurra.errors import DataError

__all__ = ["Corpus", "Document", "as_written", "decoded", "read", "read_file", "reference"]

UNPACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".xz": lzma.decompress}


class Document(NamedTuple):
    """One text and where it came from."""

    name: str
    text: str


class Corpus(NamedTuple):
    """Documents in order, and what they are called together."""

    source: str
    documents: tuple[Document, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all names and texts: any change of a byte that is read changes it."""
        digest = hashlib.sha256()
        for name, text in self.documents:
            for part in (os.fsencode(Path(name).name), text.encode("utf-8", "surrogatepass")):
                digest.update(len(part).to_bytes(8, "little") + part)
        return digest.hexdigest()

    @property
    def text(self) -> str:
        """All texts, each begun on a new line."""
        return _joined(self.documents)

    @property
    def characters(self) -> int:
        """The length of all texts."""
        return sum(len(document.text) for document in self.documents)

    def split(self, share: float) -> tuple[str, str]:
        """(learning text, held-out text), about `share` of the characters held out.

        Many documents are split by document, chosen by the hash of their names, so that none stands on both sides. Fewer
        than 20 are joined and split by position: the last part is held out.
        """
        if len(self.documents) < 20:
            at = round(len(self.text) * (1 - share))
            return self.text[:at], self.text[at:]
        ranked = sorted(self.documents, key=lambda document: hashlib.sha256(os.fsencode(Path(document.name).name)).digest())
        held_out, size = set[Document](), 0
        for document in ranked:
            if size + len(document.text) <= share * self.characters:
                held_out.add(document)
                size += len(document.text)
        sides: tuple[list[Document], list[Document]] = ([], [])
        for document in self.documents:
            sides[document in held_out].append(document)
        return _joined(sides[0]), _joined(sides[1])


def _joined(documents: Iterable[Document]) -> str:
    texts = [document.text for document in documents]
    return "".join(text if text.endswith("\n") else text + "\n" for text in texts[:-1]) + "".join(texts[-1:])


def read(path: Path, encoding: str = "utf-8") -> Corpus:
    """Read a text file, or all ``*.txt`` files below a folder in the order of their names."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.txt") if not _hidden(file.relative_to(path)))
        if not files:
            raise DataError(f"{path}: no *.txt file in this folder; name a file, or a folder of .txt files")
    else:
        files = [path]
    documents = tuple(Document(str(file), read_file(file, encoding)) for file in files)
    if not any(document.text.strip() for document in documents):
        raise DataError(f"{path}: no text in it; wanted at least a few thousand characters")
    return Corpus(str(path), documents)


def read_file(file: Path, encoding: str = "utf-8") -> str:
    """The text of one file, unpacked if it ends in .gz or .xz, with line ends as line feeds and without a byte order mark."""
    return as_written(file, encoding).replace("\r\n", "\n").replace("\r", "\n")


def as_written(file: Path, encoding: str = "utf-8") -> str:
    """The text of one file, unpacked if it ends in .gz or .xz, without a byte order mark; line ends are as they are."""
    with readable(file):
        raw = UNPACK.get(file.suffix, bytes)(file.read_bytes())
    return decoded(raw, str(file), encoding)


def decoded(raw: bytes, name: str, encoding: str = "utf-8") -> str:
    r"""The text of bytes, without a byte order mark; `name` is where messages say that they lie.

    Example:
        >>> decoded(b"gr\xfcn", "a.txt", "latin-1")
        'grün'
    """
    try:
        codec = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise _unknown(name, encoding) from None
    if b"\0" in raw and not codec.startswith(("utf-16", "utf-32")):
        marked = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        wanted = "say encoding=utf-16" if marked else "wanted a text file"
        raise DataError(f"{name}: byte {raw.index(0)} is 0, so this is no text in {encoding}; {wanted}")
    try:
        return raw.decode("utf-8-sig" if codec == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        raw = error.object  # what was decoded: without the byte order mark
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        found = f"{name}, line {line}, byte {column}: 0x{raw[error.start]:02x} is not {encoding}"
        raise DataError(f"{found}; say encoding=latin-1, or what it is") from None
    except (LookupError, ValueError):  # a codec, but not one of text
        raise _unknown(name, encoding) from None


def reference() -> Corpus:
    """The reference manual of this Python, from `pydoc_data.topics`: English prose that every machine has.

    A document is a topic. Topics share long passages; each paragraph is kept where it stands first. The text differs
    from one Python version to the next.
    """
    from pydoc_data.topics import topics

    seen: set[str] = set()
    found = (Document(name, _fresh_paragraphs(topics[name], seen)) for name in sorted(topics))
    documents = tuple(document for document in found if document.text)
    return Corpus(f"the language reference of Python {platform.python_version()}", documents)


def _hidden(below: Path) -> bool:
    return any(part.startswith(".") for part in below.parts)


def _unknown(name: str, encoding: str) -> DataError:
    return DataError(f"{name}: encoding={encoding} is unknown; wanted utf-8, latin-1, cp1252, utf-16, ...")


def _fresh_paragraphs(text: str, seen: set[str]) -> str:
    def fresh(paragraphs: Iterable[str]) -> Iterable[str]:
        for paragraph in paragraphs:
            key = " ".join(paragraph.split())
            if key and key not in seen:
                seen.add(key)
                yield paragraph.strip("\n") + "\n\n"

    return "".join(fresh(re.split(r"\n\s*\n", text)))
