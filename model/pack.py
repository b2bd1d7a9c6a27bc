"""Carry a cache to another machine in one small file.

``python -m model.pack --cache C --to FILE`` packs it here, ``python -m model.pack --unpack FILE
--to C`` makes an ordinary cache of it there.
"""

import argparse
from pathlib import Path

from model.data.cached import open_cache
from model.data.companding import ROUNDING
from model.data.packed import unpack, write_pack
from model.system.progress import counting, progress_bar


def main(arguments: list[str] | None = None) -> None:
    """Pack or unpack, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m model.pack", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cache", type=Path, help="the folder to pack")
    what.add_argument("--unpack", type=Path, metavar="FILE", help="the file to unpack")
    parser.add_argument("--to", type=Path, required=True, help="the file, or the cache's folder")
    options = parser.parse_args(arguments)
    with progress_bar() as bar:
        show = counting(bar, "packing" if options.cache else "unpacking")
        worst = write_pack(options.cache, options.to, show) if options.cache else None
        if options.unpack:
            unpack(options.unpack, options.to, show)
    if worst is None:
        cached = open_cache(options.to)
        print(f"{options.to}: {len(cached.frame):,} slices of {cached.size} pixels.")
        return
    megabytes = options.to.stat().st_size / 1e6
    print(f"{options.to}: {megabytes:.1f} MB. Kept are {ROUNDING}; worst error {worst} HU.")


if __name__ == "__main__":
    from model.system.command import run

    run(main)
