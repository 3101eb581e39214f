# Everything that CI does is a target here; `make test` is all of it. CONTRIBUTING.md says which one to use when.

SHELL := /bin/bash
GO ?= go
BINARY := $(CURDIR)/bin/gatehouse
# Each of these directories is a Go module of its own; the reasons are in docs/decisions/.
MODULES := . assertion test test/peers tools examples/go-idtoken examples/go-assertion examples/gotest
STATICCHECK := $(GO) tool -modfile=$(CURDIR)/tools/go.mod staticcheck
# The race detector makes the translated SQLite slow and finds nothing in it: that one package is left out, and no
# other. Leaving out all of modernc.org would also strip the generic code that the linker shares with ours
# (sync.Map, atomic.Pointer), and reports races that are none.
RACE := -race -gcflags='modernc.org/sqlite/lib=-race=false'
SCRIPTS := .ci/run tools/setup.sh examples/curl/call.sh test/load/peers/oauth2-proxy.sh

.PHONY: build test setup lint fmt unit e2e bench soak docs check release-check

build: ## the binary, static, in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BINARY) ./cmd/gatehouse

test: setup lint unit e2e ## everything, on a bare Debian machine with Go

setup: ## install what lint and e2e need, and say what
	tools/setup.sh

lint: ## formatting, vet, staticcheck, module files, scripts
	@unformatted=$$(gofmt -l cmd internal assertion emulator test tools); \
	if [ -n "$$unformatted" ]; then echo "not gofmt'ed (run gofmt -w):"; echo "$$unformatted"; exit 1; fi
	@for module in $(MODULES); do \
		echo "lint $$module"; \
		( cd $$module && $(GO) vet ./... && $(STATICCHECK) ./... && $(GO) mod tidy -diff ) || exit 1; \
	done
	shellcheck $(SCRIPTS)

unit: ## the tests that need only Go, with the race detector
	$(GO) test $(RACE) ./...
	cd assertion && $(GO) test -race ./...

# These measure time or memory, and run when nothing else does.
QUIET := ./footprint ./hostile ./load ./longlived ./traffic

e2e: build ## the real parts: Chromium, real identity providers, Google's and other verifiers, kill -9, load
	cd test && GATEHOUSE_BINARY=$(BINARY) $(GO) test -count=1 -p 2 $$($(GO) list ./... | grep -vE '/($(subst $() ,|,$(patsubst ./%,%,$(QUIET))))$$')
	cd test && GATEHOUSE_BINARY=$(BINARY) $(GO) test -count=1 -p 1 $(QUIET)

check: lint ## quick: lint, and the unit tests without the race detector
	$(GO) test ./...
	cd assertion && $(GO) test ./...

# The steps of a request. Other benchmarks are run by hand: go test -run='^$$' -bench=. -benchmem ./internal/…
STEPS := Route|AuthenticateHit|Decide|AssertHit|AssertMiss|VerifyHit|VerifyMiss|VerifyFirst|VerifyAgain$$|BareECDSAVerify|Record$$|Client$$|Request$$|Forward|RoundTrip

bench: build setup ## measure beside nginx and a bare ReverseProxy, and write docs/performance.md
	$(GO) test -run='^$$' -bench='$(STEPS)' -benchmem ./internal/... > bin/steps.txt
	cd assertion && $(GO) test -run='^$$' -bench='$(STEPS)' -benchmem ./... >> ../bin/steps.txt
	cd test && GATEHOUSE_BINARY=$(BINARY) $(GO) test ./load -run='^$$' -bench='^BenchmarkTable$$' -benchtime=1x -timeout=30m -v \
		-args -micro $(CURDIR)/bin/steps.txt -write $(CURDIR)/docs/performance.md

soak: build ## an hour under load while everything around the gate changes; SOAK=10m for less
	cd test && GATEHOUSE_BINARY=$(BINARY) $(GO) test ./load -count=1 -run='^TestTheGateStaysUp$$' -timeout=0 -v -args -soak $(or $(SOAK),1h)

docs: ## write docs/reference from the commands themselves
	$(GO) test ./cmd/gatehouse -run='^TestReference' -count=1 -args -write-reference

release-check: ## prove that the root builds and passes without its replace line
	$(GO) run -C tools ./releasecheck
