# `make` alone lists the targets. The work is in deploy/dev; this file gives it names.

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
VENDOR := portal/static/vendor

.PHONY: help
help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: engine assets build images ## Starts MyDB on this machine for trying it out: installs what is missing, ends with Ctrl-C
	@exec bin/mydb dev

.PHONY: build
build: assets ## Builds bin/mydb, one static binary
	@CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/mydb .

.PHONY: test
test: assets ## Runs all tests, with an engine, a browser and a Swarm of three nodes set up for them
	@deploy/dev/test.sh

.PHONY: test-short
test-short: ## Runs the tests that need nothing but Go
	@go test -short ./...

.PHONY: lint
lint: ## Runs the linters and looks for known vulnerabilities
	@deploy/dev/lint.sh

.PHONY: bench
bench: assets ## Runs the benchmarks and prints a table; BENCH='-only restore' measures one group
	@deploy/dev/bench.sh $(BENCH)

.PHONY: image
image: build ## Builds the container image of MyDB; needs no registry
	@deploy/image.sh '$(VERSION)'

.PHONY: clean-dev
clean-dev: ## Removes what `make run` made, by label, after asking (YES=1 does not ask)
	@deploy/dev/clean.sh

.PHONY: engine
engine: ## Makes sure of a Docker engine in Swarm mode
	@deploy/dev/engine.sh up

# After build: the program knows which images its catalogue needs.
.PHONY: images
images: engine build ## Makes sure of the images of the database engines
	@deploy/dev/images.sh

.PHONY: assets
assets: $(VENDOR)/htmx.min.js $(VENDOR)/sse.min.js ## Copies the portal's scripts from their npm packages
	@true

$(VENDOR)/htmx.min.js $(VENDOR)/sse.min.js &: portal/assets/package.json portal/assets/package-lock.json
	@deploy/dev/assets.sh
