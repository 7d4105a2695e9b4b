# The scoring service: docker build -t mlsp . && docker run -p 8000:8000 -e MLSP_SERVICE_TOKEN=… --stop-timeout 40 mlsp
# Options of `mlsp service` go after the name. Where and how it may run, in compose.yaml.
# The base is Python 3.11.15 on Debian 13 of August 2026 for all its platforms; the digest is the one that Docker's own record of official
# images, github.com/docker-library/repo-info, has in repos/python/remote/3.11-slim.md. Replace it by a newer one from there.
ARG BASE=python:3.11-slim@sha256:90744cff8f32887f075c47d747a173ff333e9e98801667af93c357fa9f5e28ff
FROM $BASE AS build
WORKDIR /src
COPY requirements/service.txt ./
RUN python -m venv /opt/mlsp && /opt/mlsp/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --requirement service.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN /opt/mlsp/bin/pip install --no-cache-dir --no-deps .

FROM $BASE
COPY --from=build /opt/mlsp /opt/mlsp
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin mlsp
USER 10001
ENV PATH=/opt/mlsp/bin:$PATH PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/ready', timeout=2)"]
# Without a token only --no-token serves other machines; the container says neither by itself.
ENTRYPOINT ["mlsp", "service", "--host", "0.0.0.0"]
