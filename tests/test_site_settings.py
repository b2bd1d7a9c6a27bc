"""What a site chooses: refused in one sentence, written down, and never lost between two who do."""

import re
import threading
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.audit.log import SETTING_CHANGED
from app.db.audit import AuditEvent
from app.db.models import User
from app.db.site import SiteSetting
from app.display_windows import WindowsError, windows_from
from app.services import Services
from app.site import (
    SettingsChangedError,
    SiteSettings,
    check_unchanged,
    choose,
    site_settings,
)
from clinic import log_in
from model.artifact import ModelCard
from model.windowing import BRAIN, DISPLAY_PRESETS, MODEL_WINDOWS, Window
from read_study import ReadStudy, add_read_study, send

ON_EVERY_DATABASE = True

USUAL = [("brain", "40", "80"), ("subdural", "80", "200"), ("bone", "600", "2800")]


def held(services: Services) -> SiteSettings:
    with services.database.read() as session:
        return site_settings(session)


def windows_form(*rows: tuple[str, str, str]) -> dict[str, str]:
    return {
        f"windows-{at}-{part}": text
        for at, row in enumerate(rows)
        for part, text in zip(("name", "center", "width"), row, strict=True)
    }


def save(client: FlaskClient, part: str, **fields: str) -> TestResponse:
    """Save a part of the settings as the page has it now."""
    found = re.search(r'name="seen"[^>]*value="(\d+)"', client.get("/admin/settings").text)
    return send(client, f"/admin/settings{part}", seen=found.group(1) if found else "0", **fields)


def problem(answer: TestResponse) -> str:
    """What the page says is wrong; there must be one such sentence."""
    (told,) = re.findall(r'<p class="error" role="alert">(.*?)</p>', answer.text)
    return str(told)


# ---------------------------------------------------------------------------- windows


def test_windows_are_those_of_the_design_until_somebody_chooses(services: Services) -> None:
    assert held(services).windows == DISPLAY_PRESETS


def test_chosen_windows_are_drawn_and_offered_and_the_networks_stay(
    administrator: FlaskClient, services: Services
) -> None:
    answer = save(
        administrator,
        "/windows",
        save="y",
        **windows_form(("brain", "35", "70"), *USUAL[1:], ("", "", ""), ("Soft Tissue", "50", "9")),
    )

    assert "The settings are saved." in answer.text
    chosen = held(services).windows
    assert chosen[0] == Window("brain", 35, 70)
    assert [window.name for window in chosen[3:]] == ["soft-tissue"]
    assert MODEL_WINDOWS[0] == BRAIN == Window("brain", 40, 80)
    page = administrator.get(add_read_study(services).path).text
    assert '{"center": 35, "name": "brain", "width": 70}' in page
    assert "brain C 35 W 70" in page
    assert 'data-runs="window-soft-tissue"' in page
    assert "stroke" not in page


def test_the_usual_windows_come_back(administrator: FlaskClient, services: Services) -> None:
    save(administrator, "/windows", save="y", **windows_form(*USUAL))
    assert len(held(services).windows) == 3

    save(administrator, "/windows", restore="y", **windows_form(("brain", "x", "")))

    assert held(services).windows == DISPLAY_PRESETS


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (("lung", "-600", "0"), "Window lung: its width takes a whole number of HU from 1 to 8192"),
        (("lung", "1e3", "9"), "Window lung: its center takes a whole number of HU from -1024"),
        (("lung", "", "9"), "Window lung: its center takes"),
        (("lung/../x", "1", "9"), "Window 4: its name takes"),
        (("", "1", "9"), "Window 4: its name takes"),
        (("file", "1", "9"), "none of file, own, three"),
        (("Brain", "1", "9"), "Two windows are called brain"),
    ],
)
def test_a_window_that_cannot_be_used_is_refused(row: tuple[str, str, str], told: str) -> None:
    with pytest.raises(WindowsError, match=re.escape(told)):
        windows_from([*USUAL, row])


def test_the_windows_side_by_side_are_always_there() -> None:
    with pytest.raises(WindowsError, match="first three windows are brain, subdural, bone"):
        windows_from([USUAL[0], ("lung", "-600", "1500")])


def test_what_was_typed_stays_on_the_page_that_refuses_it(
    administrator: FlaskClient, services: Services
) -> None:
    answer = save(
        administrator, "/windows", save="y", **windows_form(*USUAL, ("lung", "-600", "wide"))
    )

    assert answer.status_code == 400
    assert problem(answer).startswith("Window lung: its width takes")
    assert 'value="wide"' in answer.text
    assert held(services) == SiteSettings()


# ------------------------------------------------------------------------- operating points


