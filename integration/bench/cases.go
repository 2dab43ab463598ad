package main

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/frontend/options"
	"slipway/internal/golden"
)

// benchCase is a set of Dockerfiles that are measured together. It is one row of the printed
// table.
type benchCase struct {
	name  string
	files []file // converted in order; reported times are averages per file
	// family and size identify one of several cases that differ only in size, so that bench can
	// print how the conversion time grows.
	family string
	size   int
	// skipFailures makes bench drop a file that does not build, or whose results differ, instead
	// of failing.
	skipFailures bool
}

// file is a Dockerfile with its platforms and frontend options.
type file struct {
	text      []byte
	options   *options.Options
	platforms []ocispecs.Platform
	images    *resolver
	included  map[string][]byte // files that the Dockerfile includes, by path
}

var sizes = []int{10, 100, 1000, 4000}

// chains contains functions that each generate a Dockerfile with n similar instructions or
// stages. They show how the conversion time grows with n.
var chains = []struct {
	name string
	make func(n int) string
}{
	{"RUN", func(n int) string { return "FROM alpine\n" + repeat(n, "RUN echo %d\n") }},
	{"chained stages", func(n int) string {
		return "FROM alpine AS s0\nRUN echo 0\n" + repeat(n-1, "FROM s%d AS s%[2]d\nRUN echo %[2]d\n")
	}},
	{"copied stages", func(n int) string {
		return repeat(n, "FROM alpine AS s%d\nRUN echo %[1]d > /f\n") + "FROM scratch\n" + repeat(n, "COPY --from=s%d /f /f%[1]d\n")
	}},
	{"ENV", func(n int) string { return "FROM alpine\n" + repeat(n, "ENV V%d=value%[1]d\n") }},
	{"ENV and RUN", func(n int) string { return "FROM alpine\n" + repeat(n/2, "ENV V%d=value%[1]d\nRUN echo $V%[1]d\n") }},
}

// repeat returns a text that consists of n formatted copies of a template. The arguments for
// the copy with index i are i and i+1. The first index is 0.
func repeat(n int, format string) string {
	var b strings.Builder
	for i := range n {
		s := fmt.Sprintf(format, i, i+1)
		s, _, _ = strings.Cut(s, "%!(EXTRA")
		b.WriteString(s)
	}
	return b.String()
}

func allCases() ([]*benchCase, error) {
	cases, err := corpusCases()
	if err != nil {
		return nil, err
	}
	images := newResolver(golden.DefaultImages())
	none, err := options.Parse(nil)
	if err != nil {
		return nil, err
	}
	amd64 := []ocispecs.Platform{{OS: "linux", Architecture: "amd64"}}
	for _, c := range chains {
		for _, n := range sizes {
			cases = append(cases, &benchCase{
				name: fmt.Sprintf("%d %s", n, c.name), family: c.name, size: n,
				files: []file{{text: []byte(c.make(n)), options: none, platforms: amd64, images: images}},
			})
		}
	}
	many, err := manyPlatforms()
	if err != nil {
		return nil, err
	}
	cases = append(cases, &benchCase{
		name:  "40 platforms",
		files: []file{{text: []byte(typical), options: none, platforms: many, images: images}},
	})
	return cases, nil
}

// limitSize is the maximum size in bytes of an ordinary Dockerfile in testdata. Larger
// Dockerfiles test size limits. They form a separate benchmark case, because they would
// dominate the result.
const limitSize = 64 << 10

// corpusCases returns all Dockerfiles in testdata as benchmark cases. The platform is
// linux/amd64 unless the test case sets another platform.
func corpusCases() ([]*benchCase, error) {
	root, err := golden.Root()
	if err != nil {
		return nil, err
	}
	cases, err := golden.Load(root)
	if err != nil {
		return nil, err
	}
	corpus := &benchCase{name: "corpus", skipFailures: true}
	limits := &benchCase{name: "corpus: large", skipFailures: true}
	for _, c := range cases {
		opts, err := options.Parse(c.Opts)
		text := c.Dockerfile()
		if err != nil || !isText(text) {
			continue
		}
		images, err := c.Images()
		if err != nil {
			return nil, err
		}
		f := file{text: text, options: opts, platforms: opts.Platforms, images: newResolver(images)}
		if len(f.platforms) == 0 {
			f.platforms = []ocispecs.Platform{{OS: "linux", Architecture: "amd64"}}
		}
		if len(text) < limitSize {
			corpus.files = append(corpus.files, f)
		} else {
			limits.files = append(limits.files, f)
		}
	}
	return []*benchCase{corpus, limits}, nil
}

// isText reports whether data is valid UTF-8 text. Other files are not measured, because
// upstream's scanner prints errors for them, which takes time.
func isText(data []byte) bool {
	return len(data) > 0 && utf8.Valid(data) && !bytes.ContainsRune(data, 0)
}

func manyPlatforms() ([]ocispecs.Platform, error) {
	var list []ocispecs.Platform
	for _, os := range []string{"linux", "freebsd"} {
		for _, arch := range strings.Fields("386 amd64 amd64/v2 amd64/v3 amd64/v4 arm/v5 arm/v6 arm/v7 arm64 loong64 " +
			"mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x sparc64 wasm") {
			p, err := platforms.Parse(os + "/" + arch)
			if err != nil {
				return nil, err
			}
			list = append(list, p)
		}
	}
	return list, nil
}

// typical is a realistic Dockerfile of 30 instructions.
const typical = `ARG GO_VERSION=1.26
FROM golang:${GO_VERSION} AS base
WORKDIR /src
ENV CGO_ENABLED=0 GOFLAGS=-trimpath
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .

FROM base AS build
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
RUN --mount=type=cache,target=/root/.cache/go-build \
    --mount=type=cache,target=/go/pkg/mod \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build \
      -ldflags "-X main.version=${VERSION}" \
      -o /out/app ./cmd/app

FROM base AS test
RUN --mount=type=cache,target=/root/.cache/go-build go test ./...

FROM node:22 AS assets
WORKDIR /web
COPY web/package.json web/package-lock.json ./
RUN npm ci
COPY web .
RUN npm run build

FROM debian:bookworm-slim
ARG VERSION
ENV APP_VERSION=${VERSION:-dev} APP_HOME=/srv/app
LABEL org.opencontainers.image.title="app" org.opencontainers.image.version="${VERSION}"
RUN apt-get update && apt-get install -y ca-certificates && rm -rf /var/lib/apt/lists/*
WORKDIR $APP_HOME
COPY --from=build --chmod=755 /out/app /usr/local/bin/app
COPY --from=assets /web/dist ./static
USER 1000:1000
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/app"]
CMD ["serve"]
`
