"""What all views share: the open services, the model card and the facts on every page."""

from typing import Final, cast

from flask import current_app
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from app.forms import ActionForm
from app.services import Services
from model.artifact import ModelCard
from model.notice import NOTICE

EXTENSION: Final = "falx"

limiter = Limiter(get_remote_address)


def services() -> Services:
    """The open resources of this process."""
    return cast("Services", current_app.extensions[EXTENSION])


def model_card() -> ModelCard:
    """The card of the model that this site serves."""
    return cast("ModelCard", current_app.extensions["falx-card"])


def page_facts() -> dict[str, object]:
    """What every template may use."""
    return {"banner": NOTICE, "card": model_card(), "action_form": ActionForm(formdata=None)}
