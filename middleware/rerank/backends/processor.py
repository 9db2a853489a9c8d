"""What this machine's processor can do, since the fastest runtime depends on it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Processor:
    """`int8`: it multiplies 8-bit numbers at twice the speed of bf16 or more (VNNI, AMX, ARM's i8mm).

    `bf16`: it multiplies bf16 natively (AVX512-BF16, AMX, ARM's bf16).
    """

    int8: bool
    bf16: bool


@cache
def this_processor() -> Processor:
    """Read from the system's own list of flags; where there is none (not Linux), nothing is promised."""
    return read_flags(_CPUINFO.read_text(encoding="utf-8", errors="replace") if _CPUINFO.is_file() else "")


def read_flags(cpuinfo: str) -> Processor:
    """From the text of /proc/cpuinfo."""
    flags: set[str] = set()
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            flags = set(value.split())
            break
    return Processor(
        int8=bool(flags & {"avx512_vnni", "avx_vnni", "amx_int8", "i8mm"}),
        bf16=bool(flags & {"avx512_bf16", "amx_bf16", "bf16"}),
    )


def cpu_workers(threads: int) -> int:
    """How many threads should score at once: `threads`, or as many as this process has cores."""
    if threads:
        return threads
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
