"""Every odd file and its answer: what `recurra predict` and `recurra train` make of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import recurra as package
from tests.cli.process import Ended
from tests.places import dataset

soundfile, pillow = pytest.importorskip("soundfile"), pytest.importorskip("PIL.Image")
pytest.importorskip("symusic")

Command = Callable[..., Ended]
Answer = int | float | str | None
"""How many lines, how many seconds, None where it is just read, or the line behind the file's name that says why not."""

KIND = "of a kind that is not read; wanted .txt, .jsonl, .ndjson, .ts, .npz, .csv, .tsv"
KIND += ", .fa, .fasta, .fna, .faa, .ffn, .fas, or plain lines"
EMPTY = "nothing in it; wanted at least one text or series"
NOTHING = "nothing in it to learn from; wanted a text or a series, and its label, on each line"
NAMELESS = "line 1: no column is called text or label; there are {}: say text=NAME label=NAME, or numbers"
ENCODED = "line 1 or soon after: {} is not utf-8; say encoding=latin-1, or what it is, in training"
UTF16 = "line 1 or soon after: 0xff is not utf-8; say encoding=utf-16 in training"
FEW = "texts: {} to learn from, {} for looks during training, {} to measure on; wanted at least 2, 1 and 1"
FEW += ": give more, or a larger held_out"
ONE = "sentences: 1 to learn from, 0 for looks during training, 0 to measure on; wanted at least 2, 1 and 1"
ONE += ": give more sentences, or a larger held_out"
NO_SOUND = "no sound that can be read ({}); wanted .wav, .flac, .ogg, .mp3 or their like"
NO_CHUNK = NO_SOUND.format("Error in WAV file. No 'data' chunk marker")
CUT, MANY = "damaged or cut off ({})", "{} pixels declared; wanted at most 50,000,000"
NO_WRITING = "no writing in it; wanted images (.png, .jpg, .jpeg, ...) or pen points (.csv, .jsonl, .ndjson, .unp, .unipen)"
NO_MIDI = "no MIDI that can be read ({}); wanted .mid, whole"
DOT = "1 x 1 pixels; wanted at least 3 x 3 to see anything"

