"""A run of the benchmark as text: lines for a terminal, a page of Markdown."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from recurra.bench.options import PARTS
from recurra.bench.results import Contender, Measure, Reached, Result

__all__ = ["line", "page", "reached", "several", "summary"]


def line(measure: Measure) -> str:
    """One comparison in a line, ratios first."""
    ratios = [f"{ratio:.2f}x {peer}" for peer, ratio in measure.ratios.items()]
    times = [f"{name} {_time(measure, name)}" for name in measure.seconds]
    lacks = [f"{name}: {why}" for name, why in measure.missing.items()]
    told = "; ".join(", ".join(words) for words in (ratios, times, lacks) if words)
    return f"{measure.part}: {measure.subject} ({measure.shape}) {measure.way}, {several(measure.threads, 'thread')}: {told}"


def page(result: Result, pictures: Sequence[str]) -> Iterator[str]:
    """The lines of ``bench.md``: the summary, and every comparison but those of the grid, which the pictures show."""
    yield from summary(result, pictures)
    for part, what in PARTS.items():
        found = [measure for measure in result.measures if measure.part == part]
        if found and part != "grid":
            yield from (f"## {part}: {what}", "", *_comparisons(found), "")


def summary(result: Result, pictures: Sequence[str], *, level: int = 1) -> Iterator[str]:
    """Lines of Markdown: command and machine, the goals beside what was reached, and the pictures of these names."""
    yield from (f"{'#' * level} Speed of the engine", "", _machine(result), "", *LEGEND, "", *_goals(result), "")
    profiled = [measure for measure in result.measures if measure.part == "profile"]
    if profiled:
        yield from (f"{'#' * level}# Where the time goes", "", *PROFILE, "", *_profile(profiled), "")
    family = [measure for measure in result.measures if measure.part == "family"]
    if family:
        yield from (f"{'#' * level}# The family", "", *FAMILY, "", *_family(family), "")
    for name in pictures:
        yield from (f"![{Path(name).stem.replace('-', ' ')}]({name})", "")


def _family(measures: Sequence[Measure]) -> Iterator[str]:
    found = {(each.subject, each.shape, each.threads): each.ratios for each in measures}
    cases = list(dict.fromkeys((shape, threads) for _, shape, threads in found))
    titles = [f"{shape}; {several(threads, 'thread')}" for shape, threads in cases]
    yield from _rows(["", *(f"{what}: {title}" for title in titles for what in ("of LSTM's time", "over the fold"))])
    for subject in dict.fromkeys(subject for subject, _, _ in found):
        row = [subject]
        for case in cases:
            ratios = found.get((subject, *case), {})
            lstm, fold = ratios.get(Contender.OURS_LSTM), ratios.get(Contender.FOLD)
            row += [f"{1 / lstm:.2f}" if lstm else "", f"{fold:.1f}x" if fold else ""]
        yield _row(row)


def _profile(measures: Sequence[Measure]) -> Iterator[str]:
    yield from _rows(["", "", "B, T, H", "threads", "ours", "products at the speed of A @ A", "more in the loop", "all else"])
    for measure in measures:
        whole, without = measure.seconds.get(Contender.OURS), measure.seconds.get(Contender.DIAGONAL)
        if whole and without:
            beyond, rest = whole - without - measure.product / 2, without - measure.product / 2
            shares = [f"{part / whole:.0%}" for part in (measure.product, beyond, rest)]
            start = [measure.subject, measure.way, str(measure.shape), str(measure.threads)]
            yield _row([*start, _time(measure, Contender.OURS), *shares])


PROFILE = (
    "Half of a call's products are of x, half of h. Wired diagonally, a call does all but those of h: what it takes beyond",
    "the products of x at the speed of `A @ A` is *all else*, pointwise work, packing and Python; and what the dense call",
    "takes beyond it, and beyond the speed of `A @ A`, the products of h take *more in the loop*, with few rows at a time.",
)
FAMILY = (
    "Training (forward and backward) of one layer of every member, as it runs by default, with as many inputs as units: its",
    "time as a share of that of our LSTM on the sweep, and how many times as long its own equation takes in the Python fold.",
)
LEGEND = (
    "Contenders run in turn in one process (or, where they must not meet, in a process of their own), and the median counts.",
    "A ratio is the other's time over ours. *Cap*: torch's time over that of the same products at the speed of this run's",
    "`A @ A` (1024 x 1024). *Share*: the share of that speed that ours reaches.",
)


def several(count: int, noun: str) -> str:
    """A number of things.

    >>> several(1, "thread"), several(2, "thread")
    ('1 thread', '2 threads')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def reached(one: Reached) -> str:
    """A goal's value, with a word where it is missed."""
    return f"{one.text}, missed" if one.met is False else one.text


def _machine(result: Result) -> str:
    told = dict(result.machine)
    where = f"{several(told.pop('cores'), 'core')} of {told.pop('processor')} with {told.pop('instructions')}"
    told.pop("threads")
    versions = ", ".join(f"{name} {version}" for name, version in told.items())
    roofs = "; ".join(
        f"with {several(threads, 'thread')} `A @ A` runs at {each.product / 1e9:.0f} GFLOP/s, "
        f"reading at {each.memory / 1e9:.0f} GB/s from memory and {each.cache / 1e9:.0f} GB/s from the cache"
        for threads, each in result.roofs.items()
    )
    took = several(round(result.seconds), "second") if result.seconds < 100 else f"{result.seconds / 60:.0f} minutes"
    return f"`{result.command}`: {took} on {where}; {versions}; {roofs}."


def _goals(result: Result) -> Iterator[str]:
    yield from _rows(["", "goal", *(several(threads, "thread") for threads in result.threads), "in detail"])
    for row in result.rows:
        details = {threads: one.detail for threads, one in row.reached.items() if one.detail}
        alone = len(result.threads) == 1
        told = "<br>".join(detail if alone else f"{several(n, 'thread')}: {detail}" for n, detail in details.items())
        yield _row([row.name, row.goal, *(reached(row.reached[threads]) for threads in result.threads), told])


def _comparisons(measures: Sequence[Measure]) -> Iterator[str]:
    yield from _rows(["", "", "B, T, H", "threads", "over", "ratio", "ours", "theirs", "share"])
    for measure in measures:
        start = [measure.subject, measure.way, str(measure.shape), str(measure.threads)]
        own = _time(measure, Contender.OURS) if Contender.OURS in measure.seconds else measure.missing.get(Contender.OURS, "")
        share = f"{measure.share:.0%}" if {Contender.OURS, Contender.PRODUCT} <= set(measure.seconds) else ""
        for peer in measure.peers or [""]:
            ratio = f"{measure.ratios[peer]:.2f}x" if peer in measure.ratios else ""
            yield _row([*start, peer, ratio, own, _time(measure, peer) if peer else "", share])
        for peer, why in measure.missing.items():
            if peer != Contender.OURS:
                yield _row([*start, peer, "", own, why, share])


def _time(measure: Measure, name: str) -> str:
    seconds = measure.seconds[name]
    unit, scale = ("us", 1e6) if seconds < 0.9995e-3 else ("ms", 1e3) if seconds < 0.9995 else ("s", 1.0)
    memory = f", {measure.memory[name] / 2**20:.0f} MiB" if name in measure.memory else ""
    return f"{seconds * scale:.3g} {unit}{memory}"


def _rows(titles: Sequence[str]) -> Iterator[str]:
    yield _row(titles)
    yield f"|{'---|' * len(titles)}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
