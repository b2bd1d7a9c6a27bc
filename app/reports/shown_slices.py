"""Which slices of a series a report shows, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from app.db.models import Analysis, Instance, SliceResult
from app.presentation import percent
from app.reading.study_page import StudyPage
from model.finding import FLAGGED
from model.labels import LABELS


@dataclass(frozen=True)
class Picture:
    """A slice that is shown, and why; `number` from 1, the lowest slice."""

    instance: Instance
    number: int
    caption: str
    heat_position: int
    """Where the slice stands in the analysis' heat maps."""
    heat_label: str
    """Whose map is shown: of the labels in the caption the most probable."""

    @property
    def side(self) -> str:
        """Which side of the patient the picture's left edge is; empty if the file does not say."""
        x = self.instance.orientation[0] if self.instance.orientation else 0.0
        # Along a row x grows towards the patient's left (DICOM PS3.3 C.7.6.2.1.1).
        return f" (left edge: {'R' if x > 0 else 'L'})" if x else ""

    @property
    def height(self) -> float:
        """The slice's height in its pixels' widths, so that the patient is not distorted."""
        spacing = self.instance.pixel_spacing_mm
        return self.instance.rows * (spacing[0] / spacing[1] if spacing else 1.0)


def flagged_labels(page: StudyPage) -> list[str]:
    """The labels whose finding is flagged."""
    return [finding.label for finding in page.findings if finding.state == FLAGGED]


def pictures_of(page: StudyPage) -> list[Picture]:
    """The flagged slices, the highest of each flagged label first; else the most suspicious one."""
    if page.analysis is None or not page.analysed:
        return []
    places = {one.id: at for at, one in enumerate(page.instances)}
    slices = [result for result in page.analysis.slices if result.instance_id in places]
    flagged = flagged_labels(page)
    chosen = _chosen(slices, flagged, page.analysis)
    return [_picture(page, places[one.instance_id], one, flagged or [LABELS[0]]) for one in chosen]


def left_out(pictures: Sequence[Picture], *, flagged: bool) -> str:
    """The slices that find no room, as one line; neighbours as a range.

    Parameters
    ----------
    flagged
        Whether they are flagged slices, or the most suspicious one of a series without any.
    """
    if not pictures:
        return ""
    numbers = sorted(picture.number for picture in pictures)
    runs = [[n for _, n in run] for _, run in groupby(enumerate(numbers), lambda at: at[1] - at[0])]
    told = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    what = "Flagged" if flagged else "Most suspicious"
    slices = "slice" if len(numbers) == 1 else "slices"
    return f"{what} and not shown here: {slices} {', '.join(told)}."


def _picture(page: StudyPage, at: int, result: SliceResult, labels: Sequence[str]) -> Picture:
    told = (f"{label} {percent(result.probabilities[label])}" for label in labels)
    return Picture(
        instance=page.instances[at],
        number=at + 1,
        caption=", ".join(told),
        heat_position=result.position,
        heat_label=max(labels, key=lambda label: result.probabilities[label]),
    )


def _chosen(
    slices: Sequence[SliceResult], flagged: Sequence[str], analysis: Analysis
) -> list[SliceResult]:
    def highest(label: str) -> SliceResult:
        return max(slices, key=lambda result: result.probabilities[label])

    def reaches(result: SliceResult, label: str) -> bool:
        threshold: float = analysis.thresholds[label]["alert"]["threshold"]
        return result.probabilities[label] >= threshold

    if not slices:
        return []
    if not flagged:
        return [highest(LABELS[0])]
    others = [one for one in slices if any(reaches(one, label) for label in flagged)]
    others.sort(key=lambda one: max(one.probabilities[label] for label in flagged), reverse=True)
    # Several labels may be highest on the same slice; it is shown once, at its first place.
    ranked = {one.position: one for one in [*map(highest, flagged), *others]}
    return list(ranked.values())
