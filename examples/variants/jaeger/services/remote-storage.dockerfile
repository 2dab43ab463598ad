COPY --if=!$debug remote-storage-linux-$TARGETARCH /go/bin/remote-storage-linux
COPY --if=$debug remote-storage-debug-linux-$TARGETARCH /go/bin/remote-storage-linux
EXPOSE --if=!$debug 16686/tcp
EXPOSE --if=$debug 12345/tcp 16686/tcp
ENTRYPOINT --if=!$debug ["/go/bin/remote-storage-linux"]
ENTRYPOINT --if=$debug ["/go/bin/dlv", "exec", "/go/bin/remote-storage-linux", "--headless", "--listen=:12345", "--api-version=2", "--accept-multiclient", "--log", "--"]
