"""The forms of the clinic, each checked on the server with CSRF protection."""

from typing import Final

from flask_wtf import FlaskForm
from wtforms import (
    Form,
    FormField,
    MultipleFileField,
    PasswordField,
    SelectField,
    StringField,
    SubmitField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, EqualTo, Length, Regexp

from app.auth import MIN_PASSWORD_LENGTH, READER, ROLES
from model.labels import LABELS

VERDICTS: Final = ("agree", "disagree", "present", "absent")
REASONS: Final = (
    "calcification",
    "artefact",
    "motion",
    "old blood",
    "post-operative",
    "contrast",
    "wrong slice",
    "other",
)

_password_rules = (
    DataRequired(),
    Length(min=MIN_PASSWORD_LENGTH, max=256, message=f"At least {MIN_PASSWORD_LENGTH} characters."),
)


class LoginForm(FlaskForm):
    """Name and password."""

    username = StringField("User name", [DataRequired(), Length(max=64)])
    password = PasswordField("Password", [DataRequired(), Length(max=256)])
    submit = SubmitField("Log in")


class PasswordForm(FlaskForm):
    """A user's own new password."""

    current = PasswordField("Present password", [DataRequired(), Length(max=256)])
    new = PasswordField("New password", _password_rules)
    repeated = PasswordField(
        "New password again", [EqualTo("new", "The two new passwords differ.")]
    )
    submit = SubmitField("Change password")


class UserForm(FlaskForm):
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


class ActionForm(FlaskForm):
    """A button that changes something: nothing but the CSRF token."""


class UploadForm(FlaskForm):
    """Files, a folder, or both."""

    files = MultipleFileField("Slices or zip archives")
    folder = MultipleFileField("A folder")
    submit = SubmitField("Upload and analyse")


def _choices(none: str, values: tuple[str, ...]) -> list[SelectChoice]:
    return [SelectChoice("", none), *(SelectChoice(value, value) for value in values)]


class VerdictForm(Form):
    """What the clinician says of one label."""

    verdict = SelectField("Verdict", choices=_choices("no statement", VERDICTS), default="")
    reason = SelectField("Reason", choices=_choices("no reason", REASONS), default="")


def _review_form() -> type[FlaskForm]:
    fields = {label: FormField(VerdictForm, label=label) for label in LABELS}
    return type("LabelVerdicts", (FlaskForm,), fields)


class ReviewForm(_review_form()):  # type: ignore[misc]  # one field a label, from the one list
    """The clinician's verdict on a study, label by label."""

    comment = TextAreaField("Comment", [Length(max=4000)])
    submit = SubmitField("Save verdict")

    def verdicts(self) -> dict[str, str]:
        """Label -> verdict, for the labels on which something was said."""
        said = {label: self[label].form.verdict.data for label in LABELS}
        return {label: verdict for label, verdict in said.items() if verdict}

    def reasons(self) -> dict[str, str]:
        """Label -> reason code, for the labels with a verdict and a reason."""
        verdicts = self.verdicts()
        given = {label: self[label].form.reason.data for label in LABELS}
        return {label: r for label, r in given.items() if r and label in verdicts}
