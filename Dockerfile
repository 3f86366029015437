# syntax=docker/dockerfile:1
# Two stages: the first installs by hash and throws its tools away, the second runs as a user that owns nothing.
FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/fallgate
COPY requirements/core.lock requirements/build.lock requirements/
RUN /opt/fallgate/bin/pip install --require-hashes -r requirements/core.lock -r requirements/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY routing routing
COPY serving serving
RUN /opt/fallgate/bin/pip install --no-deps --no-build-isolation . \
 && /opt/fallgate/bin/pip uninstall -y hatchling editables pip

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/fallgate --create-home fallgate
COPY --from=build /opt/fallgate /opt/fallgate
ENV PATH=/opt/fallgate/bin:$PATH PYTHONUNBUFFERED=1
USER fallgate
WORKDIR /var/lib/fallgate
# Applications on 8080, operators on 8081. The configuration comes from a mount; keys from the environment.
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=2s --start-period=10s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/livez', timeout=1)"]
ENTRYPOINT ["fallgate"]
CMD ["serve", "--config", "/etc/fallgate/fallgate.yaml"]
