"""``python -m app``: the commands that set up and run the clinic."""

from app.cli import main

main()
