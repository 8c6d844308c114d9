# Stowage: `make demo` runs the main job on this machine, `make test` passes the tests.
SHELL   := /bin/bash
VERSION ?= 0.1.0-dev
LDFLAGS := -s -w -X github.com/stowage-iac/stowage/api.StowageVersion=$(VERSION)
ARCH    ?= $(shell go env GOARCH)
GOFLAGS := -trimpath
N       ?= 3
export CGO_ENABLED = 0

.PHONY: build release test demo bench lint fmt hosts hosts-down soak deps examples clean

## build: bin/stowage and the agent for this architecture beside it
build:
	@mkdir -p bin
	go build $(GOFLAGS) -ldflags '$(LDFLAGS)' -o bin/stowage ./cmd/stowage
	GOOS=linux GOARCH=$(ARCH) go build $(GOFLAGS) -ldflags '$(LDFLAGS)' -o bin/stowaged-linux-$(ARCH) ./cmd/stowaged

## release: the CLI for this machine and the agent for every architecture that hosts may have
release: build
	for arch in amd64 arm64; do \
	  GOOS=linux GOARCH=$$arch go build $(GOFLAGS) -ldflags '$(LDFLAGS)' -o bin/stowaged-linux-$$arch ./cmd/stowaged || exit 1; \
	done

## deps: what the tests and the demo need from Debian, and the base images of the test hosts
deps:
	bash test/deps.sh
	go run ./test/hosts/cmd/hosts prepare

## test: everything that proves something, on real hosts where it touches one (root).
## The stories on hosts take the longest and wait a lot: they begin first, the others run beside them.
test: deps build
	go test -count=1 -timeout 20m -p 2 ./test/e2e ./...

## demo: examples/hello on this machine, from nothing to nothing (root)
demo: build
	bash test/deps.sh demo
	bash examples/hello/demo.sh

## bench: figures beside a floor or a peer, measured in this run (root)
bench: deps build
	go run ./test/bench

## soak: what takes longer than CI allows
soak: deps build
	go test -timeout 90m -tags soak -run Soak -v ./test/e2e/...

## lint: gofmt, go vet, staticcheck
lint:
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

## fmt: gofmt, and the examples by stowage fmt
fmt: build
	gofmt -w $$(git ls-files '*.go')
	./bin/stowage fmt -recursive examples

## examples: write the committed plan.txt and plan.json of every example anew
examples:
	go test ./cmd/stowage -run TestExamples -update-plans

## hosts: N test hosts for trying things out; hosts-down ends them
hosts:
	go run ./test/hosts/cmd/hosts up -n $(N)
hosts-down:
	go run ./test/hosts/cmd/hosts down

clean:
	rm -rf bin dist