def test_a_measured_point_can_be_chosen_and_the_change_is_written(
    administrator: FlaskClient, services: Services
) -> None:
    save(administrator, "/points", any="screen", epidural="both")

    assert held(services).operating_points == {"any": "screen"}
    with services.database.read() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == SETTING_CHANGED))
        assert [one.details for one in event] == [{"operating_points": {"any": "screen"}}]
    assert "any: screening point alone" in administrator.get("/admin/settings").text


def without_screening_of_subdural(card: ModelCard) -> ModelCard:
    """As of weights whose calibration patients had none."""
    pair = card.thresholds["subdural"]
    useless = replace(pair, screen=replace(pair.screen, threshold=0.0))
    return replace(card, thresholds={**card.thresholds, "subdural": useless})


def test_a_point_that_nobody_measured_and_a_free_number_are_refused(
    administrator: FlaskClient, services: Services
) -> None:
    extensions = administrator.application.extensions
    extensions["falx-card"] = without_screening_of_subdural(extensions["falx-card"])

    unmeasured = save(administrator, "/points", subdural="screen")
    free = save(administrator, "/points", any="0.3")

    assert (unmeasured.status_code, free.status_code) == (400, 400)
    assert "subdural: the model in service has no measured screening point" in problem(unmeasured)
    assert held(services) == SiteSettings()


# -------------------------------------------------------------------------------- retention


def test_retention_wants_a_number_and_that_its_end_is_known(
    administrator: FlaskClient, services: Services
) -> None:
    for days in ("-1", "1.5", "many", "1000000"):
        answer = save(administrator, "/retention", days=days, understood="y", save="y")
        assert problem(answer) == "Type a whole number of days, or nothing to keep every study."
    answer = save(administrator, "/retention", days="90", save="y")
    assert "cannot be brought back" in problem(answer)
    assert held(services).retention_days == 0

    save(administrator, "/retention", days="90", understood="y", save="y")
    assert held(services).retention_days == 90
    save(administrator, "/retention", days="", save="y")
    assert held(services).retention_days == 0


def test_the_preview_counts_and_changes_nothing(
    administrator: FlaskClient, services: Services
) -> None:
    add_read_study(services)

    answer = save(administrator, "/retention", days="30", preview="y")

    assert "0 studies (0 never reviewed) with 0 slices would be removed now" in answer.text
    assert held(services) == SiteSettings()


# -------------------------------------------------------------------- who, and two at once


@pytest.mark.parametrize("part", ["", "/windows", "/points", "/retention"])
def test_only_administrators_choose(app: Flask, services: Services, part: str) -> None:
    reader, visitor = log_in(app.test_client(), "rita"), app.test_client()

    assert send(reader, f"/admin/settings{part}", seen="0", restore="y").status_code == 403
    assert visitor.post(f"/admin/settings{part}", data={"seen": "0"}).status_code in (302, 400)
    assert held(services) == SiteSettings()


@pytest.mark.parametrize("seen", ["", "x", "-1", "9" * 30])
def test_a_page_that_does_not_tell_what_it_saw_chooses_nothing(
    administrator: FlaskClient, services: Services, seen: str
) -> None:
    answer = send(administrator, "/admin/settings", seen=seen, second_reader="y")

    assert answer.status_code == 400
    assert not held(services).second_reader


def test_who_saw_older_settings_changes_nothing(
    administrator: FlaskClient, services: Services
) -> None:
    save(administrator, "", image_first="y")

    answer = send(administrator, "/admin/settings", seen="0", second_reader="y")

    assert answer.status_code == 409
    assert problem(answer).startswith("Nothing was saved: ada changed the settings")
    assert held(services) == SiteSettings(image_first=True)


def test_of_two_at_the_same_moment_one_is_told(services: Services) -> None:
    with services.database.write() as session:
        session.add(User(id="ada", username="ada", password_hash="", role="administrator"))
    told: list[Any] = []
    together = threading.Barrier(2)

    def change(**wanted: Any) -> None:
        together.wait()
        try:
            with services.database.write() as session:
                check_unchanged(session, 0)
                choose(session, replace(site_settings(session), **wanted), "ada")
            told.append("saved")
        except SettingsChangedError:
            told.append("refused")

    wishes: list[dict[str, Any]] = [{"image_first": True}, {"second_reader": True}]
    threads = [threading.Thread(target=change, kwargs=wish) for wish in wishes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(told) == ["refused", "saved"]
    with services.database.read() as session:
        assert len(session.scalars(select(SiteSetting)).all()) == 1


def test_the_reading_page_keeps_working_without_a_choice(
    reader: FlaskClient, services: Services
) -> None:
    read: ReadStudy = add_read_study(services)

    assert '"name": "stroke"' in reader.get(read.path).text
