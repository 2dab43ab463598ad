COPY --if=!$debug collector-linux-$TARGETARCH /go/bin/collector-linux
COPY --if=$debug collector-debug-linux-$TARGETARCH /go/bin/collector-linux
INCLUDE ../parts/collector-ports.dockerfile
# Delve
EXPOSE --if=$debug 12345
ENTRYPOINT --if=!$debug ["/go/bin/collector-linux"]
ENTRYPOINT --if=$debug ["/go/bin/dlv", "exec", "/go/bin/collector-linux", "--headless", "--listen=:12345", "--api-version=2", "--accept-multiclient", "--log", "--"]
