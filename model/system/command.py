"""How a command of `model/` ends: expected failures become one line on the error stream."""

import errno
import sys
from collections.abc import Callable
from typing import NoReturn

from model.errors import FalxError
from model.system.memory import keep_freed_memory


def run(main: Callable[[], None]) -> NoReturn:
    """Run a command's `main` and end the process: 0, or 1 with the reason on the error stream."""
    keep_freed_memory()
    try:
        main()
    except FalxError as error:
        sys.exit(f"falx: {error}")
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        if error.errno == errno.ENOSPC:
            sys.exit(
                f"falx: the disk is full{where}; nothing half-written counts. Make room, rerun."
            )
        sys.exit(f"falx: {error.strerror or error}{where}")
    except KeyboardInterrupt:
        sys.exit("falx: interrupted; what was finished is kept")
    sys.exit(0)
