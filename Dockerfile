# The server and the worker in one image; docker-compose-local.yml shows how they run.
FROM python:3.12-slim-bookworm AS build
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

FROM python:3.12-slim-bookworm
# Output at once, not in blocks; no .pyc files in a file system that is thrown away; every address of the container.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /app anomaly
WORKDIR /app
COPY --from=build /venv /venv
COPY manage.py ./
COPY anomaly_server anomaly_server
COPY transactions transactions
COPY anomalies anomalies
COPY scoring scoring
COPY templates templates
# A key for this one command: settings want one, collectstatic signs nothing, the image keeps none.
RUN SECRET_KEY=signs-nothing-0123456789-abcdefghijklmnopqrstuvwxyz python manage.py collectstatic --noinput
# Compiled for the processor that builds the image; another kind does it again at the first start.
ENV COMPILED_DIR=/var/cache/anomaly
RUN SECRET_KEY=signs-nothing-0123456789-abcdefghijklmnopqrstuvwxyz python -m anomaly_server.compiled \
    && chown -R anomaly:anomaly $COMPILED_DIR
USER anomaly
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-m", "anomaly_server.probe"]
CMD ["gunicorn", "-c", "anomaly_server/gunicorn.py", "anomaly_server.wsgi"]
