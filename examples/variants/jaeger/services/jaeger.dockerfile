ENV JAEGER_LISTEN_HOST=0.0.0.0

# Sampling config HTTP
EXPOSE 5778

# Sampling config gRPC
EXPOSE 5779

INCLUDE ../parts/collector-ports.dockerfile

# Web HTTP
EXPOSE 16686

# Delve
EXPOSE --if=$debug 12345

# Health Check gRPC
EXPOSE 13132

# Health Check HTTP
EXPOSE 13133

COPY --if=!$debug jaeger-linux-$TARGETARCH /cmd/jaeger/jaeger-linux
COPY --if=$debug jaeger-debug-linux-$TARGETARCH /cmd/jaeger/jaeger-linux
COPY sampling-strategies.json /cmd/jaeger/sampling-strategies.json

VOLUME ["/tmp"]
ENTRYPOINT --if=!$debug ["/cmd/jaeger/jaeger-linux"]
ENTRYPOINT --if=$debug ["/go/bin/dlv", "exec", "/cmd/jaeger/jaeger-linux", "--headless", "--listen=:12345", "--api-version=2", "--accept-multiclient", "--log", "--"]
