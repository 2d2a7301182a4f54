# Everything that a person or CI does with this repository. `make` alone lists the targets.

.DEFAULT_GOAL := help

VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),dev)

# Settings of single targets, e.g. `make fuzz FUZZTIME=5m`, `make bench BENCH=Decode BENCHCOUNT=10`.
FUZZTIME ?= 30s
BENCH ?= .
BENCHCOUNT ?= 1
# The history of BenchmarkViews in millions of versions, and the sizes of BenchmarkSyncMemory in thousands of records. The
# promises are about 10 and 10,1000,5000, which take half an hour: make bench BENCH='Views|SyncMemory' MILLIONS=10 THOUSANDS=…
MILLIONS ?= 1
THOUSANDS ?= 10,300
TESTFLAGS ?=

# The seed of `make sim` (a new one each time unless stated), its size in millions of requests, and the kills of `make crash`.
SEED ?= $(shell date +%s)
SCALE ?= 30
KILLS ?= 1000

# The embedded ClickHouse. The digest is ours, taken over the package as npm delivered it: a package that changed
# under the same version is refused. The folder is what os.UserCacheDir returns on Linux, where tieout looks first.
LIBCHDB_VERSION := 26.7.3-stable.1
LIBCHDB_SHA512 := XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==
LIBCHDB_DIR := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tieout/libchdb-$(LIBCHDB_VERSION)

# The tools are built from source by `go install`, in a folder that git ignores; a stamp carries their version.
GOLANGCI_LINT_VERSION := v2.15.0
GOFUMPT_VERSION := v0.12.0
GOLANGCI_LINT_STAMP := .tools/golangci-lint-$(GOLANGCI_LINT_VERSION).stamp
GOFUMPT_STAMP := .tools/gofumpt-$(GOFUMPT_VERSION).stamp

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## Build bin/tieout: static, stripped, with its version.
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/tieout ./cmd/tieout

.PHONY: demo
demo: build libchdb ## Run the whole job against simulated partners on the embedded ClickHouse.
	bin/tieout demo