PREDICTED: dict[str, dict[str, Answer]] = {
    "classify": {
        "text/blns.json": KIND,
        "text/blns.txt": 742,
        "text/invalid_utf8.txt": ENCODED.format("0xe9"),
        "text/mixed_newlines.txt": 3,
        "text/no_final_newline.txt": 1,
        "text/only_newlines.txt": EMPTY,
        "text/rtl_emoji_zwj.txt": 1,
        "text/very_long_line.txt.gz": 1,
        "csv/bad.csv": NAMELESS.format("column_a, column_b, column_c"),
        "csv/bad_skip_lines.csv": NAMELESS.format("column_a, column_b, column_c").replace("1", "4", 1),
        "csv/begrotingsanalyse-2011.csv": NAMELESS.format(", , Kengetallen clusters, ,  ..."),
        "csv/blanks.csv": NAMELESS.format("a, b, c, d, e ..."),
        "csv/complex.csv": NAMELESS.format("date, another date, temperature, place"),
        "csv/constant_column.csv": 51,
        "csv/dummy.csv.bz2": KIND,
        "csv/dummy.csv.gz": NAMELESS.format("a, b, c"),
        "csv/dummy_col_shuffled_ragged.csv": NAMELESS.format("b, c, a, d"),
        "csv/empty.csv": EMPTY,
        "csv/example.tsv": NAMELESS.format("hour, expr1_0_imp, expr1_1_imp, ctrl1_0_imp, ctrl1_1_imp ..."),
        "csv/excel_pasting.csv": NAMELESS.format("CO2 emissions by dif, , , ,  ..."),
        "csv/nan_inf_header_dup.csv": NAMELESS.format("date, x, x, y"),
        "csv/no_header_row.csv": NAMELESS.format("1, 2, 3"),
        "csv/null.csv": NAMELESS.format("1, null, 0, 0"),
        "csv/null_byte.csv": "line 2: a character that is 0, so this is no text in utf-8; wanted a text file",
        "csv/one_row.csv": 2,
        "csv/optional_quote_characters.csv": NAMELESS.format("a, b, c"),
        "csv/sauron.SHIFT_JIS.csv": ENCODED.format("0x83"),
        "csv/simple.psv": 29,
        "csv/simple.ssv": 7,
        "csv/simple.unknown": EMPTY,
        "csv/skip_initials.csv": 3,
        "csv/small.csv": 1,
        "csv/sort_ints_nulls.csv": NAMELESS.format("a, b, c"),
        "csv/spanish_chars.csv": ENCODED.format("0xf3"),
        "csv/sparse_with_column_errors.csv": ENCODED.format("0xe4"),
        "csv/test_empty_columns.csv": NAMELESS.format("a, b, c, , "),
        "csv/test_empty_columns_long_row.csv": NAMELESS.format("a, b, c"),
        "csv/test_empty_columns_short_row.csv": NAMELESS.format("a, b, c"),
        "csv/test_header_newline.csv": NAMELESS.format("start end, b, c"),
        "csv/test_utf16_big.csv": "line 1 or soon after: 0xfe is not utf-8; say encoding=utf-16 in training",
        "csv/test_utf16_little.csv": UTF16,
        "csv/test_utf8_bom.csv": NAMELESS.format("foo, bar, baz"),
        "csv/unsorted_gap_dst.csv": 7,
        "csv/utf-16le_encoded.csv": UTF16,
        "csv/utf8bom.csv": 1,
    },
    "tag": {
        "text/blns.json": 517,
        "text/blns.txt": 742,
        "text/invalid_utf8.txt": ENCODED.format("0xe9"),
        "text/mixed_newlines.txt": 3,
        "text/no_final_newline.txt": 1,
        "text/only_newlines.txt": "nothing in it; wanted at least one sentence",
        "text/rtl_emoji_zwj.txt": 1,
        "text/very_long_line.txt.gz": 1,
    },
    "transcribe": {
        "audio/cut_in_data.wav": 0.267,
        "audio/cut_in_header.wav": NO_CHUNK,
        "audio/declared_too_long.wav": 0.538,
        "audio/float_nan.wav": "sample 1 is nan; wanted finite numbers",
        "audio/full_scale_clip.wav": 1.0,
        "audio/header_only_zero_samples.wav": "no samples in it; wanted a sound of some length",
        "audio/odd_byte_data.wav": 0.537,
        "audio/silence_1s.wav": 1.0,
        "audio/test-44100Hz-2ch-32bit-float-be.wav": 0.01,
        "audio/test-44100Hz-2ch-32bit-float-le.wav": 0.01,
        "audio/test-44100Hz-le-1ch-4bytes-early-eof.wav": 0.005,
        "audio/test-44100Hz-le-1ch-4bytes-incomplete-chunk.wav": NO_CHUNK,
        "audio/test-44100Hz-le-1ch-4bytes.wav": 0.1,
        "audio/test-8000Hz-le-2ch-1byteu.wav": 0.1,
        "audio/text_named.wav": NO_SOUND.format("Format not recognised"),
        "audio/zero_bytes.wav": "0 bytes; wanted a file of sound",
    },
    "read": {
        "image/16bit.cropped.tif": None,
        "image/1x1_l.png": DOT,
        "image/badfilesize.bmp": None,
        "image/badrle.bmp": None,
        "image/badwidth.bmp": MANY.format("274,877,898,816"),
        "image/broken.png": "no image that can be read; wanted PNG, JPEG, GIF, BMP, TIFF, PPM, WEBP",
        "image/broken_data_stream.png": CUT.format("unrecognized data stream contents when reading image file"),
        "image/broken_exif_dpi.jpg": None,
        "image/decompression_bomb.gif": MANY.format("4,364,696,535"),
        "image/hopper.gif": None,
        "image/hopper.jpg": None,
        "image/hopper.png": None,
        "image/hopper.ppm": None,
        "image/hopper_16bit.pgm": None,
        "image/hopper_bad_exif.jpg": None,
        "image/i_trns.png": None,
        "image/invalid-exif.jpg": None,
        "image/p_16.png": None,
        "image/pngtest_bad.png.bin": NO_WRITING,
        "image/rgb_trns.png": None,
        "image/tRNS_null_1x1.png": DOT,
        "image/truncated_end_chunk.png": CUT.format("Truncated File Read"),
        "image/truncated_image.png": CUT.format("image file is truncated"),
        "image/truncated_jpeg.jpg": CUT.format("image file is truncated (8 bytes not processed)"),
    },
    "compose": {
        "midi/cut_in_track.mid": NO_MIDI.format("Invalid chunk length 841 (remaining bytes after header: 316)"),
        "midi/good.mid": 47.5,
        "midi/header_only.mid": "no notes in it; wanted at least one",
        "midi/track_length_too_big.mid": NO_MIDI.format("Invalid chunk length 2147483647 (remaining bytes after header: 1552)"),
        "midi/wrong_magic.mid": NO_MIDI.format("Invaild midi file! File header is not MThd"),
        "midi/zero_bytes.mid": "0 bytes; wanted a MIDI file",
        "midi/zero_division.mid": "0 ticks a quarter note; wanted 1 or more",
    },
}
"""What `recurra predict` answers."""

