"""A cell as a hash: its class, its fields, the code of `step`, and every function, class and constant which that code names.

Equal hashes in two processes mean equal traces. So where the walk meets something whose value it cannot tell (a tensor, an
open file, an object with a state of its own), there is no hash at all.
"""

import builtins
import dis
import hashlib
import sys
from collections.abc import Iterator
from types import (
    BuiltinFunctionType,
    CodeType,
    EllipsisType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    NoneType,
    WrapperDescriptorType,
)
from typing import Any

import torch

from recurra.cells import Cell

__all__ = ["identity"]

LIBRARIES = {"torch", "numpy", "builtins", "math", "operator", "typing", "collections", "abc", "functools", "dataclasses"}
"""Packages known by name and version."""

DECLARED = ("gates", "maps", "vectors", "norms", "noise", "widths", "output")
PLAIN = (NoneType, bool, int, float, complex, str, bytes, EllipsisType, torch.dtype, torch.device)
IN_C = (BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType, GetSetDescriptorType, MemberDescriptorType)

HEAP = 1 << 9  # the flag of classes that are written in Python
REPEATED = {"__module__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__orig_bases__", "__abstractmethods__"}
REPEATED |= {"_abc_impl", "__dataclass_fields__", "__dataclass_params__", "__match_args__", "__parameters__"}
REPEATED |= {"__firstlineno__", "__static_attributes__", "__annotate__", "__annotate_func__", "__annotations_cache__"}
REPEATED |= {"__slotnames__"}  # which `copy` and `pickle` leave there
"""Attributes of a class which no step depends on, or which others repeat."""

GENERATED = {"__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__replace__"}
HIDING = {"eval", "exec", "compile", "globals", "locals", "open", "input", "__import__"}
ANY_NAME = {"getattr", "vars", "dir"}


def identity(cell: Cell) -> str | None:
    """The hash of a cell; None where it depends on what cannot be told."""
    walk = _Walk()
    try:
        walk.value(cell)
        for name in DECLARED:  # properties may compute them
            walk.value(getattr(cell, name))
    except _Untold:
        return None
    return walk.hash.hexdigest()


class _Untold(Exception):  # noqa: N818 - no error: the cell is then traced in every process
    pass


class _Walk:
    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.met: dict[tuple[object, ...], tuple[int, object]] = {}  # with the things themselves: no id is used twice

    def token(self, *words: object) -> None:
        self.hash.update(repr(words).encode("utf-8", "backslashreplace"))

    def known(self, thing: object, *more: object) -> bool:
        """Whether a thing was met before; its number then stands for it."""
        key = (id(thing), *more)
        before = key in self.met
        self.token(self.met.setdefault(key, (len(self.met), thing))[0])
        return before

    def value(self, value: Any) -> None:
        self.token(type(value).__name__)
        match value:
            case _ if type(value) in PLAIN:
                self.token(value)
            case tuple() | list():
                self.kind(type(value))
                self.token(len(value))
                for each in value:
                    self.value(each)
            case set() | frozenset():
                self.token(sorted(_alone(each) for each in value))
            case dict() | MappingProxyType() if type(value) in (dict, MappingProxyType):
                self.value(tuple(value.items()))
            case FunctionType():
                self.function(value)
            case staticmethod() | classmethod():
                self.value(value.__func__)
            case MethodType():
                self.value((value.__func__, value.__self__))
            case property():
                self.value(value.fget)
            case type():
                self.kind(value)
            case ModuleType():
                self.module(value, None)
            case Cell():
                self.kind(type(value))
                self.value(vars(value))
            case _:
                home = getattr(value, "__self__", None)
                if not isinstance(value, IN_C) or not isinstance(home, NoneType | type | ModuleType):
                    raise _Untold
                self.token(getattr(value, "__module__", None), value.__qualname__)

    def kind(self, kind: type) -> None:
        """A class: its bases, and all that it holds."""
        self.token(kind.__module__, kind.__qualname__)
        if _of_library(kind) or self.known(kind):
            return
        for other in (type(kind), *kind.__bases__):
            self.kind(other)
        skipped = REPEATED | set(getattr(kind, "_fields", ()))  # a NamedTuple's fields are told by its list of them
        if "__dataclass_params__" in vars(kind):
            skipped |= {name for name in GENERATED if _generated(vars(kind).get(name))}
        for name in sorted(set(vars(kind)) - skipped):
            self.token(name)
            self.value(vars(kind)[name])

    def function(self, function: FunctionType) -> None:
        """A function: its code, what it closes over, and the globals it names."""
        home = function.__globals__
        if _library(home.get("__name__", "")):
            self.token(home["__name__"], function.__qualname__)
            return
        if self.known(function):
            return
        self.value((function.__defaults__, function.__kwdefaults__, vars(function)))
        for cell in function.__closure__ or ():
            try:
                self.value(cell.cell_contents)
            except ValueError:
                self.token("empty")
        codes = list(_codes(function.__code__))
        for code in codes:
            self.code(code)
        asked = {name for code in codes for name in _globals(code)}
        attributes = None if asked & ANY_NAME else {name for code in codes for name in code.co_names}
        for name in sorted(asked):
            self.token(name)
            found = home.get(name)
            if isinstance(found, ModuleType):
                self.module(found, attributes)
            elif name in home:
                self.value(found)
            elif name in HIDING or not hasattr(builtins, name):
                raise _Untold

    def module(self, module: ModuleType, attributes: set[str] | None) -> None:
        """A module: of one that is no library, every attribute that might be asked for; None: any."""
        self.token(module.__name__)
        if _library(module.__name__):
            self.token(str(getattr(module, "__version__", "")))
            return
        if attributes is None:
            raise _Untold
        if self.known(module, tuple(sorted(attributes))):
            return
        for name in sorted(attributes & set(vars(module))):
            self.token(name)
            found = vars(module)[name]
            self.module(found, attributes) if isinstance(found, ModuleType) else self.value(found)

    def code(self, code: CodeType) -> None:
        constants = tuple(each for each in code.co_consts if not isinstance(each, CodeType))
        self.token(code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags)
        self.token(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_exceptiontable)
        self.value(constants)


def _alone(value: Any) -> str:
    walk = _Walk()
    walk.value(value)
    return walk.hash.hexdigest()


def _of_library(kind: type) -> bool:
    """Whether a class is one that a library holds under its name; a class made by `type` may only say so."""
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return _library(kind.__module__) and (found is kind or not kind.__flags__ & HEAP)


def _library(module: str) -> bool:
    return module.partition(".")[0] in LIBRARIES


def _generated(function: Any) -> bool:
    """Whether `dataclass` wrote it."""
    return isinstance(function, FunctionType) and function.__code__.co_filename == "<string>"


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _globals(code: CodeType) -> Iterator[str]:
    """The globals that code names; _Untold where it changes them or imports what is no library."""
    for each in dis.get_instructions(code):
        if each.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") or (each.opname == "IMPORT_NAME" and not _library(each.argval)):
            raise _Untold
        if each.opname == "LOAD_NAME" or (each.opname.startswith("LOAD") and "GLOBAL" in each.opname):
            yield each.argval
