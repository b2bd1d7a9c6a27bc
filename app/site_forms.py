"""The forms in which a site chooses; each carries what its page had seen of the choices."""

import re
from collections.abc import Mapping
from typing import Final

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    FieldList,
    Form,
    FormField,
    IntegerField,
    SelectField,
    StringField,
    SubmitField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, NumberRange, Regexp
from wtforms.widgets import HiddenInput

from app import display_windows
from app.operating_points import BOTH, CHOICES
from app.site import SiteSettings
from model.labels import LABELS

DAYS: Final = r"(0|[1-9]\d{0,4})?"
"""What may stand for days: nothing, or a number of up to five digits."""


_UNTOLD: Final = "The page did not tell which settings you saw: open it again."


class _ChoiceForm(FlaskForm):
    seen = IntegerField(
        "Seen",
        # What no database takes for an id is no choice that anybody saw.
        [InputRequired(_UNTOLD), NumberRange(0, 2**31 - 1, _UNTOLD)],
        widget=HiddenInput(),
    )
    """`app.site.newest_choice` when the page was made."""


class ReadingForm(_ChoiceForm):
    """How studies are read."""

    image_first = BooleanField("Image first")
    second_reader = BooleanField("Second reader")
    submit = SubmitField("Save how studies are read")


class _WindowForm(Form):
    name = StringField("Name")
    center = StringField("Center")
    width = StringField("Width")


class WindowsForm(_ChoiceForm):
    """The display windows, and empty rows for more."""

    windows = FieldList(
        FormField(_WindowForm), min_entries=display_windows.MOST, max_entries=display_windows.MOST
    )
    save = SubmitField("Save windows")
    restore = SubmitField("Bring back the usual ones")

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """What was typed: name, center, width."""
        typed = (entry.form for entry in self.windows)
        return [(row.name.data or "", row.center.data or "", row.width.data or "") for row in typed]


def _points_form() -> type[_ChoiceForm]:
    says = ("both, as the card", "screening alone", "alert alone")
    words = [SelectChoice(*pair) for pair in zip(CHOICES, says, strict=True)]
    fields = {label: SelectField(label, choices=words, default=BOTH) for label in LABELS}
    return type("LabelPoints", (_ChoiceForm,), fields)


class PointsForm(_points_form()):  # type: ignore[misc]  # one field a label, from the one list
    """At which of the card's points each label is judged."""

    submit = SubmitField("Save operating points")

    def choices(self) -> Mapping[str, str]:
        """Label -> choice, without those that are as the card has it."""
        return {label: self[label].data for label in LABELS if self[label].data != BOTH}


class RetentionForm(_ChoiceForm):
    """After how many days studies are removed."""

    days = StringField(
        "Remove studies after (days)",
        [
            Regexp(
                f"^{DAYS}$",
                message="Type a whole number of days, or nothing to keep every study.",
            )
        ],
    )
    understood = BooleanField("I know that removed studies cannot be brought back")
    preview = SubmitField("Preview")
    save = SubmitField("Save retention")

    @property
    def wanted(self) -> int:
        """The days, 0 to keep every study and where no number was typed."""
        text = self.days.data or ""
        return int(text) if re.fullmatch(DAYS, text) and text else 0


class SettingsForms:
    """All forms of the page, filled with what holds."""

    def __init__(self, held: SiteSettings, seen: int) -> None:
        windows = [{"name": w.name, "center": w.center, "width": w.width} for w in held.windows]
        points = dict(held.operating_points)
        days = {"days": str(held.retention_days or "")}
        self.reading = ReadingForm(formdata=None, obj=held, seen=seen)
        self.windows = WindowsForm(formdata=None, seen=seen, windows=windows)
        self.points = PointsForm(formdata=None, seen=seen, **points)
        self.retention = RetentionForm(formdata=None, seen=seen, **days)
