# The service. The database is the `database` stage: the same Debian packages as a native install.
FROM debian:bookworm-slim AS database
RUN mkdir -p /etc/postgresql-common/createcluster.d \
 && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/gridcircle.conf \
 && apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      postgresql-15 postgresql-15-postgis-3 locales \
 && rm -rf /var/lib/apt/lists/*
COPY --chmod=755 docker/database-entrypoint /usr/local/bin/database-entrypoint
ENV PGDATA=/var/lib/gridcircle/postgres PATH=/usr/lib/postgresql/15/bin:$PATH
RUN install -d -o postgres -g postgres -m 0700 /var/lib/gridcircle/postgres
USER postgres
VOLUME /var/lib/gridcircle/postgres
STOPSIGNAL SIGINT
ENTRYPOINT ["database-entrypoint"]

FROM debian:bookworm-slim AS service
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      python3 python3-venv fonts-wqy-microhei \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/gridcircle
COPY requirements.lock .
RUN python3 -m venv .venv && .venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY geo geo
COPY data data
COPY maps maps
COPY api api
RUN .venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
 && useradd --system --create-home --home-dir /var/lib/gridcircle gridcircle
ENV PATH=/opt/gridcircle/.venv/bin:$PATH GRIDCIRCLE_HOME=/var/lib/gridcircle/home
USER gridcircle
RUN mkdir -p /var/lib/gridcircle/home
VOLUME /var/lib/gridcircle/home
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=6 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
CMD ["gridcircle", "demo", "--host", "0.0.0.0", "--port", "8000"]
