"""Which models judged series at this site, removed studies included: the ground for a look back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, union_all
from sqlalchemy.orm import Session

from app.db.models import Analysis
from app.db.retention import KeptAnalysis
from model.finding import FLAGGED
from model.labels import LABELS

_ANY = LABELS[0]


@dataclass(frozen=True)
class ModelUse:
    """What one model did here; `sha256` tells models apart, as a version may be given twice."""

    name: str
    version: str
    sha256: str
    first: datetime
    last: datetime
    series: int
    judged: int
    """Analyses that ended with a result; the others say why there is none."""
    refused: int
    flagged: int
    """Of those judged, how many were flagged for any hemorrhage."""

    @property
    def flag_rate(self) -> float | None:
        """Share of what was judged that was flagged, 0..1."""
        return self.flagged / self.judged if self.judged else None


def model_uses(session: Session) -> list[ModelUse]:
    """Every model that analysed here, the one that was used last first."""
    every = union_all(*(_rows(table) for table in (Analysis, KeptAnalysis))).subquery()
    columns = every.c
    first, last = func.min(columns.created_at), func.max(columns.created_at)
    named = (columns.model_name, columns.model_version, columns.model_sha256)
    found = session.execute(
        select(
            *named,
            first,
            last,
            func.count(columns.series_id.distinct()),
            func.count(columns.state),
            func.count() - func.count(columns.state),
            func.count().filter(columns.state == FLAGGED),
        )
        .group_by(*named)
        .order_by(last.desc())
    )
    return [ModelUse(*row) for row in found]


def _rows(table: type[Analysis] | type[KeptAnalysis]) -> Select[Any]:
    state = table.states[_ANY].as_string().label("state")
    return select(
        table.model_name,
        table.model_version,
        table.model_sha256,
        table.created_at,
        table.series_id,
        state,
    )
