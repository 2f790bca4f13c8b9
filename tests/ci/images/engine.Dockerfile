# A newer Docker engine than that of these tests, with BuildKit's client: of Debian 13.
FROM debian:bookworm-slim
# hadolint ignore=DL3008,DL3009
RUN echo 'deb http://deb.debian.org/debian trixie main' >/etc/apt/sources.list.d/trixie.list && apt-get update && \
  apt-get install --yes --no-install-recommends --target-release trixie docker.io docker-cli docker-buildx
