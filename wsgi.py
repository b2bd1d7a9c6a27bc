"""The WSGI entry point: ``gunicorn wsgi:app``."""

import logging

from app.factory import create_app

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")

app = create_app()