.PHONY: libchdb
libchdb: ## Fetch the embedded ClickHouse into the user's cache, once (TIEOUT_LIBCHDB overrides).
	@set -eu; \
	if [ -n "$${TIEOUT_LIBCHDB:-}" ]; then \
		[ -f "$$TIEOUT_LIBCHDB" ] || { echo "libchdb: TIEOUT_LIBCHDB names no file: $$TIEOUT_LIBCHDB" >&2; exit 1; }; \
		exit 0; \
	fi; \
	dir="$(LIBCHDB_DIR)"; \
	[ ! -f "$$dir/libchdb.so" ] || exit 0; \
	if [ "$$(uname -sm)" != "Linux x86_64" ]; then \
		echo "libchdb: no build of the embedded ClickHouse is pinned for $$(uname -sm)." >&2; \
		echo "Set TIEOUT_LIBCHDB to a libchdb of your own, or point TIEOUT_CLICKHOUSE_DSN at a server." >&2; \
		exit 1; \
	fi; \
	command -v npm >/dev/null || { echo "libchdb: npm is needed to fetch the embedded ClickHouse" >&2; exit 1; }; \
	echo "libchdb: fetching the ClickHouse engine $(LIBCHDB_VERSION) (178 MB packed, 566 MB unpacked), once."; \
	echo "libchdb: tests and the demo run on it inside their own process, so they need no server."; \
	mkdir -p "$${dir%/*}"; \
	find "$${dir%/*}" -maxdepth 1 -name '*.fetch.??????' -mmin +60 -exec rm -rf {} +; \
	tmp=$$(mktemp -d "$$dir.fetch.XXXXXX"); \
	trap 'rm -rf "$$tmp"' EXIT; trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM; \
	(cd "$$tmp" && npm pack --loglevel=error "@chdb/lib-linux-x64-gnu@$(LIBCHDB_VERSION)" >/dev/null); \
	digest=$$(node -p 'require("crypto").createHash("sha512").update(fs.readFileSync(process.argv[1])).digest("base64")' "$$tmp"/*.tgz); \
	if [ "$$digest" != "$(LIBCHDB_SHA512)" ]; then \
		echo "libchdb: the package is not the pinned one: its sha512 is $$digest" >&2; \
		exit 1; \
	fi; \
	tar -xzf "$$tmp"/*.tgz -C "$$tmp" package/libchdb.so; \
	mkdir -p "$$dir"; \
	mv -f "$$tmp/package/libchdb.so" "$$dir/libchdb.so"; \
	echo "libchdb: $$dir/libchdb.so"

.PHONY: docs
docs: ## Write again what is generated: a table in README.md, the JSON Schema of definitions.
	go test ./cmd/tieout -run TestReadmeConfiguration -update
	go test ./extract -run TestDefinitionSchema -update-schema

.PHONY: libchdb-path
libchdb-path: ## Print where the embedded ClickHouse lies.
	@echo "$${TIEOUT_LIBCHDB:-$(LIBCHDB_DIR)/libchdb.so}"

# With TIEOUT_TEST_REQUIRE_ENGINE a test that finds no engine fails instead of being skipped.
test bench cover sim crash test-server: export TIEOUT_TEST_REQUIRE_ENGINE := 1

# The tests of cmd run the program as processes, which the race detector makes several times as slow.
.PHONY: test
test: libchdb ## Run all tests, the ones on the embedded ClickHouse included.
	go test -race -shuffle=on -timeout 15m $(TESTFLAGS) $$(go list ./... | grep -v /cmd/)
	go test -shuffle=on -timeout 15m $(TESTFLAGS) ./cmd/...

# Tests whose name contains Server use the server behind TIEOUT_TEST_CLICKHOUSE_DSN, each in a database of its own.
# One package at a time, as they share that server. The packages are named by import path, which need not exist.
SERVER_PACKAGES := $(addprefix tieout/,$(addsuffix /...,schema load checkpoints sync reconcile))

.PHONY: test-server
test-server: libchdb ## Run the tests that want a server, against TIEOUT_TEST_CLICKHOUSE_DSN.
	@[ -n "$${TIEOUT_TEST_CLICKHOUSE_DSN:-}" ] || { echo "test-server: set TIEOUT_TEST_CLICKHOUSE_DSN" >&2; exit 2; }
	go test -race -shuffle=on -timeout 15m -p 1 -run Server $(TESTFLAGS) $(SERVER_PACKAGES)
	go test -shuffle=on -timeout 15m -run Server $(TESTFLAGS) ./cmd/...

.PHONY: sim
sim: libchdb ## Run the simulations at size SCALE: virtual time, seed SEED, which is printed.
	@echo "sim: SEED=$(SEED) SCALE=$(SCALE)"
	TIEOUT_TEST_SIM_SEED=$(SEED) TIEOUT_TEST_SIM_SCALE=$(SCALE) go test -v -count=1 -timeout 120m -run '^TestSim' ./extract/... ./load/... ./sync/... ./cmd/...

.PHONY: crash
crash: libchdb ## Kill the program KILLS times with SIGKILL, in the middle of things.
	TIEOUT_TEST_KILLS=$(KILLS) go test -v -count=1 -timeout 180m -parallel 4 -run '^TestKilled' ./cmd/...

.PHONY: fuzz
fuzz: ## Run every fuzz test for FUZZTIME each.
	@set -eu; \
	found=$$(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*\(' . | sed -E 's/^(.*)\/[^/]*:func (Fuzz.*)\($$/\1 \2/' | sort); \
	[ -n "$$found" ] || { echo "fuzz: there is no fuzz test" >&2; exit 1; }; \
	echo "$$found" | while read -r package name; do \
		echo "== $$package $$name"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s "$$package" </dev/null || exit 1; \
	done

.PHONY: bench
bench: libchdb ## Run the benchmarks that match BENCH, BENCHCOUNT times each; MILLIONS of versions, THOUSANDS of records.
	TIEOUT_TEST_BENCH_MILLIONS=$(MILLIONS) TIEOUT_TEST_BENCH_THOUSANDS=$(THOUSANDS) go test -p 1 -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) -timeout 60m ./...

.PHONY: cover
cover: libchdb ## Measure which lines the tests run: coverage.out, and the total.
	go test -covermode=atomic -coverpkg=./... -coverprofile=coverage.out -timeout 15m ./...
	@go tool cover -func=coverage.out | tail -n 1

.PHONY: lint
lint: $(GOLANGCI_LINT_STAMP) ## Run the linters of .golangci.yml.
	.tools/golangci-lint run ./...

.PHONY: verify
verify: $(GOFUMPT_STAMP) ## Check the formatting, go.mod, and that other platforms compile.
	@unformatted=$$(.tools/gofumpt -l .) && { [ -z "$$unformatted" ] || { echo "gofumpt would change:"; echo "$$unformatted"; exit 1; }; }
	go mod tidy -diff
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build -o /dev/null ./...
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 go vet ./...

.PHONY: tools
tools: $(GOLANGCI_LINT_STAMP) $(GOFUMPT_STAMP) ## Build the linter and the formatter into .tools.

$(GOLANGCI_LINT_STAMP):
	@echo "tools: building golangci-lint $(GOLANGCI_LINT_VERSION); this takes some minutes, once"
	@rm -f .tools/golangci-lint-*.stamp
	GOBIN="$(CURDIR)/.tools" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@touch $@

$(GOFUMPT_STAMP):
	@rm -f .tools/gofumpt-*.stamp
	GOBIN="$(CURDIR)/.tools" go install mvdan.cc/gofumpt@$(GOFUMPT_VERSION)
	@touch $@

.PHONY: clean
clean: ## Remove what was built or measured here; the fetched engine and the tools stay.
	rm -rf bin coverage.out
