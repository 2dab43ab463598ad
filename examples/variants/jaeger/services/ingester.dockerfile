COPY --if=!$debug ingester-linux-$TARGETARCH /go/bin/ingester-linux
COPY --if=$debug ingester-debug-linux-$TARGETARCH /go/bin/ingester-linux
EXPOSE --if=!$debug 14270/tcp 14271/tcp
EXPOSE --if=$debug 12345/tcp 14270/tcp 14271/tcp
ENTRYPOINT --if=!$debug ["/go/bin/ingester-linux"]
ENTRYPOINT --if=$debug ["/go/bin/dlv", "exec", "/go/bin/ingester-linux", "--headless", "--listen=:12345", "--api-version=2", "--accept-multiclient", "--log", "--"]
