
# TOOL: sources
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS TOOL-base
ARG GOPROXY
ARG TOOL_VERSION=v1.2.3
ENV CGO_ENABLED=0 \
    GOFLAGS=-trimpath
WORKDIR /go/src/TOOL
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update && apt-get install -y --no-install-recommends \
      ca-certificates \
      curl \
      git \
      make \
      pkg-config \
      libseccomp-dev

FROM TOOL-base AS TOOL-src
RUN git init . && git remote add origin "https://github.com/example/TOOL.git"
RUN git fetch -q --depth 1 origin "${TOOL_VERSION}" +refs/tags/*:refs/tags/* && \
    git checkout -q FETCH_HEAD
COPY hack/TOOL.patch /tmp/
RUN if [ -s /tmp/TOOL.patch ]; then \
      patch -p1 < /tmp/TOOL.patch; \
    fi

FROM TOOL-base AS TOOL-build
ARG TARGETOS
ARG TARGETARCH
ARG BUILDTAGS="netgo osusergo static_build"
RUN --mount=from=TOOL-src,src=/go/src/TOOL,rw,target=. \
    --mount=type=cache,target=/root/.cache/go-build,id=TOOL-build-$TARGETARCH \
    --mount=type=cache,target=/go/pkg/mod <<EOT
  set -e
  export GOOS=$TARGETOS GOARCH=$TARGETARCH
  case "$TARGETARCH" in
    arm) export GOARM=7 ;;
    amd64) export GOAMD64=v2 ;;
  esac
  go build -tags "$BUILDTAGS" -ldflags "-s -w -X main.version=${TOOL_VERSION}" -o /out/TOOL ./cmd/TOOL
  if [ "$(go env GOOS)" = linux ] && ! file /out/TOOL | grep -q "statically linked"; then
    echo "TOOL is not static" >&2
    exit 1
  fi
EOT

FROM TOOL-build AS TOOL-test
RUN --mount=from=TOOL-src,src=/go/src/TOOL,rw,target=. \
    go test ./... | tee /tmp/TOOL.log

FROM ${BASE} AS TOOL
LABEL org.opencontainers.image.title="TOOL" \
      org.opencontainers.image.version="${GO_VERSION}"
COPY --link --from=TOOL-build /out/ /usr/local/bin/
COPY conf/TOOL.toml /etc/TOOL/config.toml
RUN groupadd -r TOOL && useradd -r -g TOOL TOOL \
 && mkdir -p /var/lib/TOOL && chown TOOL:TOOL /var/lib/TOOL
USER TOOL
EXPOSE 8080/tcp
HEALTHCHECK --interval=30s CMD curl -f http://localhost:8080/healthz || exit 1
ENTRYPOINT ["/usr/local/bin/TOOL"]
CMD ["--config", "/etc/TOOL/config.toml"]
