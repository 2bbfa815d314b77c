# Everything is built with the Go tool; this file names the commands.

GO ?= go

# The Go release that compiles, tests and checks everything, so that what ships
# is what was tested. The Go tool fetches it. go.mod says which older ones
# compile this too: make GOTOOLCHAIN=local takes the one that is installed.
GOTOOLCHAIN = go1.26.11
export GOTOOLCHAIN

FUZZTIME ?= 10s
CHAOSCOUNT ?= 10
BENCHTIME ?= 1s
BENCHFLAGS ?=
TESTFLAGS ?=
DEVFLAGS ?=

# Everything is compiled in two ways at most, because each compiles all that is
# linked anew: with the race detector, or as what ships is, STATIC. The tools
# that read packages have them compiled too.
STATIC = CGO_ENABLED=0 $(GO) test -trimpath $(TESTFLAGS)

# Tools come from the module proxy, in the versions that .ci/tools.mod and .ci/opa.mod
# pin. OPA's command line stands apart because it and golangci-lint need two
# versions of one library.
TOOL = CGO_ENABLED=0 GOFLAGS=-trimpath $(GO) tool
GOLANGCI = $(TOOL) -modfile=$(CURDIR)/.ci/tools.mod golangci-lint
WORKFLOWCHECK = $(TOOL) -modfile=$(CURDIR)/.ci/tools.mod workflowcheck
OPA = $(TOOL) -modfile=$(CURDIR)/.ci/opa.mod opa

# The race detector needs cgo.
RACE = CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout=20m $(TESTFLAGS)

# What is built is static and the same from every directory: what a release
# ships, and the servers that only development and tests have. They are all
# built alike, here, by tests and for pods, so that what they link is compiled
# once.
RELEASE = CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w'

SHELL = bash
.SHELLFLAGS = -o pipefail -ec
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

##@ Try it

.PHONY: demo
demo: check-run bin/sallyport-dev bin/toolexec ## Walk through a read, a write, a denial, an approval and forged ones
	bin/sallyport-dev demo $(DEVFLAGS)

.PHONY: dev
dev: check-run bin/sallyport-dev bin/toolexec bin/sallyport bin/sallyport-gateway ## Run everything in one process; state is kept in .sallyport/
	bin/sallyport-dev up $(DEVFLAGS)

##@ Build

.PHONY: build
build: check-build bin/sallyport bin/sallyport-gateway bin/toolexec bin/kubeexec bin/sallyport-dev ## Build the programs into bin/

# The Go tool knows what is up to date; make asks it every time.
.PHONY: force
force:

bin/sallyport bin/sallyport-gateway bin/toolexec bin/kubeexec: force
	$(RELEASE) -o $@ ./cmd/$(@F)

bin/sallyport-dev: force
	@test -x $@ || echo 'Building $@: the gateway, a whole Temporal server and its Web UI in one program.' \
		'The first time that compiles some 2,000 packages and takes about 5 minutes on two cores; later it takes seconds.'
	cd dev && $(RELEASE) -o ../$@ ./cmd/$(@F)

.PHONY: temporal-server
temporal-server: check-build bin/temporal-server ## Build bin/temporal-server, a Temporal server on PostgreSQL

bin/temporal-server: force
	cd temporal-server && $(RELEASE) -o ../$@ ./cmd/$(@F)

# Images have no shell and no package manager: the program, the licence texts of
# what it links, and for the gateway the certificates that it trusts, which are
# this machine's. The same files give the same digest.
IMAGE_PREFIX ?= registry.example.com/sallyport
IMAGE_TAG ?= dev
CA_CERTIFICATES ?= $(wildcard /etc/ssl/certs/ca-certificates.crt)
IMAGE = $(GO) run ./deploy/image
LICENSES = $(GO) run ./deploy/licenses

