# The one image, at home in every CI. Needs BuildKit, the default since Docker 23.
#
#   docker build .                                               compiles the program from source
#   docker build --build-arg BINARY=manifest-action -f Dockerfile DIR
#                                                                takes DIR/manifest-action, already built and static
#
# Nothing here names an architecture: each one is built on a machine (or under emulation) of its own.
ARG BINARY
ARG GIVEN=${BINARY:+given}

FROM rust:1.95-slim-bookworm AS compiled
# A name that no path of a dependency ends in: the script looks for it in the program.
WORKDIR /compiling
COPY . .
# The caches are the builder's own; they make a second build quick and leave no trace in the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/compiling/target \
    release/build.sh /out/bin/manifest-action

FROM scratch AS given
ARG BINARY
COPY --chmod=0755 ${BINARY} /out/bin/manifest-action

FROM ${GIVEN:-compiled} AS binary

FROM debian:bookworm-slim AS system
# Certificate roots and a shell change with Debian's security updates, so no version is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends busybox-static ca-certificates \
    && rm -rf /var/lib/apt/lists/*
# GitLab, CircleCI, Jenkins and Tekton scripts start a job through a shell; GitLab looks in /bin and in /busybox.
RUN mkdir -p /image/bin /image/busybox /image/etc/ssl/certs \
    && mkdir -m 1777 /image/tmp \
    && cp /bin/busybox /image/bin/ \
    && for applet in $(busybox --list); do [ "$applet" = busybox ] || ln -s busybox "/image/bin/$applet"; done \
    && ln -s ../bin/busybox /image/busybox/sh \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && echo 'root:x:0:0:root:/root:/bin/sh' > /image/etc/passwd

FROM scratch
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="manifest-action" \
      org.opencontainers.image.description="Combines per-architecture images built by separate CI jobs into one multi-architecture image you can trust" \
      org.opencontainers.image.source="https://github.com/org/manifest-action" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=system /image /
COPY --from=binary /out/bin/manifest-action /usr/local/bin/manifest-action
# No USER and no WORKDIR: GitHub's runner owns the mounted files and sets the folder itself.
ENTRYPOINT ["/usr/local/bin/manifest-action"]
