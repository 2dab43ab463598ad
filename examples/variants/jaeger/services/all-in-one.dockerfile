INCLUDE ../parts/collector-ports.dockerfile

# Web HTTP
EXPOSE 16686

# Delve
EXPOSE --if=$debug 12345

# Default configuration file for setting sampling strategies
ENV SAMPLING_STRATEGIES_FILE=/etc/jaeger/sampling_strategies.json

COPY --if=!$debug all-in-one-linux-$TARGETARCH /go/bin/all-in-one-linux
COPY --if=$debug all-in-one-debug-linux-$TARGETARCH /go/bin/all-in-one-linux
COPY sampling_strategies.json /etc/jaeger/

VOLUME ["/tmp"]
ENTRYPOINT --if=!$debug ["/go/bin/all-in-one-linux"]
ENTRYPOINT --if=$debug ["/go/bin/dlv", "exec", "/go/bin/all-in-one-linux", "--headless", "--listen=:12345", "--api-version=2", "--accept-multiclient", "--log", "--"]
