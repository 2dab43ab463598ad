# `make` lists the targets. Nothing has to be installed by hand but Go, make and
# git: tools are built from pinned modules into bin/tools, and what the real
# builder needs of the distribution is installed by the programs that start it
# (as root, with apt-get).

REGISTRY ?= localhost:5000
# Of make push: the image (frontend or slipway), tags instead of those of the version, the private
# key that signs it, whether the tag of the complete version may be replaced, and some platforms
# instead of all, such as linux/amd64,linux/arm/v7.
IMAGE ?= frontend
TAGS ?=
KEY ?=
REPLACE ?=
IMAGE_PLATFORMS ?=
# Flags of the conformance run: see go doc ./integration/conformance.
CONFORMANCE ?=
# Of each target. A long run of the comparison with upstream, on its own:
# make fuzz FUZZDIRS=integration/differential FUZZTIME=10m
FUZZTIME ?= 4s
# How often an input is made smaller: of programs whose coverage varies from run
# to run, Go minimizes without end.
FUZZMIN ?= 50x
BENCH ?=
# Of make release: the version; some targets instead of all, such as linux/amd64,darwin/arm64; and
# the URL from which the archives can be downloaded, for the Homebrew formula.
VERSION ?=
TARGETS ?=
RELEASE_URL ?=
# Of demo: how RUN steps run.
RUNNER ?= auto
MUTANTS ?=
# Flags of go test. make lint runs all of vet. Linking a test program is shorter
# without debug information.
TESTFLAGS = -vet=off -ldflags=-w
# Packages whose code or tests start goroutines, for `make race`. TestRaceDirs (internal/arch)
# checks the list.
RACEDIRS = builder builder/explain builder/remote builder/server builder/state cmd/dockerfile-frontend cmd/slipway frontend frontend/inputs ignore internal/corpus internal/decompress internal/golden internal/inorder internal/singleflight lsp plan solver solver/diskcache solver/export solver/gateway solver/gateway/bridge solver/hostmount solver/images solver/llbsource solver/provenance solver/registry solver/remotecache solver/runner/chroot solver/runner/inprocess solver/runner/interp solver/runner/namespace solver/runner/script solver/runner/socket solver/sshagent solver/tree
# Flags of go test in make race: -short skips tests that mostly wait for other programs, which
# the race detector does not see.
RACEFLAGS ?=
# Folders whose fuzz targets `make fuzz` runs; each must have one.
FUZZDIRS ?= lint parser dialect instructions shell plan format lsp frontend ignore gitref diag source internal/controls internal/suggest integration/differential solver
# Of differential-builds: how many builds, and of which seed. ARGS="-only 17" does one;
# realimages and probes have ARGS, too.
N ?= 5000
SEED ?= 1
ARGS ?=
# Packages whose tests start programs, a builder among them.
INTEGRATION = ./integration/contained ./integration/registries ./integration/cachekeys ./integration/rig ./integration/demo ./integration/daemon ./integration/clients ./integration/faults ./integration/buildfaults ./integration/builds
# Builders wait for the disk most of the time. Their files are in memory if enough is free, unless
# TMPDIR is set.
IN_MEMORY = $(if $(TMPDIR),,$(shell [ "$$(df --output=avail -BG /dev/shm 2>/dev/null | tr -dc 0-9)" -ge 8 ] 2>/dev/null && echo TMPDIR=/dev/shm))
# Tests that build and start old builders.
OLD = ^(TestBuildKit2023|TestEngine20)$$
# Test that builds Docker Compose.
COMPOSE = ^TestCompose$$

# The version of Go in go.mod compiles releases and images, on every machine.
RELEASEGO = GOTOOLCHAIN=go$$(awk '/^go / { print $$2 }' go.mod)

# What the programs compile for, besides this machine.
PLATFORMS = linux/arm,linux/arm64,darwin/arm64,windows/amd64

