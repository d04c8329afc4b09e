# Started as the official image is: settings in REGISTRY_… variables, no arguments.
FROM scratch
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=tool / /
COPY <<END /etc/distribution/config.yml
version: 0.1
log: {level: debug}
storage:
  delete: {enabled: true}
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: /var/lib/registry}
  tag: {concurrencylimit: 5}
http:
  addr: ":5000"
  debug: {addr: ":5001", prometheus: {enabled: true, path: /metrics}}
health:
  storagedriver: {enabled: true, interval: 10s, threshold: 3}
END
VOLUME /var/lib/registry
EXPOSE 5000
ENV OTEL_TRACES_EXPORTER=none PATH=/bin
ENTRYPOINT ["registry"]
CMD ["serve", "/etc/distribution/config.yml"]