LEARNT: dict[str, dict[str, Answer]] = {
    "classify": {
        "text/blns.json": KIND,
        "text/blns.txt": "line 2: 1 column; wanted at least 2, with tabs between them, as in its first line",
        "text/invalid_utf8.txt": "byte 13 is 0, so this is no text in utf-8; wanted a text file",
        "text/mixed_newlines.txt": FEW.format(0, 1, 1),
        "text/no_final_newline.txt": FEW.format(0, 0, 1),
        "text/only_newlines.txt": NOTHING,
        "text/rtl_emoji_zwj.txt": FEW.format(0, 0, 1),
        "text/very_long_line.txt.gz": FEW.format(0, 0, 1),
        "csv/bad.csv": NAMELESS.format("column_a, column_b, column_c"),
        "csv/bad_skip_lines.csv": NAMELESS.format("column_a, column_b, column_c").replace("1", "4", 1),
        "csv/begrotingsanalyse-2011.csv": NAMELESS.format(", , Kengetallen clusters, ,  ..."),
        "csv/blanks.csv": NAMELESS.format("a, b, c, d, e ..."),
        "csv/complex.csv": NAMELESS.format("date, another date, temperature, place"),
        "csv/constant_column.csv": FEW.format(0, 1, 50),
        "csv/dummy.csv.bz2": KIND,
        "csv/dummy.csv.gz": NAMELESS.format("a, b, c"),
        "csv/dummy_col_shuffled_ragged.csv": NAMELESS.format("b, c, a, d"),
        "csv/empty.csv": NOTHING,
        "csv/example.tsv": NAMELESS.format("hour, expr1_0_imp, expr1_1_imp, ctrl1_0_imp, ctrl1_1_imp ..."),
        "csv/excel_pasting.csv": NAMELESS.format("CO2 emissions by dif, , , ,  ..."),
        "csv/nan_inf_header_dup.csv": NAMELESS.format("date, x, x, y"),
        "csv/no_header_row.csv": NAMELESS.format("1, 2, 3"),
        "csv/null.csv": NAMELESS.format("1, null, 0, 0"),
        "csv/null_byte.csv": "byte 6 is 0, so this is no text in utf-8; wanted a text file",
        "csv/one_row.csv": FEW.format(0, 1, 1),
        "csv/optional_quote_characters.csv": NAMELESS.format("a, b, c"),
        "csv/sauron.SHIFT_JIS.csv": "line 2, byte 3: 0x83 is not utf-8; say encoding=latin-1, or what it is",
        "csv/simple.psv": FEW.format(0, 0, 1),
        "csv/simple.ssv": FEW.format(0, 0, 0),
        "csv/simple.unknown": NOTHING,
        "csv/skip_initials.csv": FEW.format(1, 1, 1),
        "csv/small.csv": "no label in it; wanted one for each of the 1: say label=NAME, of a column or key",
        "csv/sort_ints_nulls.csv": NAMELESS.format("a, b, c"),
        "csv/spanish_chars.csv": "line 1, byte 53: 0xf3 is not utf-8; say encoding=latin-1, or what it is",
        "csv/sparse_with_column_errors.csv": "line 2, byte 5: 0xe4 is not utf-8; say encoding=latin-1, or what it is",
        "csv/test_empty_columns.csv": NAMELESS.format("a, b, c, , "),
        "csv/test_empty_columns_long_row.csv": NAMELESS.format("a, b, c"),
        "csv/test_empty_columns_short_row.csv": NAMELESS.format("a, b, c"),
        "csv/test_header_newline.csv": NAMELESS.format("start end, b, c"),
        "csv/test_utf16_big.csv": "byte 2 is 0, so this is no text in utf-8; say encoding=utf-16",
        "csv/test_utf16_little.csv": "byte 3 is 0, so this is no text in utf-8; say encoding=utf-16",
        "csv/test_utf8_bom.csv": NAMELESS.format("foo, bar, baz"),
        "csv/unsorted_gap_dst.csv": None,
        "csv/utf-16le_encoded.csv": "byte 3 is 0, so this is no text in utf-8; say encoding=utf-16",
        "csv/utf8bom.csv": FEW.format(0, 0, 1),
    },
    "tag": {
        "text/blns.json": "line 1: 1 column; wanted a word and its tag, with tabs or blanks between them",
        "text/blns.txt": "line 5: 1 column; wanted 2, with tabs between them, as in line 1",
        "text/invalid_utf8.txt": "byte 13 is 0, so this is no text in utf-8; wanted a text file",
        "text/mixed_newlines.txt": "line 1: 1 column; wanted a word and its tag, with tabs or blanks between them",
        "text/no_final_newline.txt": ONE,
        "text/only_newlines.txt": "no sentence in it; wanted a word and its tag on each line, and an empty line behind each",
        "text/rtl_emoji_zwj.txt": ONE,
        "text/very_long_line.txt.gz": ONE,
    },
}
"""What `recurra train` answers."""

