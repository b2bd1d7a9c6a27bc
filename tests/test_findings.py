"""The findings say how far the analysis is: what is still to come, and what it has not seen."""

import pytest
from flask.testing import FlaskClient

from app.db.models import Instance, Job, Series
from app.jobs import ARRIVING, FAILED, QUEUED, RUNNING
from app.services import Services
from clinic import new_study
from read_study import ROWS, add_read_study

SHAPE = {"rows": ROWS, "columns": ROWS, "attributes": {}, "warnings": [], "sha256": ""}


@pytest.mark.parametrize(
    ("job", "state", "told"),
    [
        (ARRIVING, "arriving", "slices are arriving"),
        (QUEUED, "waiting", "waiting for the worker"),
        (RUNNING, "analysing", "0 of 0 slices"),
        (FAILED, "not analysed", "failed: No room."),
    ],
)
def test_a_series_without_a_result_is_in_the_state_of_its_job(
    reader: FlaskClient, services: Services, job: str, state: str, told: str
) -> None:
    series = Series(series_instance_uid="1.2.3.4", series_description="")
    series.instances.append(Instance(sop_instance_uid="1.2.3.4.5", **SHAPE))
    series.job = Job(state=job, error="No room." if job == FAILED else "")
    with services.database.write() as session:
        study = new_study(series=[series])
        session.add(study)
        session.flush()
        path = f"/studies/{study.id}"

    findings = findings_on(reader, path)

    assert f'class="state {state.replace(" ", "-")}"' in findings
    assert findings.count('class="state ') == 1
    assert told in findings


def test_slices_are_new_only_where_the_analysis_has_not_seen_them(
    reader: FlaskClient, services: Services
) -> None:
    read = add_read_study(services)
    with services.database.write() as session:
        session.add(Job(series_id=read.series, state=QUEUED))
    again = findings_on(reader, read.path)
    with services.database.write() as session:
        session.add(Instance(series_id=read.series, sop_instance_uid="1.9", **SHAPE))

    assert "To be analysed again: waiting for the worker" in " ".join(again.split())
    assert "New slices" not in again
    assert "New slices have arrived" in findings_on(reader, read.path)


def findings_on(client: FlaskClient, path: str) -> str:
    return client.get(path).text.partition('id="findings"')[2].partition("</section>")[0]
