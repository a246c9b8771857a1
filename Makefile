# Two commands matter: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test soak fmt lint bench miri fuzz dudect aarch64 docs setup setup-test

# One target folder for all checkouts saves minutes; in CI it lives in a cache folder.
ifeq ($(CI),true)
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/allonym/target
endif
export CARGO_TARGET_DIR ?= $(CURDIR)/target
export ALLONYM_TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/allonym/tools

help: ## lists the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'

demo: ## builds, then runs the main job end to end and stays up (ONCE=1 exits)
	@deploy/setup.sh build
	@echo "building (once; about five minutes from nothing on two cores)"
	@cargo build --profile demo --locked --bin allonym --bin customers-api --bin make-customers --bin demo
	@"$(CARGO_TARGET_DIR)/demo/demo" $(if $(ONCE),--once)

test: ## installs what it lacks and runs every test
	@deploy/setup.sh test
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@deploy/deny.sh
	cargo build --workspace --bins --locked
	cargo test --workspace --locked

soak: ## the long runs: 50 kills under load, 100 of the token store
	@deploy/setup.sh test
	ALLONYM_SOAK=1 cargo test --locked -p allonym-tests -- --nocapture
	ALLONYM_SOAK=1 cargo test --locked -p allonym-tokens what_was_told_survives_kills -- --nocapture

fmt: ## formats
	cargo fmt --all

lint: ## clippy and dependency rules
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@deploy/deny.sh

bench: ## runs every comparison and writes benches/RESULTS.md and target/bench/summary.json
	@deploy/setup.sh bench
	cargo build --release --locked -p allonym -p allonym-benches
	"$(CARGO_TARGET_DIR)/release/allonym-benches"

miri: ## the portable FF1 engine under Miri, on a few cases; installs Miri if it is missing
	cargo +nightly miri --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal --component miri --component rust-src
	MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --locked -p allonym-ff1 --lib --test it -- --skip simd --skip wycheproof --skip batches:: --skip differential --skip small_domains

# No decoder takes room for what is only declared, so that little memory is enough.
fuzz: ## fuzzes both legs of the PostgreSQL codec; SECONDS=60 each; needs nightly
	cargo +nightly --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal
	export PATH="$$PATH:$(ALLONYM_TOOLS)/bin"; \
	cargo fuzz --version >/dev/null 2>&1 || cargo install --quiet --locked cargo-fuzz --version 0.13.2 --root "$(ALLONYM_TOOLS)"; \
	cd connectors/postgres/fuzz && cp ../../../Cargo.lock . && ./seeds.sh && \
	for target in client server scram login; do \
	  cargo +nightly fuzz run $$target -- -dict=postgres.dict -max_total_time=$(or $(SECONDS),60) \
	    -max_len=4096 -timeout=10 -rss_limit_mb=512 -malloc_limit_mb=16 -print_final_stats=1 || exit 1; \
	done

dudect: ## does the time of FF1 depend on the value? prints t for every engine; no gate
	cargo run --release --locked -p allonym-ff1 --example dudect

aarch64: ## the FF1 tests on AArch64, under emulation; needs qemu-aarch64-static and aarch64-linux-gnu-gcc
	rustup target add aarch64-unknown-linux-gnu
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -L /usr/aarch64-linux-gnu" \
	cargo test --target aarch64-unknown-linux-gnu --locked -p allonym-ff1

docs: ## the API documentation
	cargo doc --workspace --no-deps --locked
