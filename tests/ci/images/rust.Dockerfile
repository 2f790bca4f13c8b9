# Stands in for the official Rust image; the context is the machine's own toolchain.
FROM debian:bookworm-slim
# hadolint ignore=DL3008,DL3009
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev ca-certificates
COPY bin/cargo bin/rustc /usr/local/bin/
COPY lib /usr/local/lib
ENV CARGO_HOME=/usr/local/cargo
