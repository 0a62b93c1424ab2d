# The service, and nothing that builds or installs: no compiler, no pip.
#
#   docker build -t cloud-connector-authz .
#
# Only what every builder knows is used, the classic one too: no heredocs, no mounts in RUN. Wheels alone are installed,
# each with the hash that requirements/ holds for it, so what was tested is what runs.

# Another image will do if its python3 is CPython 3.11 or newer with venv, and its pip 22.3 or newer.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

# ------------------------------------------------------------------------------------------------------------- build
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_ONLY_BINARY=:all:
RUN python3 -m venv --without-pip /opt/authz && python3 -m venv --without-pip /build/tools
WORKDIR /build

COPY requirements/build.txt requirements/run.txt requirements/
RUN python3 -m pip --python /build/tools/bin/python3 install --quiet --require-hashes -r requirements/build.txt \
 && python3 -m pip --python /opt/authz/bin/python3 install --quiet --require-hashes -r requirements/run.txt

COPY pyproject.toml README.md ./
COPY authz authz
RUN tools/bin/python3 -m hatchling build -t wheel -d dist \
 && python3 -m pip --python /opt/authz/bin/python3 install --quiet --no-deps --no-index dist/*.whl

# ----------------------------------------------------------------------------------------------------------- service
FROM ${PYTHON_IMAGE}
ARG PYTHON_IMAGE
ARG REVISION=unknown
LABEL org.opencontainers.image.title="cloud-connector-authz" \
      org.opencontainers.image.description="Envoy external authorization for a Cloud Connector" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"

COPY deploy/image/strip.py /tmp/
RUN python3 /tmp/strip.py && rm /tmp/strip.py \
 && mkdir -p /srv/run/authz && chown 10001:10001 /srv/run/authz && chmod 2770 /srv/run/authz
COPY --from=build /opt/authz /opt/authz
COPY deploy/image/ready.py /opt/authz/

# What is written goes to run/authz (sockets) and /tmp (a snapshot of policy and keys); the rest may be read-only. Envoy finds
# the sockets where they are here: mount run/authz at the same path in its container, or below the same working directory.
ENV PATH=/opt/authz/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /srv
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=3s --timeout=3s --start-period=10s --retries=3 CMD ["python3", "-I", "-S", "/opt/authz/ready.py"]
ENTRYPOINT ["authz"]
CMD ["serve"]