.DEFAULT_GOAL := help
.PHONY: help build fast test race fuzz golden lint fmt image size push release upstream packages integration old-builders compose differential-builds kills containers runners editors realimages kaniko probes parity mutants conformance conformance-solver demo demo-buildkit manual manual-test bench bench-gateway bench-build bench-lint bench-lsp check

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## compile the frontend into bin/
	CGO_ENABLED=0 go build -tags grpcnotrace -trimpath -buildvcs=false -ldflags "-s -w" -o bin/ ./cmd/...

# Linking the test programs takes most of the time. Packages in integration/ are left out,
# because most of their tests link all of BuildKit: make test runs them.
fast: ## quick tests of the product: go test -short, without vet and debug information
	go test -short $(TESTFLAGS) $$(go list ./... | grep -v /integration/)

test: ## all tests: unit and golden, parity, real builder (root, Linux)
	# make parity compares the corpus, too.
	go test $(TESTFLAGS) -skip '^TestParity$$' ./...
	$(MAKE) --no-print-directory parity
	$(MAKE) --no-print-directory integration

race: ## unit tests and promises under the race detector (needs gcc; root gets it from apt)
	@command -v gcc >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev; }
	# These take minutes here: TestBounds bounds the work of one goroutine, TestCorpus and
	# TestUnique compare recorded results, TestOrdinaryUser runs other tests again, and all
	# fuzz targets but that of lsp use one goroutine.
	CGO_ENABLED=1 go test -race $(TESTFLAGS) $(RACEFLAGS) -timeout 20m -skip '^(TestBounds|TestCorpus|TestUnique|TestOrdinaryUser)$$|^Fuzz' $(addprefix ./,$(RACEDIRS))
	# The skipped tests start a program that is compiled without the race detector.
	CGO_ENABLED=1 go test -race $(TESTFLAGS) -timeout 20m -skip '^(TestNoTrace|TestUnreadable|TestReproducible)$$' ./integration/promises

# The compiler counts the coverage of our packages only. go test -fuzz would compile every
# dependency again to count its coverage, too, and would link a program for each target.
# Go 1.26 may call the end of FUZZTIME a failure (go.dev/issue/75804, fixed
# in 1.27). A target that failed like that, without an input, runs again.
fuzz: ## run every fuzz target of FUZZDIRS for FUZZTIME each
	@set -eu; for dir in $(FUZZDIRS); do \
		packages=$$(grep -rlE --include='*_test.go' '^func Fuzz' $$dir | xargs -r -n 1 dirname | sort -u); \
		[ -n "$$packages" ] || { echo "make fuzz: no fuzz target in $$dir" >&2; exit 1; }; \
		for package in $$packages; do \
			program=$(CURDIR)/bin/fuzz/$$package.test; \
			go test -c -ldflags=-w -gcflags=slipway/...=-d=libfuzzer -o $$program ./$$package; \
			targets=$$(cd $$package && $$program -test.list '^Fuzz'); \
			for target in $$targets; do \
				set -- $$program -test.run '^$$' -test.fuzz "^$$target$$" -test.fuzztime $(FUZZTIME) \
					-test.fuzzminimizetime $(FUZZMIN) -test.fuzzcachedir "$$(go env GOCACHE)/fuzz/slipway/$$package"; \
				echo "$$package: $$target"; \
				out=$$(cd $$package && "$$@" 2>&1) && failed= || failed=1; \
				echo "$$out"; \
				case $$failed$$out in \
					1*"Failing input written"*) exit 1 ;; \
					1*"    context deadline exceeded"*) (cd $$package && "$$@") ;; \
					1*) exit 1 ;; \
				esac; \
			done; \
		done; \
	done

golden: ## rewrite the expected results of tests; review the diff
	UPDATE=1 go test ./...

lint: ## run vet and the linters of .golangci.yml, and type-check for other PLATFORMS
	go run ./integration/tools golangci-lint
	bin/tools/golangci-lint run --allow-parallel-runners ./...
	go run ./integration/crosscheck $(PLATFORMS) ./cmd/... ./builder/... ./solver/... ./lsp