.PHONY: image
image: check-build bin/sallyport-gateway bin/kubeexec bin/licenses/sallyport-gateway.txt bin/licenses/kubeexec.txt ## Make container images of the gateway and of the executor, without a container runtime
	@$(IMAGE) --name=$(IMAGE_PREFIX)/gateway:$(IMAGE_TAG) --out=bin/gateway.tar /sallyport-gateway=bin/sallyport-gateway \
		/licenses/sallyport-gateway.txt=bin/licenses/sallyport-gateway.txt $(CA_CERTIFICATES:%=/etc/ssl/certs/ca-certificates.crt=%)
	@$(IMAGE) --name=$(IMAGE_PREFIX)/kubeexec:$(IMAGE_TAG) --out=bin/kubeexec.tar /kubeexec=bin/kubeexec \
		/licenses/kubeexec.txt=bin/licenses/kubeexec.txt

bin/licenses/%.txt: force
	@$(LICENSES) --out=$@ ./cmd/$*

# A release has each program for each platform, the licence texts of what it
# links, and one list of checksums. Agents, approvers and auditors have other
# machines than the gateway.
SHIPPED = sallyport-gateway toolexec kubeexec temporal-server
PLATFORMS ?= linux_amd64 linux_arm64
CLIENT_PLATFORMS ?= linux_amd64 linux_arm64 darwin_amd64 darwin_arm64 windows_amd64
CLIENTS = $(foreach p,$(CLIENT_PLATFORMS),bin/release/$p/sallyport$(if $(filter windows_%,$p),.exe))
RELEASES = $(CLIENTS) $(foreach p,$(PLATFORMS),$(SHIPPED:%=bin/release/$p/%))

.PHONY: release
release: check-build $(RELEASES) ## Build what ships for all PLATFORMS and CLIENT_PLATFORMS, with licence texts and checksums
	cd bin/release && sha256sum $(RELEASES:bin/release/%=%) $(RELEASES:bin/release/%=%.licenses.txt) >SHA256SUMS

.PHONY: build-client-all
build-client-all: check-build $(CLIENTS) ## Build the client alone, for all CLIENT_PLATFORMS

bin/release/%: module = $(if $(filter temporal-server,$(@F)),temporal-server,.)
bin/release/%: platform = $(subst _, ,$(notdir $(@D)))
bin/release/%: force
	cd $(module) && GOOS=$(word 1,$(platform)) GOARCH=$(word 2,$(platform)) $(RELEASE) -o $(CURDIR)/$@ ./cmd/$(basename $(@F))
	@$(LICENSES) --dir=$(module) --os=$(word 1,$(platform)) --arch=$(word 2,$(platform)) --out=$@.licenses.txt ./cmd/$(basename $(@F))

.PHONY: manifests
manifests: check-build ## Render the Helm chart with its default values into deploy/manifests/
	$(E2E) test -trimpath ./chart -count=1 -run='^TestManifests$$' -args -update

.PHONY: clean
clean: ## Remove what was built; the state in .sallyport/ stays
	rm -rf bin

##@ A real Kubernetes

# The cluster is one per clone.
E2E = cd e2e && CGO_ENABLED=0 $(GO)
CLUSTER = $(E2E) run -trimpath ./cmd/cluster --dir=$(CURDIR)/.sallyport/cluster

.PHONY: cluster-up
cluster-up: check-e2e ## Start a Kubernetes with one node on this machine, and say how to use it
	$(CLUSTER) up

.PHONY: cluster-down
cluster-down: check-build ## End it
	$(CLUSTER) down

# One package after the other, because each has a cluster of its own.
.PHONY: e2e
e2e: check-e2e check-postgres ## Run the tests that need one, on clusters that they start and end
	cd e2e && $(STATIC) -tags=e2e -count=1 -p=1 -timeout=60m ./...

.PHONY: bench-cluster
bench-cluster: check-e2e ## Measure calls in a cluster beside bare Jobs, and print the ratio
	$(E2E) run -trimpath ./cmd/bench $(BENCHFLAGS)

##@ Check

.PHONY: check
check: ## Say what this machine lacks, and how to get it
	@.ci/check build run test postgres

.PHONY: check-build check-run check-test check-postgres check-browser check-node check-e2e
check-build:
	@.ci/check build
check-run:
	@.ci/check build run
check-test:
	@.ci/check build run test
check-browser:
	@.ci/check build run browser

check-node:
	@.ci/check build run node
check-e2e:
	@.ci/check build e2e
check-postgres:
	@.ci/check postgres

