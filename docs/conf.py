"""How the pages are built. Whatever is public and not explained is a warning, and warnings end the build."""

import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import typer.testing
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import recurra
from recurra.cli.main import app as command_line
from recurra.layers import FAMILY
from recurra.tasks import options

project = "recurra"
author = "the authors of recurra"
copyright = "the authors of recurra"
release = version = recurra.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "code"
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"special-members": "__call__, __getitem__"}
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries_show_parents = "hide"
html_theme = "furo"
html_title = f"recurra {release}"
html_math_renderer = "mathml"
html_copy_source = False


class Help(SphinxDirective):
    """The help page of a verb, as the command prints it: ``{help} train text``."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        words = [*self.arguments[0].split(), "--help"] if self.arguments else ["--help"]
        done = typer.testing.CliRunner().invoke(command_line, words, prog_name="recurra", env={"COLUMNS": "100"})
        if done.exit_code:
            raise self.error(f"recurra {' '.join(words)}: {done.output}")
        lines = [line.replace("\u200b", "").rstrip() for line in done.output.splitlines()]
        return [nodes.literal_block(text="\n".join([f"$ recurra {' '.join(words)}", *lines]), language="text")]


class OptionTable(SphinxDirective):
    """A table of the options of a class: ``{options} Text``; with ``:own:`` only of those that it adds to its base."""

    required_arguments = 1
    option_spec = {"own": directives.flag}

    def run(self) -> list[nodes.Node]:
        kind = getattr(options, self.arguments[0])
        shared = set(options.TaskOptions.model_fields) if "own" in self.options else set()
        rows = [
            f"| `{told.name}` | {f'`{told.default}`' if told.default else ''} | {_escaped(told.kind)} | {_escaped(told.help)} |"
            for told in options.described(kind)
            if told.name not in shared
        ]
        return self.parse_text_to_nodes("\n".join(["| option | default | values | meaning |", "|---|---|---|---|", *rows]))


class FamilyTable(SphinxDirective):
    """A table of the recurrences that options name: ``{family}``."""

    def run(self) -> list[nodes.Node]:
        rows = [
            f"| `{name}` | `{one.equation.replace('|', chr(92) + '|')}` | {_escaped(one.use)} | {_escaped(one.paper)} |"
            for name, one in FAMILY.items()
        ]
        return self.parse_text_to_nodes(
            "\n".join(["| cell | equation | when to take it | paper |", "|---|---|---|---|", *rows])
        )


def setup(app: Sphinx) -> None:
    app.add_directive("help", Help)
    app.add_directive("family", FamilyTable)
    app.add_directive("options", OptionTable)
    app.add_html_math_renderer("mathml", (_inline_math, None), (_block_math, None))  # drawn by the browser, offline
    app.connect("builder-inited", _complain)
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-signature", _sign)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<")


def _inline_math(writer: Any, node: nodes.math) -> None:
    writer.body.append(_mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def _block_math(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math" style="overflow-x: auto">{_mathml(node.astext(), as_block=True)}</div>\n')
    raise nodes.SkipNode


def _mathml(tex: str, *, as_block: bool) -> str:
    known = re.sub(r"\\[Bb]ig(?![a-z])", "", re.sub(r"\\dots(?![a-z])", r"\\ldots", tex))  # docutils lacks these two
    return str(tex2mathml(known, as_block=as_block))


def _skip(_app: Sphinx, _kind: str, _name: str, thing: Any, skip: bool, _options: Any) -> bool:
    """Leave out what Python says of every NamedTuple: the names of its fields stand in the signature."""
    return skip or str(inspect.getdoc(thing)).startswith(("Alias for field number", "Return self[key]"))


def _sign(_app: Sphinx, _kind: str, _name: str, thing: Any, _options: Any, arguments: str | None, result: str | None) -> Any:
    """A protocol is not called."""
    return ("", result) if getattr(thing, "_is_protocol", False) else (arguments, result)


def _complain(_app: Sphinx) -> None:
    for name in unexplained():
        logging.getLogger(__name__).warning("%s is public and has no docstring", name)


def unexplained() -> Iterator[str]:
    """Every name in an ``__all__`` that says nothing of itself, and every public method and property of a class there."""
    for found in pkgutil.walk_packages(recurra.__path__, "recurra."):
        if found.name.endswith("__main__"):
            continue
        module = import_module(found.name)
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if inspect.isclass(thing):
                yield from (f"{thing.__module__}.{thing.__qualname__}{part}" for part in _mute_parts(thing))
            elif inspect.isfunction(inspect.unwrap(thing) if callable(thing) else thing):  # cached functions, too
                if not thing.__doc__:
                    yield f"{thing.__module__}.{name}"
            elif not found.ispkg and not _explained(module, name):
                yield f"{found.name}.{name}"


def _mute_parts(kind: type) -> Iterator[str]:
    doc = kind.__doc__ or ""
    if not doc or doc.startswith(f"{kind.__name__}("):  # what dataclass and NamedTuple write by themselves
        yield ""
    for name, part in vars(kind).items():
        described = inspect.isfunction(part) or isinstance(part, property | classmethod | staticmethod)
        if described and not name.startswith("_") and not inspect.getdoc(getattr(kind, name)):
            yield f".{name}"


def _explained(module: ModuleType, name: str) -> bool:
    analyzer = ModuleAnalyzer.for_module(module.__name__)
    analyzer.analyze()
    return ("", name) in analyzer.attr_docs