fmt: ## format the Go files
	go run ./integration/tools golangci-lint
	bin/tools/golangci-lint fmt ./...

image: ## write the frontend image to bin/dockerfile-frontend.tar, an OCI archive
	@$(RELEASEGO) go run ./integration/mkimage -o bin/dockerfile-frontend.tar

size: ## print how large the image is, and of what
	go run ./integration/mkimage -size

push: ## push REGISTRY/slipway/dockerfile for all platforms, or IMAGE=slipway (VERSION, TAGS, KEY, REPLACE=1)
	@$(RELEASEGO) go run ./integration/mkimage -image '$(IMAGE)' -push '$(REGISTRY)/slipway/$(if $(filter frontend,$(IMAGE)),dockerfile,$(IMAGE))' \
		-version '$(VERSION)' -tags '$(TAGS)' -key '$(KEY)' $(if $(REPLACE),-replace) $(if $(IMAGE_PLATFORMS),-platforms '$(IMAGE_PLATFORMS)')

release: ## write dist/VERSION: archives, packages, SBOMs, checksums (VERSION=1.2.3; TARGETS, RELEASE_URL)
	@$(RELEASEGO) go run ./integration/release -version '$(VERSION)' -targets '$(TARGETS)' -url '$(RELEASE_URL)'

upstream: ## move to BuildKit VERSION=v0.35.0: modules, recorded results; print the differences (CONFORMANCE=1: root, long)
	go run ./integration/upstream -version '$(VERSION)' $(if $(CONFORMANCE),-conformance)

packages: ## test packages of a release and the image of slipway: install, use and remove one; compiles nfpm (root, Debian)
	go test -tags integration $(TESTFLAGS) -count=1 -run '^(TestPackages|TestCommandImage)$$' ./integration/release ./integration/mkimage

integration: ## compare our image with upstream's on a real builder (root, Linux)
	$(IN_MEMORY) go test -tags integration $(TESTFLAGS) -count=1 -timeout 40m -skip '$(OLD)|$(COMPOSE)' $(INTEGRATION)
	@command -v crun >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends crun; }
	go test -tags integration $(TESTFLAGS) -count=1 -run '^(TestRuntimes|TestTwoUsers)$$' ./solver/runner/namespace ./builder/server
	$(MAKE) --no-print-directory probes

old-builders: ## compare our image with upstream's on BuildKit of 2023 and Docker Engine 20.10 (root, Linux)
	go test -tags integration $(TESTFLAGS) -count=1 -timeout 40m -run '$(OLD)' ./integration/daemon

compose: ## build with docker compose on buildkitd and on slipway serve; compiles Compose (root, Linux)
	go test -tags integration $(TESTFLAGS) -count=1 -timeout 40m -run '$(COMPOSE)' ./integration/clients

differential-builds: ## compare N builds of seed SEED with BuildKit's (root, Linux)
	go test -tags integration -count=1 -timeout 24h -run TestBuilds ./integration/builds -args -seed $(SEED) -n $(N) $(ARGS)

kills: ## kill N builds (also with chroot), N commands that change the store, N servers, at times of seed SEED (root, Linux)
	go test -tags integration -count=1 -timeout 4h -v -run '^(TestKill(Store|Server|Chroot)?|TestDestructiveSteps|TestFullChroot)$$' ./integration/buildfaults -seed $(SEED) -kills $(N) -chroot-kills $(N) -chroot-all -store-kills $(N) -server-kills $(N)

containers: ## build in containers of Docker, podman and runc, as CI systems start them; check examples/ci (root, Debian; UPDATE=1 writes the table)
	go test -tags integration $(TESTFLAGS) -count=1 -timeout 1h -v -run '^(TestContainers|TestConnector|TestExamples|TestSchemas)$$' ./integration/containers