# Packages that link the Temporal server are built without the race detector,
# once, and their own tests run like that. All others run it as a process.
LIST_SERVERS = $(GO) list -test -f '{{.ImportPath}}{{range .Deps}} {{.}}{{end}}' ./... | \
	awk '{sub(/[._]test$$/, "", $$1); all[$$1]} / go\.temporal\.io\/server\// {heavy[$$1]} \
	END {for (p in all) if ((p in heavy) == servers) print p}'

.PHONY: test
test: check-test test-root test-temporal-server test-dev test-e2e ## Run the tests of all modules, with the race detector

.PHONY: test-root
test-root:
	$(RACE) ./...
	@echo "what tries one change after the other, without -race:"
	$(STATIC) -timeout=20m -run='^(TestEvery|TestKilled)' ./adapters/ledger/...

.PHONY: test-temporal-server
test-temporal-server:
	@echo "temporal-server, without -race, as the server is built:"
	cd temporal-server && $(STATIC) -shuffle=on -timeout=20m ./...

.PHONY: test-dev
test-dev:
	@echo "dev, what links the Temporal server, without -race:"
	@cd dev && packages=$$($(LIST_SERVERS) servers=1) && $(STATIC) -shuffle=on -timeout=20m $$packages
	@echo "dev, the rest, with -race:"
	@cd dev && packages=$$($(LIST_SERVERS) servers=0) && $(RACE) $$packages

# What needs no cluster: the rest is behind a build tag, see e2e.
.PHONY: test-e2e
test-e2e:
	cd e2e && $(RACE) ./...

.PHONY: test-oldest
test-oldest: export GOTOOLCHAIN = go$(shell sed -n 's/^go //p' go.mod)
test-oldest: check-test ## Test the first module, and compile the others, with the oldest Go release that go.mod allows
	$(STATIC) -timeout=20m ./...
	cd dev && CGO_ENABLED=0 $(GO) build -trimpath ./...
	cd e2e && CGO_ENABLED=0 $(GO) build -trimpath ./...

# The moment of a kill is drawn or timed, so each run tries others. What these
# tests run as processes links the Temporal server; they do not.
.PHONY: chaos
chaos: check-test check-postgres ## Run each test that kills processes CHAOSCOUNT (10) times
	cd dev && $(STATIC) -count=$(CHAOSCOUNT) -timeout=2h -run='^TestKill' ./instancetest ./temporaltest
	$(STATIC) -count=$(CHAOSCOUNT) -timeout=2h -run='^TestKill' ./adapters/gitops ./adapters/ledger ./adapters/sandbox

# Outside of test, because it needs a browser, and Node to drive it.
.PHONY: test-browser
test-browser: check-browser dev/browsertest/node_modules ## Vote in the Temporal UI with a browser; pictures are kept in .sallyport/browser/
	cd dev && $(STATIC) -tags=browser -count=1 -timeout=10m ./browsertest

# Outside of test, because it needs Node and half a gigabyte from the npm registry.
.PHONY: test-mcp
test-mcp: check-node dev/mcptest/node_modules ## Use the gateway's MCP with clients that are not ours
	cd dev && $(STATIC) -tags=mcp -count=1 -timeout=10m ./mcptest

# Outside of test for the same reason.
.PHONY: test-openapi
test-openapi: check-node dev/openapitest/node_modules ## Lint the API's document with others' programs, and call an instance by clients made from it
	cd dev && $(STATIC) -tags=openapi -count=1 -timeout=10m ./openapitest

# Not npm ci: the lock file of mcptest lacks a package for Windows alone, which npm
# leaves out of it and then misses.
dev/%/node_modules: dev/%/package.json dev/%/package-lock.json
	cd $(@D) && npm install --no-save --loglevel=error
	@touch $@

.PHONY: record-history
record-history: check-test ## Record workflow histories of every path for the replay tests
	cd dev && $(STATIC) ./integration -count=1 -run='^TestEveryPath$$' -args -record=$(CURDIR)/workflows/testdata/histories

.PHONY: lint
lint: lint-root lint-temporal-server lint-dev lint-e2e lint-workflows lint-policies ## Check style, architecture, determinism and policies

.PHONY: lint-root
lint-root: check-build
	$(GOLANGCI) run ./...

