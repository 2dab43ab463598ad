COPY --if=!$debug query-linux-$TARGETARCH /go/bin/query-linux
COPY --if=$debug query-debug-linux-$TARGETARCH /go/bin/query-linux
EXPOSE --if=!$debug 16686/tcp
EXPOSE --if=$debug 12345/tcp 16686/tcp
ENTRYPOINT --if=!$debug ["/go/bin/query-linux"]
ENTRYPOINT --if=$debug ["/go/bin/dlv", "exec", "/go/bin/query-linux", "--headless", "--listen=:12345", "--api-version=2", "--accept-multiclient", "--log", "--"]
