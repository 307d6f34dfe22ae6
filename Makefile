# One-line targets; CI calls these. `make run` and `make test` install what they lack.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
REGION ?= local
GAME ?=
NODES ?= 1
GPUS ?= 2
TARGET := $(or $(CARGO_TARGET_DIR),target)
ARENACTL := $(TARGET)/release/arenactl
export CARGO_TERM_COLOR ?= auto
# Any folder: the software Vulkan driver of the tests complains where there is none.
export XDG_RUNTIME_DIR ?= /tmp

.PHONY: help run down lab lab-down check fmt lint doc deny test test-full bench bench-swarm bench-deploy deps-build deps-lab deps-test picture render

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: deps-build ## build, deploy to this machine, print the address (GAME=snakes: another game)
	cargo build --locked --release --workspace --exclude arena-tests --exclude arena-load --bins
	$(ARENACTL) deploy --region $(REGION) $(if $(GAME),--set game=$(GAME))

down: ## stop what `make run` started
	$(ARENACTL) down --region $(REGION) --yes

LAB := unix:///run/arena-lab/docker.sock
lab: deps-lab ## real Docker engines here (NODES=1..3, GPUS=…), our images in their registry
	cargo build --locked --workspace --bins --tests
	$(TARGET)/debug/arena-lab status 2>/dev/null || $(TARGET)/debug/arena-lab up --nodes $(NODES) --gpus $(GPUS)
	.ci/base-image plain $(LAB)
	.ci/base-image gpu $(LAB)
	$(TARGET)/debug/arenactl build --push --env lab --engine $(LAB)

lab-down: ## take away what `make lab` started
	$(TARGET)/debug/arena-lab down

check: fmt lint doc ## format, lints, documentation

fmt:
	cargo fmt --all --check

lint:
	cargo clippy --locked --workspace --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --document-private-items

deny: ## licences, bans and sources of every crate we build on
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny@0.20.2
	cargo deny check bans licenses sources

.PHONY: audit
audit: deny ## known vulnerabilities of those crates, where the database is reachable
	if cargo deny fetch db; then cargo deny check advisories; \
	else echo 'rustsec/advisory-db is not reachable: advisories were NOT checked' >&2; fi

# Bins and tests in one build: apart they would resolve other features and build every dependency twice.
# A failed test says why; where in which library is for who looks closer.
test: export RUST_LIB_BACKTRACE ?= 0
test: deps-test ## every test that fits 25 minutes on 2 cores
	cargo build --locked --workspace --bins --tests
	cargo test --locked --workspace --bins --tests

test-full: deps-test deny ## everything
	cargo build --locked --workspace --bins --tests
	ARENA_TEST_FULL=1 cargo test --locked --workspace --bins --tests

# One selection for both commands: another would resolve other features and build everything again.
BENCHES := --bench sim --bench gpu --bench mesh --bench cli --bench gateway --bench migration --bench failover
bench: deps-sim ## figures to target/bench/*.json
	cargo build --locked --release --workspace --bins $(BENCHES)
	cargo bench --locked --workspace $(BENCHES)

bench-deploy: deps-build ## a deploy under load against naive ways, to target/bench/deploy.json and docs/ (ARENA_BENCH_PLAYERS=… and others)
	cargo build --locked --release --workspace --bins --bench deploy
	cargo bench --locked --workspace --bench deploy
	cp $(TARGET)/bench/deploy.md docs/bench-deploy.md
	cp $(TARGET)/bench/deploy.svg docs/bench-deploy.svg

.PHONY: bench-deploy-lab
bench-deploy-lab: deps-lab ## the same on a Docker Swarm of three nodes here, our way alone
	cargo build --locked --release --workspace --bins --bench deploy
	ARENA_BENCH_LAB=1 cargo bench --locked --workspace --bench deploy
	cp $(TARGET)/bench/deploy-lab.md docs/bench-deploy-lab.md
	cp $(TARGET)/bench/deploy-lab.svg docs/bench-deploy-lab.svg

SEED ?= 1
N ?= 10
JOBS ?= 1
.PHONY: chaos deps-chaos
chaos: deps-chaos ## N rollouts under load while things break, from SEED on, JOBS at once; the page goes to target/chaos.md
	cargo build --locked --release --workspace --bins
	SEED=$(SEED) N=$(N) JOBS=$(JOBS) REPORT=$(TARGET)/chaos.md $(TARGET)/release/arena-chaos

bench-swarm: deps-lab ## deploys to Docker Swarm against docker stack deploy, to target/bench/swarm.json
	cargo build --locked --release --workspace --bins --bench swarm
	cargo bench --locked --workspace --bench swarm

.PHONY: sim deps-sim
sim: deps-sim ## every backend of the simulation against the others, golden courses, mutants of the kernel
	cargo run --locked -p arena-sim-gpu --features testing --example sim

FUZZ_S ?= 600
.PHONY: fuzz
fuzz: deps-build ## each fuzz target for FUZZ_S seconds; needs a nightly toolchain
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	@.ci/install g++
	cargo run --manifest-path fuzz/Cargo.toml --release --bin corpus
	for target in replay_reader replay_verify snapshot_import; do \
	cargo +nightly fuzz run $$target -- -max_total_time=$(FUZZ_S) -max_len=16384 -print_final_stats=1; done

picture: deps-test ## refresh docs/deploy.png: a real deploy on a real terminal
	cargo build --locked --workspace --bins --tests
	cargo test --locked --workspace --tests -- cluster::picture
	cp $(TARGET)/tmp/screenshots/deploy.png docs/deploy.png

render: ## refresh stacks/ and nomad/ from arena.yaml
	cargo run --locked -q --bin arenactl -- render --out .

deps-build:
	@.ci/install gcc make ca-certificates

deps-lab: deps-build
	@command -v dockerd >/dev/null || .ci/install docker.io
	@.ci/install docker-registry iproute2 iptables mmdebstrap debian-archive-keyring binutils util-linux

# A Vulkan driver that computes on the CPU.
deps-sim: deps-build
	@.ci/install mesa-vulkan-drivers libvulkan1

deps-chaos: deps-build
	@.ci/install iproute2 iptables util-linux faketime sqlite3

deps-test: deps-lab deps-sim deps-chaos
	@.ci/install chromium procps zstd
	@.ci/hadolint --version >/dev/null
