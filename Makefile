# What can be done here; "make help" lists it. Everything needs Go, and Envoy's tests pip or an Envoy (ENVOY=path).
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build tools test race lint fuzz bench bench-micro bench-cost bench-e2e bench-scale generate clean

GOTESTFLAGS ?=
FUZZTIME ?= 10s
FUZZ_PKGS ?= ./...
BENCHTIME ?= 1s
BENCH_PKGS ?= ./...
# The end-to-end measurement: the gateway beside a bare reverse proxy, and behind Envoy.
BENCH_E2E ?= ./internal/bench
BENCH_E2E_FLAGS ?=
# Packages whose work is shared between goroutines.
RACE_PKGS ?= ./internal/gateway/... ./internal/proxy/... ./internal/telemetry/... ./internal/upstream/... ./internal/demo/... \
	./internal/envoy/... ./internal/extproc/... ./internal/control/... ./internal/kube/... ./cmd/spanway/...

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/spanway
	go build -trimpath -o bin/spanway ./cmd/spanway

tools: ## get what tests and lint need into .tools/bin (once; a second run does nothing)
	@tools/install.sh

test: ## vet, test everything, and test for data races where goroutines meet
	@tools/install.sh otelcol envoy etcd kube-apiserver kube-controller-manager helm
	go vet ./...
	go test $(GOTESTFLAGS) ./...
	@$(MAKE) --no-print-directory race

race: ## test for data races (needs a C compiler, as Go's race detector does)
	@if [[ -n "$$(command -v "$$(go env CC)")" ]]; then \
		echo "go test -race $(RACE_PKGS)"; CGO_ENABLED=1 go test -race $(GOTESTFLAGS) $(RACE_PKGS); \
	else echo "no C compiler: data races are not looked for"; fi

lint: ## check the code with golangci-lint
	@tools/install.sh golangci-lint
	.tools/bin/golangci-lint run ./...

fuzz: ## run every fuzz target for FUZZTIME (10s)
	@tools/fuzz.sh $(FUZZTIME) $(FUZZ_PKGS)

bench: bench-micro bench-e2e ## measure the packages, then the gateway beside a bare proxy

bench-micro: ## measure the packages alone (BENCHTIME, BENCH_PKGS)
	go test -short -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) $(BENCH_PKGS)

bench-cost: ## measure the cost per KB of each dialect, of guards and of framing (BENCHTIME)
	go test -run '^$$' -bench 'Cost|Split|Stream|Request|LongChunk' -benchmem -benchtime $(BENCHTIME) \
		./internal/dialect/... ./internal/policy ./internal/frame

bench-e2e: ## measure the gateway beside a bare proxy and behind Envoy (BENCH_E2E_FLAGS)
	@tools/install.sh envoy
	go run $(BENCH_E2E) $(BENCH_E2E_FLAGS)

bench-scale: ## measure the controller with 250 to 2,000 HTTPRoutes, in a cluster
	@tools/install.sh otelcol envoy etcd kube-apiserver kube-controller-manager helm
	go test -run '^$$' -bench Scale -benchtime 1x -v ./internal/journey

generate: ## write again what is generated from the code
	go generate ./...

clean: ## remove what was built, the tools included
	rm -rf bin .tools
