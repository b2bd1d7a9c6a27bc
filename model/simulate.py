"""Simulate hemorrhage: `python -m model.simulate --cache C [--gallery --to FOLDER] [--bank B]`.

Without `--gallery` and `--bank`, only the anatomy that insertion needs is found and kept beside
the cache.
"""

import argparse
import os
from pathlib import Path

from model.data.cached import open_cache
from model.data.simulate.store import build_store, is_built, open_store
from model.data.simulated_bank import write_bank
from model.errors import TrainingError
from model.system.command import run
from model.system.files import write_atomically
from model.system.progress import counting, progress_bar

PAGE = "gallery.html"


def main(arguments: list[str] | None = None) -> None:
    """Find the anatomy where it is missing, and write the gallery where it is wanted."""
    options = _parser().parse_args(arguments)
    if options.gallery and options.to is None:
        raise TrainingError("--gallery needs --to, the folder of the page.")
    cached = open_cache(options.cache)
    if not is_built(cached):
        build_store(options.cache, options.workers)
    store = open_store(cached)
    slices = sum(int(series.anatomy.good.sum()) for series in store)
    print(f"{len(store)} series without bleeding, {slices} slices to put it into.")
    if options.gallery:
        if not store:
            raise TrainingError(f"{options.cache} has no series without bleeding.")
        from model.exploration.simulated_gallery import gallery_page

        options.to.mkdir(parents=True, exist_ok=True)
        page = gallery_page(cached, store, options.seed).html()
        write_atomically(options.to / PAGE, page.encode())
        print(f"{options.to / PAGE} is written: look at it.")
    if options.bank:
        fill_bank(options)


def fill_bank(options: argparse.Namespace) -> None:
    """Make the bank that the options describe, under a bar."""
    with progress_bar() as bar:
        write_bank(
            options.cache,
            options.bank,
            slices=options.slices,
            seed=options.seed,
            bleeding=options.bleeding,
            workers=options.workers,
            on_progress=counting(bar, f"bank {options.bank}"),
        )
    print(f"{options.bank} holds {options.slices:,} simulated slices.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model.simulate", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="a folder of model.cache")
    parser.add_argument(
        "--gallery", action="store_true", help="write a page of simulated slices beside real ones"
    )
    parser.add_argument("--to", type=Path, help="the page's folder")
    parser.add_argument("--bank", type=Path, help="a folder to fill with slices for training")
    parser.add_argument("--slices", type=int, default=20_000, help="of the bank (20000)")
    parser.add_argument(
        "--bleeding", type=float, default=0.7, help="share of the bank meant to bleed (0.7)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all chance (0)")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (all cores)"
    )
    return parser


if __name__ == "__main__":
    run(main)
