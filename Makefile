# Headroom: the same commands by hand and in CI. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
# Recipes and scripts name what was built by its path: wherever else cargo is told to build, here it builds into target/.
export CARGO_TARGET_DIR := $(CURDIR)/target

# Every native step names the same packages, so that features stay equal and nothing is compiled twice. The frontend is
# for WebAssembly alone: the bundle tool builds it.
NATIVE := --workspace --exclude headroom-frontend
WASM   := --package headroom-frontend --target wasm32-unknown-unknown
STEP   := @scripts/step
BUNDLE := target/debug/headroom-bundle

.PHONY: run
run: build ## set up, build, and start a sample shop with its console (ARGS="--listen 127.0.0.1:4000")
	@exec target/debug/headroom demo $(ARGS)

.PHONY: test
test: setup-test ## everything CI checks: format, lints, docs, tests on real servers, browser tests
	$(STEP) "format"            cargo fmt --all --check
	$(STEP) "lints"             cargo clippy $(NATIVE) --all-targets -- -D warnings
	$(STEP) "lints, browser"    cargo clippy $(WASM) -- -D warnings
	$(STEP) "docs"              env RUSTDOCFLAGS="-D warnings" cargo doc $(NATIVE) --no-deps --quiet
	$(STEP) "build"             cargo build $(NATIVE) --all-targets
	$(STEP) "browser bundle"    $(BUNDLE)
	$(STEP) "tests"             cargo test $(NATIVE)
	$(STEP) "browser tests"     node end2end/run.mjs

.PHONY: dev
dev: build ## like run; rebuilds and restarts when a file changes
	@exec scripts/dev $(ARGS)

.PHONY: bench
bench: release ## cost of watching, cache against its peers: docs/benchmarks.md (ARGS="--quick")
	@scripts/setup --bench
	$(STEP) "examples"          cargo build --release --package headroom-engine --example history_speed --example index_advice --example pool
	$(STEP) "benchmarks"        node end2end/bench/run.mjs $(ARGS)

.PHONY: release
release: setup ## one file with everything inside: target/release/headroom
	$(STEP) "bundle tool"       cargo build $(NATIVE) --bins
	$(STEP) "browser bundle"    $(BUNDLE) --release
	$(STEP) "release binary"    cargo build --release --package headroom --features embed
	@ls -lh target/release/headroom | awk '{ print "  " $$9 "  " $$5 }'

.PHONY: build
build: setup ## debug build of server and browser bundle
	$(STEP) "build"             cargo build $(NATIVE) --bins
	$(STEP) "browser bundle"    $(BUNDLE)

.PHONY: setup
setup: ## check what the machine has and install what is missing
	@scripts/setup

.PHONY: setup-test
setup-test:
	@scripts/setup --test

.PHONY: clean
clean: ## remove what was built and fetched
	@cargo clean --quiet
	@rm -rf dist node_modules end2end/results

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
