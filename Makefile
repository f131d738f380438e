# What people and CI run. `make` alone lists the targets; whatever is longer than a line is a script in scripts/.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The parts share one build folder and one terminal: in turn is faster than at once.
.NOTPARALLEL:

TARGET := $(or $(CARGO_TARGET_DIR),target)
# The binary of `make run` is also the one that the browser tests and the real n8n meet.
BINARY := $(TARGET)/quick/chat-proxy
export CHAT_PROXY_BIN ?= $(abspath $(BINARY))

# Always the whole workspace: building one crate alone unifies the features anew and compiles half of it again.
CARGO_BUILD := cargo build --workspace --locked
FUZZ_SECONDS ?= 60
GENERATED := web/protocol/openapi.json web/protocol/api.ts

DENY_VERSION := 0.20.2
MACHETE_VERSION := 0.9.2
DENY := .tools/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
MACHETE := .tools/cargo-machete-$(MACHETE_VERSION)/bin/cargo-machete

##@ Using it

.PHONY: run
run: web binary ## Build everything and open a demo shop with the chat in it
	$(BINARY) demo

.PHONY: dev
dev: web/node_modules/.package-lock.json ## The same, rebuilt and restarted whenever a file changes
	@scripts/need cargo cc
	scripts/dev

.PHONY: web
web: web/dist/embed.js ## Build the loader and the widget into web/dist

##@ Proving it

.PHONY: test
test: web binary ## Run every test: Rust, web, a real browser; installs what is missing
	scripts/test

.PHONY: check
check: check-format check-lints check-rules check-dependencies check-web check-generated check-fuzz ## Everything else that must hold: format, lints, rules, licenses, generated files, fuzzing
	@echo "check: all of it holds"

# KILLS=1000, SEED=..., READERS=..., CONNECTIONS=... ask for more, or for one run again.
.PHONY: soak
soak: ## Kill it hundreds of times, lean on it for long; keeps the results (KILLS=1000 SEED=… repeat a run)
	@scripts/need cargo cc gzip
	scripts/soak

.PHONY: test-n8n
test-n8n: binary ## Send real messages through the proxy to a real n8n, which it installs
	@scripts/need node npm python3 curl
	node tests/n8n/run.mjs

.PHONY: bench
bench: ## Measure: decoder, store, and chat-proxy beside nginx with up to 9,000 open answers
	@scripts/need cargo cc
	cargo bench --workspace --locked --profile fast --bench '*'
	bench/run

##@ Keeping it

.PHONY: generate
generate: binary web/node_modules/.package-lock.json ## Rewrite the generated files: openapi.json and its TypeScript
	$(BINARY) openapi > $(TARGET)/openapi.json
	cp $(TARGET)/openapi.json web/protocol/openapi.json
	cd web && npm run --silent generate

.PHONY: clean
clean: ## Throw away what was built and installed here
	rm -rf $(TARGET) fuzz/target bench/target .tools web/dist web/node_modules tests/e2e/node_modules

.PHONY: help
help: ## This list
	@scripts/help $(MAKEFILE_LIST)

# --- The parts of `make check`, each to be run alone, too ------------------------------------------------------------

.PHONY: check-format check-lints check-rules check-dependencies check-web check-generated check-fuzz check-advisories

check-format:
	@scripts/need cargo
	cargo fmt --all --check
	for own in fuzz bench; do cargo fmt --manifest-path $$own/Cargo.toml --check; done

check-lints:
	@scripts/need cargo cc
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --manifest-path bench/Cargo.toml --all-targets --locked -- -D warnings

# That the tree keeps the rules, and that the rules bite: workspaces that break them must fail.
check-rules: $(DENY)
	cargo test --workspace --locked --quiet --test architecture
	DENY=$(DENY) scripts/check-rules

check-dependencies: $(DENY) $(MACHETE)
	$(DENY) --locked check --hide-inclusion-graph bans licenses sources
	$(MACHETE) crates
	scripts/check-one-crypto

check-web: web/node_modules/.package-lock.json
	cd web && npm run --silent check

check-generated: binary web/node_modules/.package-lock.json
	scripts/check-generated $(GENERATED)

check-fuzz:
	@scripts/need cargo c++
	fuzz/run decoder $(FUZZ_SECONDS)

# Not part of `make check`: both ask databases that change every day, over the network.
check-advisories: $(DENY)
	$(DENY) --locked check advisories
	for folder in web tests/e2e; do if [ -f $$folder/package-lock.json ]; then npm --prefix $$folder audit; fi; done

# --- What the targets are made of ------------------------------------------------------------------------------------

# Cargo knows best whether there is anything to do.
.PHONY: binary
binary:
	@scripts/need cargo cc
	$(CARGO_BUILD) --profile quick --bins

# npm writes this file last, so it is as new as the installation.
%/node_modules/.package-lock.json: %/package-lock.json
	@scripts/need node npm
	cd $* && npm ci --no-audit --no-fund

web/dist/embed.js: web/node_modules/.package-lock.json $(shell find web -type f -not -path '*/node_modules/*' -not -path 'web/dist/*')
	cd web && npm run build
	touch $@

# Tools of the checks: pinned, in the project's own folder, and built for a short build rather than a fast tool.
TOOL_INSTALL := CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	cargo install --locked --quiet

$(DENY):
	@scripts/need cargo cc
	$(TOOL_INSTALL) --root .tools/cargo-deny-$(DENY_VERSION) cargo-deny@$(DENY_VERSION)

$(MACHETE):
	@scripts/need cargo
	$(TOOL_INSTALL) --root .tools/cargo-machete-$(MACHETE_VERSION) cargo-machete@$(MACHETE_VERSION)