runners: ## compare the cases with RUN, and a base of 200,000 files, on each way of running steps with BuildKit (root; UPDATE=1 writes the table)
	go test -tags integration $(TESTFLAGS) -count=1 -timeout 2h -v -run '^(TestRunners|TestLargeBase)$$' ./integration/daemon -all-runners -large-files 200000

editors: ## test slipway lsp with neovim and node, slipway lint with ShellCheck and pre-commit (root gets them from apt)
	go test -tags integration $(TESTFLAGS) -count=1 ./integration/editors

realimages: ## compare ordinary builds on Debian with BuildKit's (root, Debian, network; ARGS='-only go' does one)
	go test -tags integration -count=1 -timeout 2h -v -run TestBuilds ./integration/realimages $(ARGS)

kaniko: ## compare slipway kaniko with BuildKit by the Dockerfiles of kaniko's own tests (root, Debian, network)
	go test -tags integration $(TESTFLAGS) -count=1 -timeout 1h -v -run '^TestKaniko$$' ./integration/clients -kaniko $(ARGS)

probes: ## try in steps what they must not do, with each runner and BuildKit (root, Linux, amd64; ARGS=-v)
	@command -v gcc >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev; }
	go run ./integration/probes $(ARGS)

parity: ## compare our conversion with upstream's, without a builder
	go run ./integration/parity

mutants: ## change single lines of the product and check that tests of their packages notice (MUTANTS='-run REGEXP')
	go run ./integration/mutants $(MUTANTS)

conformance: ## compare images by BuildKit's own Dockerfile tests; CONFORMANCE="-worker oci -run X" runs some
	$(IN_MEMORY) go run ./integration/conformance $(CONFORMANCE)

conformance-solver: ## compare slipway serve with buildkitd by BuildKit's own tests; CONFORMANCE="-suites client -run X" runs some
	$(IN_MEMORY) go run ./integration/conformance -solver $(CONFORMANCE)

demo: ## build examples/hello in this process; needs only Go, no root
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -o bin/ ./cmd/slipway
	CGO_ENABLED=0 go -C examples/toolbox build -trimpath -buildvcs=false -ldflags "-s -w" -o ../../bin/toolbox .
	bin/toolbox -install bin/base
	bin/slipway build --runner $(RUNNER) --build-context busybox=bin/base -t hello -o type=oci,dest=bin/hello.tar -o bin/hello examples/hello
	cat bin/hello/hello/greeting bin/hello/hello/machine

demo-buildkit: ## build examples/hello with our frontend on a real BuildKit (root, Linux)
	go run ./integration/demo

manual: ## make the site of the manual in bin/manual (root gets node and npm from apt)
	@command -v npm >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm; }
	go run ./integration/manual

manual-test: manual ## test the site in Chromium: links, search, widths, requests, equal bytes (root gets it from apt)
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }
	go run ./integration/manual -o bin/manual-again
	diff -r bin/manual bin/manual-again
	SITE=$(CURDIR)/bin/manual CHROMIUM=$$(command -v chromium) node --test --test-reporter=spec bin/manual-work/browser.test.mjs

bench-gateway: ## time a build with nothing to do, with our image, upstream's and an empty one (root, Linux)
	go run ./integration/latency

bench: ## compare our speed and memory with upstream's (BENCH='-run REGEXP -count N')
	go run ./integration/bench $(BENCH)

bench-build: ## time slipway build beside buildkitd and buildah (root, Linux; BENCH='-run REGEXP -runs N -dir DIR')
	go run ./integration/buildbench $(BENCH)

bench-lint: ## time slipway lint: the corpus in one process, and files of several lengths
	go test -run '^$$' -bench 'BenchmarkCorpus|BenchmarkLength' -benchtime 10x ./lint/rules

bench-lsp: ## time slipway lsp: findings, completion, hover, and memory, with a file of 650 lines (BENCH_DOCKERFILE=FILE for another)
	go test -run '^$$' -bench . -benchtime 20x ./lsp

check: lint manual-test conformance conformance-solver test race fuzz ## everything that CI runs, all of conformance and fuzzing
