"""The slices of a stored series, in anatomical order."""

from dataclasses import dataclass

from sqlalchemy import select

from app.db.models import Instance
from app.db.session import Database
from model.dicom.series import SeriesGeometry, order_slices


@dataclass(frozen=True)
class Placement:
    """Where a stored slice lies, as `order_slices` wants it: positions in mm."""

    position_mm: tuple[float, float, float] | None
    orientation: tuple[float, ...] | None
    instance_number: int | None
    slice_thickness_mm: float | None


def ordered_instances(
    database: Database, series_id: str
) -> tuple[list[Instance], SeriesGeometry | None]:
    """The series' slices from the lowest up, and their geometry (None for an empty series)."""
    with database.read() as session:
        instances = list(
            session.scalars(
                select(Instance)
                .where(Instance.series_id == series_id)
                .order_by(Instance.received_at, Instance.id)
            )
        )
    if not instances:
        return [], None
    geometry = order_slices([placement_of(instance) for instance in instances])
    return [instances[index] for index in geometry.order], geometry


def placement_of(instance: Instance) -> Placement:
    """Where the slice lies, for `order_slices`."""
    position = instance.position_mm
    return Placement(
        position_mm=(position[0], position[1], position[2]) if position else None,
        orientation=tuple(instance.orientation) if instance.orientation else None,
        instance_number=instance.instance_number,
        slice_thickness_mm=instance.slice_thickness_mm,
    )