SMALL: dict[str, Any] = {"hidden": 4, "steps": 1, "check": 1, "engine": "torch", "held_out": 0.4}


def films(folder: Path) -> Path:
    path = folder / "films.csv"
    path.write_text("text,label\n" + "".join(f"a fine thing {k},good\na dull one {k},bad\n" for k in range(30)))
    return path


def places(folder: Path) -> Path:
    path = folder / "places.conll"
    path.write_text("".join(f"in O\nRome{k} B-LOC\n. O\n\n" for k in range(40)))
    return path


def tones(folder: Path) -> Path:
    for k in range(20):
        soundfile.write(folder / f"{k}.wav", 0.3 * np.sin(np.arange(2000) * (0.1 + 0.01 * k)), 8000)
        (folder / f"{k}.txt").write_text("ab"[k % 2])
    return folder


def tunes(folder: Path) -> Path:
    (path := folder / "tunes.json").write_text(json.dumps([[[60 + k % 7, 64], [62], [60 + k // 7]] * 8 for k in range(40)]))
    return path


def letters(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    for k in range(20):
        pillow.fromarray(draw.integers(0, 255, (24, 30)).astype(np.uint8)).save(folder / f"{k}.png")
        (folder / f"{k}.txt").write_text("ab"[k % 2])
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each task that learnt next to nothing."""
    tasks: dict[str, tuple[Any, Callable[[Path], Path]]] = {
        "classify": (package.Classify(**SMALL, embedding=4), films),
        "tag": (package.Tag(**SMALL, embedding=4, spelling=4, output="softmax"), places),
        "transcribe": (package.Transcribe(**SMALL, channels=4, bins=8, rate=8000), tones),
        "compose": (package.Compose(**SMALL, nade_hidden=4, window=8), tunes),
        "read": (package.Read(**SMALL, channels=4, front="convolution"), letters),
    }
    folder = tmp_path_factory.mktemp("runs")
    for task, (options, make) in tasks.items():
        options.fit(make(tmp_path_factory.mktemp(task)), out=folder / task, show=False)
    return {task: folder / task for task in tasks}


def refusal(ended: Ended, file: Path) -> str:
    """The line of a file that is refused, without its name."""
    assert (ended.code, ended.out, ended.err.count("\n")) == (3, "", 1), ended
    assert ended.err.startswith(f"recurra: {file}"), ended
    return ended.err.removeprefix(f"recurra: {file}").strip(":, \n")


@pytest.mark.data
@pytest.mark.parametrize("task", PREDICTED)
def test_what_is_predicted(task: str, command: Command, runs: dict[str, Path], tmp_path: Path) -> None:
    folder, found = dataset("noisy_inputs").resolve(), dict[str, Answer]()
    for name in PREDICTED[task]:
        ended = command("predict", runs[task], folder / name, "--json")
        if ended.code:
            found[name] = refusal(ended, folder / name)
            continue
        assert ended.err == "", name
        rows = [json.loads(line) for line in ended.out.splitlines()]
        problem = rows[0].get("problem", "").removeprefix(f"{folder / name}: ")
        seconds = rows[0].get("seconds")
        found[name] = problem or {"transcribe": seconds, "compose": seconds, "read": None}.get(
            task, len({row.get("line") for row in rows})
        )
    assert found == PREDICTED[task]
    assert not list(tmp_path.iterdir())


@pytest.mark.data
@pytest.mark.parametrize("task", LEARNT)
def test_what_is_learnt(task: str, command: Command, tmp_path: Path) -> None:
    folder, found = dataset("noisy_inputs").resolve(), dict[str, Answer]()
    for name in LEARNT[task]:
        words = [f"{option}={value}" for option, value in SMALL.items() if option != "held_out"]
        ended = command("train", task, folder / name, *words, "--out", tmp_path / "run")
        assert (tmp_path / "run").exists() == (ended.code == 0), name
        if ended.code:
            found[name] = refusal(ended, folder / name)
        else:
            found[name] = None
            shutil.rmtree(tmp_path / "run")
    assert found == LEARNT[task]
    assert not list(tmp_path.iterdir())


@pytest.mark.data
def test_no_file_is_left_out() -> None:
    folder = dataset("noisy_inputs")
    for table in (PREDICTED, LEARNT):
        named = {name for answers in table.values() for name in answers}
        kinds = ("text", "csv", "audio", "image", "midi") if table is PREDICTED else ("text", "csv")
        assert named == {f"{kind}/{path.name}" for kind in kinds for path in (folder / kind).iterdir()}
