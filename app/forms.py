"""The forms of the clinic, each checked on the server with CSRF protection."""

from typing import Any

from flask_wtf import FlaskForm
from wtforms import (
    Form,
    FormField,
    HiddenField,
    MultipleFileField,
    PasswordField,
    SelectField,
    StringField,
    SubmitField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.form import BaseForm
from wtforms.validators import DataRequired, EqualTo, Length, Regexp

from app.auth import MIN_PASSWORD_LENGTH, READER, ROLES
from app.verdicts.record import ABSENT, IMPRESSIONS, PRESENT, REASONS, VERDICTS
from app.verdicts.statement import Statement, regions_from, slice_verdicts_from
from model.labels import LABELS

_password_rules = (
    DataRequired(),
    Length(min=MIN_PASSWORD_LENGTH, max=256, message=f"At least {MIN_PASSWORD_LENGTH} characters."),
)


class ClinicForm(FlaskForm):
    """Its texts come without NUL, which PostgreSQL neither stores nor compares."""

    class Meta(FlaskForm.Meta):
        def bind_field(self, form: BaseForm, unbound_field: Any, options: dict[str, Any]) -> Any:
            if issubclass(unbound_field.field_class, StringField):
                options = {**options, "filters": [_without_nul]}
            return super().bind_field(form, unbound_field, options)


def _without_nul(text: str | None) -> str | None:
    return text and text.replace("\x00", "")


class LoginForm(ClinicForm):
    """Name and password."""

    username = StringField("User name", [DataRequired(), Length(max=64)])
    password = PasswordField("Password", [DataRequired(), Length(max=256)])
    submit = SubmitField("Log in")


class PasswordForm(ClinicForm):
    """A user's own new password."""

    current = PasswordField("Present password", [DataRequired(), Length(max=256)])
    new = PasswordField("New password", _password_rules)
    repeated = PasswordField(
        "New password again", [EqualTo("new", "The two new passwords differ.")]
    )
    submit = SubmitField("Change password")


class UserForm(ClinicForm):
    """A new account."""

    username = StringField(
        "User name",
        [
            DataRequired(),
            Length(max=64),
            Regexp(r"^[\w.@-]+$", message="Letters, digits and . _ - @ only."),
        ],
    )
    role = SelectField("Role", choices=ROLES, default=READER)
    submit = SubmitField("Add user")


class ActionForm(ClinicForm):
    """A button that changes something: nothing but the CSRF token."""


class UploadForm(ClinicForm):
    """Files, a folder, or both."""

    files = MultipleFileField("Slices or zip archives")
    folder = MultipleFileField("A folder")
    submit = SubmitField("Upload and analyse")


def _choices(none: str, values: tuple[str, ...]) -> list[SelectChoice]:
    return [SelectChoice("", none), *(SelectChoice(value, value) for value in values)]


class VerdictForm(Form):
    """What the reader says of one label: of the series, and of the slice in view."""

    verdict = SelectField("Verdict", choices=_choices("–", VERDICTS), default="")
    reason = SelectField("Reason", choices=_choices("–", REASONS), default="")
    here = SelectField("This slice", choices=_choices("–", (PRESENT, ABSENT)), default="")


def _review_form() -> type[ClinicForm]:
    fields = {label: FormField(VerdictForm, label=label) for label in LABELS}
    return type("LabelVerdicts", (ClinicForm,), fields)


class ReviewForm(_review_form()):  # type: ignore[misc]  # one field a label, from the one list
    """The reader's verdict on a study, label by label, slice by slice."""

    instance = HiddenField("Slice in view")
    slice_verdicts = HiddenField("Statements on slices")
    regions = HiddenField("Marked regions")
    comment = TextAreaField("Comment", [Length(max=4000)])
    submit = SubmitField("Save verdict")

    def statement(self) -> Statement:
        """All that was said.

        Raises
        ------
        StatementError
            What was said of slices or regions is not in its form.
        """
        return Statement(
            verdicts=self._chosen("verdict"),
            reasons=self._chosen("reason"),
            slice_verdicts=self._slice_verdicts(),
            regions=regions_from(self.regions.data or ""),
            comment=self.comment.data or "",
        )

    def _chosen(self, name: str) -> dict[str, str]:
        found = {label: self[label].form[name].data for label in LABELS}
        return {label: word for label, word in found.items() if word}

    def _slice_verdicts(self) -> dict[str, dict[str, str]]:
        """What was said before of all slices, and now of the one in view."""
        words = slice_verdicts_from(self.slice_verdicts.data or "")
        if not self.instance.data:
            return words
        chosen = self._chosen("here")
        for label in LABELS:
            of_label = dict(words.get(label, {}))
            of_label.pop(self.instance.data, None)
            if label in chosen:
                of_label[self.instance.data] = chosen[label]
            words[label] = of_label
        return {label: of_label for label, of_label in words.items() if of_label}


def _impression_form() -> type[ClinicForm]:
    words = _choices("no statement", IMPRESSIONS)
    fields = {label: SelectField(label, choices=words, default="") for label in LABELS}
    return type("LabelImpressions", (ClinicForm,), fields)


class ImpressionForm(_impression_form()):  # type: ignore[misc]  # one field a label, as above
    """What the reader thinks before he has seen the finding."""

    submit = SubmitField("Store and show the finding")

    def words(self) -> dict[str, str]:
        """Label -> one of the words, for the labels on which something was said."""
        return {label: self[label].data for label in LABELS if self[label].data}
