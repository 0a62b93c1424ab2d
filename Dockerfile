# The image of the service. It holds nothing that builds or installs: no compiler, no pip.
#
#   docker build -t cloud-connector-authz .
#
# It uses only what every builder supports, the classic one too: no heredocs, no mounts in RUN. It installs only wheels, and
# checks each against its hash in requirements/, so the tested versions are the ones that run. dev/install.py does that, as it
# does for make: pip installs uv, and uv installs the rest. Both use the mirror that a pip.conf in the base image names.

# You can use another image if its python3 is CPython 3.11 or newer with pip or ensurepip.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

# ------------------------------------------------------------------------------------------------------------- build
FROM ${PYTHON_IMAGE} AS build
WORKDIR /build

COPY dev/install.py dev/
COPY requirements/uv.txt requirements/build.txt requirements/run.txt requirements/
RUN python3 -I dev/install.py build --into /build/tools && python3 -I dev/install.py run --into /opt/authz

COPY pyproject.toml README.md ./
COPY authz authz
RUN tools/bin/python3 -m hatchling build -t wheel -d dist \
 && .uv/bin/uv pip install --quiet --no-config --offline --no-index --no-deps --compile-bytecode \
      --python /opt/authz/bin/python3 dist/*.whl \
 && rm /opt/authz/.installed

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

# The service writes to run/authz (sockets) and /tmp (a snapshot of policy and keys); the rest may be read-only. Envoy looks for
# the sockets at the same path: mount run/authz there in its container, or below the same working directory.
ENV PATH=/opt/authz/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /srv
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=3s --timeout=3s --start-period=10s --retries=3 CMD ["python3", "-I", "-S", "/opt/authz/ready.py"]
ENTRYPOINT ["authz"]
CMD ["serve"]
