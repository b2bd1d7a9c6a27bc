# Falx in one image. Its commands are those of `python -m app`: web (the default), worker, setup.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS base
ARG DEBIAN_FRONTEND=noninteractive
# A plain Debian bookworm does as base, too: its own Python is 3.11.
RUN command -v python3.11 > /dev/null || { \
        apt-get update \
        && apt-get install --yes --no-install-recommends python3 \
        && rm -rf /var/lib/apt/lists/* /var/cache/apt/*; }

FROM base AS packages
ARG DEBIAN_FRONTEND=noninteractive
# pip reads this from the environment. With PyTorch's index of CPU builds it saves several GB.
ARG PIP_EXTRA_INDEX_URL
RUN python3.11 -c "import ensurepip" 2> /dev/null || { \
        apt-get update \
        && apt-get install --yes --no-install-recommends python3-venv; }
COPY requirements.txt .
# Serving neither installs nor compiles anything: pip, and PyTorch's headers and tests, can go.
RUN python3.11 -m venv /opt/falx/venv \
    && /opt/falx/venv/bin/pip install --no-cache-dir --requirement requirements.txt \
    && /opt/falx/venv/bin/pip uninstall --yes pip setuptools \
    && rm -rf /opt/falx/venv/lib/python3.11/site-packages/torch/include \
        /opt/falx/venv/lib/python3.11/site-packages/torch/test

FROM base
LABEL org.opencontainers.image.title="Falx" \
      org.opencontainers.image.description="Head CT, read for intracranial hemorrhage. Research use only." \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 falx \
    && useradd --uid 10001 --gid falx --no-create-home --shell /usr/sbin/nologin falx \
    && install --directory --owner falx --group falx --mode 0700 /var/lib/falx
WORKDIR /opt/falx
COPY --from=packages /opt/falx/venv venv
COPY LICENSE wsgi.py ./
COPY model model
COPY static static
COPY templates templates
COPY app app
ENV PATH=/opt/falx/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FALX_DATA=/var/lib/falx \
    FALX_HOST=0.0.0.0 \
    FALX_PORT=8000
# The user cannot write here, so every process would compile the modules again.
RUN python -m compileall -q app model
USER 10001:10001
VOLUME /var/lib/falx
EXPOSE 8000
# Of the web process; it fails, too, where no worker lives that would analyse an upload.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['FALX_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["python", "-m", "app"]
# gunicorn with wsgi:app, at the address and with the threads of the settings.
CMD ["web"]
