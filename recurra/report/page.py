"""A run as one page: what stands out, what to try, and the figures and pictures behind it."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from recurra import __version__
from recurra.report.advice import Advice
from recurra.report.style import Picture
from recurra.train.flow import Flow, LayerFlow

__all__ = ["Section", "flow_table", "options_table", "page", "scores_tables"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # nothing is asked of any other machine
CSS = """
:root { color-scheme: light; --ink: #1a1a1a; --soft: #555; --line: #d9d9d9; --blue: #0b5fa5; --paper: #fff; --wash: #f5f7f9; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .8rem; padding-bottom: .3rem; border-bottom: 2px solid var(--ink); }
h3 { font-size: 1rem; margin: 0 0 .2rem; }
p { margin: .4rem 0; max-width: 65ch; }
.soft, figcaption, footer { color: var(--soft); font-size: .88rem; }
ol.advice { list-style: none; counter-reset: n; padding: 0; margin: 0; }
ol.advice li { counter-increment: n; position: relative; padding: .8rem 1rem .9rem 3.4rem; margin: 0 0 .7rem;
  background: var(--wash); border-left: 5px solid var(--blue); break-inside: avoid; }
ol.advice li::before { content: counter(n); position: absolute; left: 1rem; top: .75rem; width: 1.6rem; height: 1.6rem;
  border-radius: 50%; background: var(--blue); color: #fff; font-weight: 700; font-size: .95rem; line-height: 1.6rem;
  text-align: center; }
ol.advice p { margin: 0; }
.tries { margin-top: .45rem; display: flex; flex-wrap: wrap; gap: .3rem .5rem; align-items: baseline; }
code { font: .85rem/1.4 ui-monospace, "DejaVu Sans Mono", monospace; background: #fff; border: 1px solid #b9c4ce;
  border-radius: 4px; padding: .08rem .4rem; overflow-wrap: anywhere; }
p.well { background: var(--wash); border-left: 5px solid var(--blue); padding: .8rem 1rem; max-width: none; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.6rem 2rem;
  align-items: start; }
figure { margin: 0; break-inside: avoid; min-width: 0; }
figure svg { width: 100%; height: auto; display: block; max-width: 36rem; }
figcaption { margin-top: .3rem; max-width: 36rem; }
.wide { overflow-x: auto; margin-bottom: 1.6rem; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .8rem .28rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
td:first-child { white-space: nowrap; }
th { font-weight: 600; color: var(--soft); }
td.n, th.n { text-align: right; white-space: nowrap; }
tr.own td { font-weight: 700; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: 0; font-size: .95rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1.4rem 2.4rem; }
.columns > * { min-width: 0; break-inside: avoid; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .6rem; }
@media (max-width: 30rem) { main { padding: 1rem .9rem 2rem; } h1 { font-size: 1.35rem; } dl { gap: .2rem .8rem; } }
@media print {
  @page { size: A4; margin: 14mm; }
  body { font-size: 10.5pt; } main { padding: 0; max-width: none; }
  h2 { break-after: avoid; } .pictures { grid-template-columns: 1fr 1fr; gap: 6mm; }
  ol.advice li, p.well { background: none; border: 1px solid var(--line); border-left: 5px solid var(--blue); }
  ol.advice li::before { color: var(--ink); background: none; border: 2px solid var(--blue); line-height: 1.35rem; }
  .wide { overflow: visible; }
}
"""


class Section(NamedTuple):
    """A heading, what stands under it as HTML, and pictures."""

    title: str
    body: str = ""
    pictures: Sequence[Picture] = ()


def page(title: str, said: str, advice: Sequence[Advice], sections: Iterable[Section], missing: Sequence[str]) -> str:
    """The whole page, with nothing outside it. `title` and `said` are plain text."""
    parts = [
        f"<header><h1>{escape(title)}</h1><p class='soft'>{escape(said)}</p></header>",
        "<section><h2>What stands out</h2>",
        _advice(advice),
        "</section>",
    ]
    for section in sections:
        pictures = "".join(_picture(picture) for picture in section.pictures)
        grid = f"<div class='pictures'>{pictures}</div>" if pictures else ""
        parts.append(f"<section><h2>{escape(section.title)}</h2>{section.body}{grid}</section>")
    if missing:
        items = "".join(f"<li>{escape(line)}</li>" for line in missing)
        parts.append(f"<section><h2>What is missing here</h2><ul>{items}</ul></section>")
    parts.append(
        f"<footer>recurra {__version__}; all figures are in report.json, all pictures beside it as SVG and PNG.</footer>"
    )
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{CSS}</style>'
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>{"".join(parts)}</main></body></html>\n'


def options_table(pairs: Mapping[str, Any]) -> str:
    """Names and values, side by side."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in pairs.items())
    return f"<dl>{rows}</dl>"


def scores_tables(metrics: Mapping[str, Any]) -> str:
    """Each figure of an evaluation, as its JSON has it, beside what naive methods reach: the best first."""
    return "".join(f"<div><h3>{escape(name)}</h3>{_score_table(metric)}</div>" for name, metric in metrics.items())


def flow_table(flow: Flow) -> str:
    """The figures of each layer: gradient, memory, spectral radii, units."""
    heads = (
        "layer",
        "cell",
        "units",
        "gradient a step",
        "1 % left after",
        "left at the far end",
        "step's radius",
        "dead units",
    )
    head = "".join(f"<th{' class=n' if k > 1 else ''}>{escape(name)}</th>" for k, name in enumerate(heads))
    body = "".join(_flow_row(layer) for layer in flow.layers)
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _flow_row(layer: LayerFlow) -> str:
    travel, radii = layer.travel, layer.jacobian
    dead = len(layer.units.silent) + len(layer.units.still)
    cells = (
        f"{layer.hidden:,}",
        "" if travel.factor is None else f"times {travel.factor:.3f}",
        f"more than {len(travel.mean) - 1} steps" if travel.horizon is None else f"{travel.horizon} steps",
        f"{travel.left:.2g}",
        f"{min(radii):.2f} to {max(radii):.2f}" if radii else "",
        f"{dead} of {len(layer.units.deviations)}",
    )
    numbers = "".join(f"<td class=n>{escape(cell)}</td>" for cell in cells)
    return f"<tr><td>{escape(layer.name)}</td><td>{escape(layer.cell)}</td>{numbers}</tr>"


def _score_table(metric: Mapping[str, Any]) -> str:
    low, high = metric["interval"]
    interval = "" if low is None or high is None else f"{low:.4g} to {high:.4g}"
    rows = [("this run", metric["value"], interval)] + [(name, value, "") for name, value in metric["baselines"].items()]
    higher = metric.get("higher_is_better", False)
    rows = sorted((row for row in rows if row[1] is not None), key=lambda row: row[1], reverse=higher)
    body = "".join(
        f"<tr{' class=own' if name == 'this run' else ''}><td>{escape(name)}</td><td class=n>{value:.4g}</td>"
        f"<td class=n>{interval}</td></tr>"
        for name, value, interval in rows
    )
    head = "<th>who</th><th class=n>value</th><th class=n>95 % interval</th>"
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _advice(advice: Sequence[Advice]) -> str:
    if not advice:
        return "<p class='well'>Nothing stands out.</p>"
    return f"<ol class='advice'>{''.join(_one(each) for each in advice)}</ol>"


def _one(advice: Advice) -> str:
    tries = "".join(f"<code>{escape(words)}</code>" for words in advice.tries)
    return (
        f"<li><p>{escape(advice.says)}</p>{f'<div class=tries><span class=soft>Try</span>{tries}</div>' if tries else ''}</li>"
    )


def _picture(picture: Picture) -> str:
    text = picture.svg.decode()
    svg = text[text.index("<svg") :].replace("<svg ", f'<svg role="img" aria-label="{escape(picture.title, quote=True)}" ', 1)
    return f"<figure><h3>{escape(picture.title)}</h3>{svg}<figcaption>{escape(picture.caption)}</figcaption></figure>"
