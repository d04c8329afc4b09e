# Started as the official image is by buildx's docker-container driver, which also calls buildctl in it.
FROM scratch
ARG TARGETARCH
ADD ${TARGETARCH}.tar /
COPY --from=tool / /
VOLUME /var/lib/buildkit
ENTRYPOINT ["/usr/bin/buildkitd"]
