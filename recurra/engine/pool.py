"""The threads of a sweep: torch's own pool, called from compiled code.

One thread works alone where there is no such pool, and in a forked child, where it is dead.
"""

import ctypes
import os
from collections.abc import Mapping
from functools import cache

import torch

from recurra.engine.vector import Code

__all__ = ["ALONE", "BARRIER", "CALLED", "POOL", "addresses", "member", "team", "threads"]

CALLED = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads", "sched_yield")
"""What compiled code calls."""

_forked = False


def threads() -> int:
    """The size of the team."""
    return 1 if _forked or not addresses() else torch.get_num_threads()


@cache
def addresses() -> Mapping[str, int]:
    """Where the functions called lie, looked up as torch itself does; empty where one is missing."""
    for library in (None, torch._C.__file__):  # what the whole process sees, then what torch was linked to
        try:
            handle = ctypes.CDLL(library)
            return {name: ctypes.cast(handle[name], ctypes.c_void_p).value or 0 for name in CALLED}
        except (OSError, AttributeError, TypeError):
            continue
    return {}


def _after_fork() -> None:
    global _forked  # noqa: PLW0603 - a process is forked or it is not
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


POOL = """
declare void @GOMP_parallel(ptr, ptr, i32, i32)
declare i32 @omp_get_thread_num()
declare i32 @omp_get_num_threads()
"""
"""Declarations of the pool's functions, for LLVM."""

ALONE = """
define void @recurra_GOMP_parallel(ptr %worker, ptr %a, i32 %n, i32 %flags) {
  call void %worker(ptr %a)
  ret void
}
define i32 @recurra_omp_get_thread_num() {
  ret i32 0
}
define i32 @recurra_omp_get_num_threads() {
  ret i32 1
}
define i32 @recurra_sched_yield() {
  ret i32 0
}
"""
"""What stands for them where there is no pool: a team of one."""


def team(name: str) -> str:
    """The function ``NAME(args, threads)``, which runs ``NAME_worker(args)`` on every thread of torch's pool."""
    return f"""
define void @{name}(ptr %a, i32 %n) {{
entry:
  %one = icmp eq i32 %n, 1
  br i1 %one, label %solo, label %many
solo:
  call void @{name}_worker(ptr %a)
  ret void
many:
  call void @GOMP_parallel(ptr @{name}_worker, ptr %a, i32 %n, i32 0)
  ret void
}}
"""


def member(code: Code) -> tuple[str, str]:
    """The number of this thread, and how many there really are: the pool may give fewer than were asked for."""
    names = ("omp_get_thread_num", "omp_get_num_threads")
    thread, size = (code.op(f"zext i32 {code.op(f'call i32 @{name}()')} to i64") for name in names)
    return thread, size


BARRIER = """
declare i32 @sched_yield()
declare i64 @llvm.usub.sat.i64(i64, i64)

define internal void @recurra_barrier(ptr %bar, i64 %n) {
entry:
  %alone = icmp ule i64 %n, 1
  br i1 %alone, label %out, label %meet
meet:
  %round = getelementptr i64, ptr %bar, i64 8
  %mine = load atomic i64, ptr %round acquire, align 8
  %others = atomicrmw add ptr %bar, i64 1 acq_rel
  %most = sub i64 %n, 1
  %last = icmp eq i64 %others, %most
  br i1 %last, label %release, label %spin
release:
  store atomic i64 0, ptr %bar monotonic, align 8
  %next = add i64 %mine, 1
  store atomic i64 %next, ptr %round release, align 8
  br label %out
spin:
  %k = phi i64 [0, %meet], [%k1, %again], [%k1, %give]
  %k1 = add i64 %k, 1
  %now = load atomic i64, ptr %round acquire, align 8
  %same = icmp eq i64 %now, %mine
  br i1 %same, label %wait, label %out
wait:
  %long = icmp ugt i64 %k1, 2000
  br i1 %long, label %give, label %again
give:
  %ignored = call i32 @sched_yield()
  br label %spin
again:
  br label %spin
out:
  ret void
}
"""
"""Declaration and code of ``recurra_barrier(bar, n)``, where n threads wait for each other: they spin, then yield."""
