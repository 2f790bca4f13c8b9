# Where act and gitlab-ci-local run jobs; the context is the machine's /usr/bin, for its Docker client.
FROM debian:bookworm-slim
# hadolint ignore=DL3008,DL3009
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates curl rsync skopeo
COPY docker /usr/bin/docker
ENV DOCKER_BUILDKIT=1
