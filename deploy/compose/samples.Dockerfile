# The sample backends of the compose stack, on the same base as the service. Not for production.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY dev/install.py dev/
COPY requirements/uv.txt requirements/samples.txt requirements/
RUN python3 -I dev/install.py samples --into /opt/samples

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/samples /opt/samples
COPY dev/__init__.py /opt/samples/dev/
COPY dev/backend/*.py /opt/samples/dev/backend/
ENV PATH=/opt/samples/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10002:10002
WORKDIR /opt/samples
HEALTHCHECK --interval=2s --timeout=3s --start-period=10s --retries=5 CMD ["python3", "-I", "-S", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=2)"]
# The ports are the same in each sample, because each has its own address.
ENTRYPOINT ["python3", "-m", "dev.backend", "--host", "0.0.0.0", "--port", "8080", "--grpc-port", "8081"]
