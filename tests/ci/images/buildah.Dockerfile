# Stands in for quay.io/buildah/stable: Debian's buildah, whose `push` asks no variable for the storage driver.
FROM debian:bookworm-slim
# hadolint ignore=DL3008,DL3009
RUN apt-get update && apt-get install --yes --no-install-recommends buildah && \
  printf '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' \
  >/etc/containers/storage.conf
