"""How much memory this process has held."""

import re
import resource
from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")


def peak_resident_mb() -> float:
    """The most memory resident in this process so far, in units of 1,048,576 bytes.

    `ru_maxrss` alone would be the parent's where that was larger: it outlives `exec`.
    """
    if _STATUS.exists() and (
        found := re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    ):
        return int(found[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
