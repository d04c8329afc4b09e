# Started as the official image is: settings in REGISTRY_… variables, no arguments.
FROM scratch
ARG TARGETARCH
ADD ${TARGETARCH}.tar /
VOLUME /var/lib/registry
EXPOSE 5000
ENV OTEL_TRACES_EXPORTER=none
ENTRYPOINT ["/usr/bin/docker-registry"]
CMD ["serve", "/etc/docker/registry/config.yml"]