.PHONY: lint-temporal-server
lint-temporal-server: check-build
	cd temporal-server && $(GOLANGCI) run --config ../.golangci.yml ./...

.PHONY: lint-dev
lint-dev: check-build
	cd dev && $(GOLANGCI) run --config ../.golangci.yml ./...

# The programs of Kubernetes and CoreDNS are modules of their own and a few
# lines each; to check their types would compile all that they link.
.PHONY: lint-e2e
lint-e2e: check-build
	cd e2e && $(GOLANGCI) run --config ../.golangci.yml ./...
	cd e2e && $(GOLANGCI) fmt --diff --config ../.golangci.yml cmd/kubernetes cmd/coredns

.PHONY: lint-workflows
lint-workflows: check-build
	$(WORKFLOWCHECK) -config .ci/workflowcheck.yaml ./workflows/...

.PHONY: lint-policies
lint-policies: check-build
	$(OPA) fmt --fail --diff policies
	$(OPA) check --strict policies
	$(OPA) test --timeout 1m --coverage --threshold 100 policies >/dev/null || $(OPA) test --timeout 1m --verbose --coverage --threshold 100 policies

# What ships, once more and with the symbols that releases leave out: without
# them govulncheck can't tell which functions are in a program.
SYMBOLS = CGO_ENABLED=0 $(GO) build -trimpath -ldflags=-w

.PHONY: vulncheck
vulncheck: bin/vuln/sallyport $(SHIPPED:%=bin/vuln/%) ## Look for known vulnerabilities in what ships
	.ci/vulncheck binary $^

bin/vuln/sallyport bin/vuln/sallyport-gateway bin/vuln/toolexec bin/vuln/kubeexec: check-build force
	$(SYMBOLS) -o $@ ./cmd/$(@F)

bin/vuln/temporal-server: check-build force
	cd temporal-server && $(SYMBOLS) -o ../$@ ./cmd/$(@F)

.PHONY: vulncheck-source
vulncheck-source: check-build ## Look for known vulnerabilities in code that is called
	.ci/vulncheck source . temporal-server

.PHONY: fmt
fmt: ## Format the Go code and the policies
	$(GOLANGCI) fmt ./...
	cd temporal-server && $(GOLANGCI) fmt --config ../.golangci.yml ./...
	cd dev && $(GOLANGCI) fmt --config ../.golangci.yml ./...
	cd e2e && $(GOLANGCI) fmt --config ../.golangci.yml ./...
	$(OPA) fmt --write policies

.PHONY: fuzz
fuzz: check-build ## Run each fuzz target for FUZZTIME (10s)
	@set -e; grep -rlE --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do \
		module=.; for m in temporal-server dev; do case $$dir in ./$$m/*) module=$$m; dir=./$${dir#./$$m/};; esac; done; \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' $$module/$$dir/*_test.go | cut -c6-); do \
			echo "$$dir $$target"; \
			(cd $$module && $(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) $$dir </dev/null); \
		done; \
	done

bin/bench: force
	cd dev && $(RELEASE) -o ../$@ ./cmd/$(@F)

.PHONY: bench
bench: check-run bin/bench bin/toolexec ## Measure calls beside a bare workflow, then run the packages' benchmarks
	bin/bench $(BENCHFLAGS)
	$(STATIC) -run='^$$' -bench=. -benchmem -benchtime=$(BENCHTIME) ./...

# Enough of each for a stable figure: a bare commit is kept beside every entry.
.PHONY: bench-ledger
bench-ledger: check-test check-postgres ## Measure the ledger on both databases, beside bare commits
	cd dev && $(STATIC) ./bench -run='^$$' -bench=Ledger -benchtime=10000x -timeout=20m

# One ledger of a million leaves, and one of a million calls in each database:
# some 10 GiB in the temporary directory.
.PHONY: bench-million
bench-million: check-test check-postgres ## Measure proofs and searches where there are a million
	cd dev && $(STATIC) ./bench -run='^$$' -bench=Proof -benchtime=1000x -timeout=20m -v
	cd dev && $(STATIC) ./bench -run='^$$' -bench=Search -benchtime=1x -timeout=30m -v

.PHONY: help
help: ## Show this
	@awk 'BEGIN {FS = ":.*## "; print "make <target>"} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
