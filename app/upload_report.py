"""What became of an upload, put so that thousands of refusals stay readable."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from app.db.models import Upload
from app.ingest import DUPLICATE, IGNORED, REFUSED, STORED


@dataclass(frozen=True)
class RefusalGroup:
    """Files that were refused (or ignored) for the same reason, in the order they were sent."""

    reason: str
    names: list[str]


@dataclass(frozen=True)
class UploadReport:
    """Counts by outcome, and the refusals grouped by reason, the smallest groups first.

    One odd slice among hundreds of equal refusals is what the reader must not miss.
    """

    stored: int
    duplicates: int
    refused: list[RefusalGroup]
    ignored: list[RefusalGroup]

    @property
    def refused_count(self) -> int:
        """How many files were refused."""
        return sum(len(group.names) for group in self.refused)

    @property
    def ignored_count(self) -> int:
        """How many files were passed over because they never hold an image."""
        return sum(len(group.names) for group in self.ignored)


def report_of(upload: Upload) -> UploadReport:
    """Sum up the upload's files."""
    counts = Counter(file.outcome for file in upload.files)
    return UploadReport(
        stored=counts[STORED],
        duplicates=counts[DUPLICATE],
        refused=_groups(upload, REFUSED),
        ignored=_groups(upload, IGNORED),
    )


def _groups(upload: Upload, outcome: str) -> list[RefusalGroup]:
    names = defaultdict(list)
    for file in upload.files:
        if file.outcome == outcome:
            names[file.reason].append(file.name)
    groups = [RefusalGroup(reason, found) for reason, found in names.items()]
    return sorted(groups, key=lambda group: len(group.names))
