"""A job ends with a result or with its reason, whatever happens on the way."""

from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app import jobs
from app.analysis import run_due_jobs
from app.db.models import Analysis, Instance, Job, SliceResult
from app.render import heat_png
from app.services import Services
from app.storage import HEAT, HU
from blood_map_factory import write_mapping_artefact
from clinic import analyse_all, only_study, upload, upload_folder
from familiar_factory import write_artefact
from model.artifact import CLASS_ACTIVATION_MAP
from model.data.synthetic.dicom import write_series
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import make_series
from model.dicom.tissue_statistics import TissueStatistics, measure_tissue
from model.predictor import Predictor, load_predictor


@pytest.fixture(scope="session")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated head CT, three slices."""
    folder = tmp_path_factory.mktemp("head")
    write_series(folder, make_series(0, Scan(n_slices=3, spacing_mm=25)))
    return folder


def only_job(services: Services) -> Job:
    with services.database.read() as session:
        return session.scalars(select(Job)).one()


def test_progress_ends_at_the_number_of_slices(
    reader: FlaskClient, services: Services, predictor: Predictor, head: Path
) -> None:
    upload_folder(reader, head)

    analyse_all(services, predictor)

    job = only_job(services)
    assert (job.state, job.slices_done, job.slices_total) == ("done", 3, 3)


def test_level_and_noise_of_the_brain_are_kept_with_the_result(
    reader: FlaskClient, services: Services, predictor: Predictor, head: Path
) -> None:
    upload_folder(reader, head)

    analyse_all(services, predictor)

    with services.database.read() as session:
        kept = session.scalars(select(Analysis)).one()
        slices = [services.storage.read_array(HU, one.instance_id) for one in kept.slices]
    assert measure_tissue(slices) == TissueStatistics(kept.tissue_hu or 0, kept.noise_hu or 0)
    assert kept.tissue_hu == pytest.approx(33, abs=5)


def test_what_is_no_head_is_not_analysed_and_says_why(
    reader: FlaskClient, services: Services, predictor: Predictor, head: Path
) -> None:
    upload_folder(reader, head)
    with services.database.read() as session:
        instances = session.scalars(select(Instance)).all()
    for instance in instances:
        services.storage.write_array(HU, instance.id, np.full((512, 512), 40, dtype=np.int16))

    analyse_all(services, predictor)

    study = only_study(services)
    assert study.state == "not analysed"
    assert study.any_probability is None
    assert (only_job(services).slices_done, only_job(services).slices_total) == (0, 3)
    assert study.state_reason
    with services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(SliceResult)) == 0


def test_a_series_unlike_training_gets_a_warning_on_its_page_and_in_the_api(
    reader: FlaskClient, services: Services, head: Path, tmp_path: Path
) -> None:
    upload_folder(reader, head)

    analyse_all(services, load_predictor(write_artefact(tmp_path, 1e-3, 1e6), "cpu"))

    study = only_study(services)
    assert study.any_probability is not None
    said = "This series looks unlike the images the model was trained on; its probabilities may"
    assert said in reader.get(f"/studies/{study.id}").text
    (series,) = reader.get(f"/api/studies/{study.id}").get_json()["series"]
    assert series["analysis"]["warnings"][0].startswith(said)
    assert series["analysis"]["refusal"] == ""


def test_a_series_far_from_training_is_not_analysed_and_never_looks_negative(
    reader: FlaskClient, services: Services, head: Path, tmp_path: Path
) -> None:
    upload_folder(reader, head)

    analyse_all(services, load_predictor(write_artefact(tmp_path, 1e-4, 1e-3), "cpu"))

    study = only_study(services)
    assert (study.state, study.any_probability) == ("not analysed", None)
    assert study.state_reason == "The series looks unlike the images the model was trained on."
    assert only_job(services).state == "done"
    page = reader.get(f"/studies/{study.id}").text
    assert study.state_reason in page
    assert "This says nothing about whether there is a hemorrhage." in page
    assert study.state_reason in reader.get("/").text
    (series,) = reader.get(f"/api/studies/{study.id}").get_json()["series"]
    assert series["analysis"]["refusal"] == study.state_reason
    assert series["analysis"]["probabilities"] is None
    assert not list((services.settings.data / "files" / HEAT).rglob("*.npy"))


def test_a_lost_file_fails_the_job_with_a_reference(
    reader: FlaskClient, services: Services, predictor: Predictor, head: Path
) -> None:
    upload_folder(reader, head)
    with services.database.read() as session:
        instance = session.scalars(select(Instance)).first()
    assert instance is not None
    services.storage.remove(HU, instance.id)

    analyse_all(services, predictor)

    job = only_job(services)
    assert (job.state, job.attempts) == ("failed", 3)
    assert "reference" in job.error
    assert only_study(services).state == "not analysed"


def test_sending_a_series_again_retries_an_analysis_that_failed(
    reader: FlaskClient, services: Services, predictor: Predictor, head: Path
) -> None:
    upload_folder(reader, head)
    with services.database.write() as session:
        session.scalars(select(Job)).one().state = "failed"

    upload_folder(reader, head)
    analyse_all(services, predictor)

    assert only_job(services).state == "done"


def test_a_result_that_comes_too_late_is_dropped(
    reader: FlaskClient, services: Services, predictor: Predictor, head: Path
) -> None:
    upload_folder(reader, head)

    class Overtaken:
        """The real predictor, during whose work the series gains slices."""

        card, device = predictor.card, predictor.device
        runs = 0

        def predict(self, hu, z_mm, on_progress):  # type: ignore[no-untyped-def]
            prediction = predictor.predict(hu, z_mm, on_progress)
            self.runs += 1
            if self.runs == 1:
                with services.database.write() as session:
                    jobs.request_analysis(session, only_job(services).series_id)
            return prediction

    overtaken = Overtaken()
    run_due_jobs(services, overtaken, "test-worker")

    assert overtaken.runs == 2
    with services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Analysis)) == 1
    heat_files = list((services.settings.data / "files" / HEAT).rglob("*.npy"))
    assert len(heat_files) == 1


def test_a_blood_map_is_named_and_drawn_as_what_it_is(
    reader: FlaskClient, services: Services, head: Path, tmp_path: Path
) -> None:
    upload_folder(reader, head)
    study = only_study(services)
    attending = write_mapping_artefact(tmp_path / "attending", CLASS_ACTIVATION_MAP)
    analyse_all(services, load_predictor(attending, "cpu"))
    before = reader.get(f"/studies/{study.id}").text
    with services.database.write() as session:
        jobs.request_analysis(session, only_job(services).series_id)

    analyse_all(services, load_predictor(write_mapping_artefact(tmp_path), "cpu"))

    page = reader.get(f"/studies/{study.id}").text
    assert "</kbd> Attention map</a>" in before
    assert "</kbd> Blood map</a>" in page
    with services.database.read() as session:
        newest = session.scalars(select(Analysis).order_by(Analysis.created_at.desc())).first()
    assert newest is not None
    heat = services.storage.read_array(HEAT, newest.id)
    assert 0 < heat.min() < heat.max() < 1
    picture = reader.get(f"/analyses/{newest.id}/heat/1/any.png").data
    assert picture == heat_png(heat[1, 0], 1.0, 512, 512)


def test_slices_that_arrive_later_are_analysed_with_the_others(
    reader: FlaskClient, services: Services, predictor: Predictor, head: Path
) -> None:
    first, *others = [(path.name, path.read_bytes()) for path in sorted(head.glob("*.dcm"))]
    upload(reader, *others)
    analyse_all(services, predictor)

    upload(reader, first)
    analyse_all(services, predictor)

    with services.database.read() as session:
        counts = session.execute(
            select(func.count()).select_from(SliceResult).group_by(SliceResult.analysis_id)
        )
        assert sorted(counts.scalars()) == [2, 3]


def test_the_same_slices_again_ask_for_no_new_analysis(
    reader: FlaskClient, services: Services, predictor: Predictor, head: Path
) -> None:
    upload_folder(reader, head)
    analyse_all(services, predictor)

    upload_folder(reader, head)

    assert only_job(services).state == "done"
