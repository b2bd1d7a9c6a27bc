"""The one sentence that stands on every page and in every export."""

from typing import Final

NOTICE: Final = "Research use only, not for clinical use."
