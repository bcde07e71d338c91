# SPDX-License-Identifier: Apache-2.0
# epsim: every command that a person types. `make` alone lists them.
#
# NP             ranks of run, run-full and bench (default: the smaller of 4 and the cores)
# CONFIGURATION  release or debug
# TIMEOUT        seconds that a launch of the tests may take
# SCRATCH        build directory
NP ?=
CONFIGURATION ?= release
TIMEOUT ?= 120
SCRATCH ?= .build
export CONFIGURATION TIMEOUT SCRATCH

SWIFT_BUILD = swift build -c $(CONFIGURATION) --scratch-path $(SCRATCH)
BINARIES = $(SCRATCH)/$(CONFIGURATION)
LAUNCH = scripts/launch $(if $(NP),-n $(NP))

.DEFAULT_GOAL := help
.PHONY: help setup build run run-full run-cluster test test-mpich soak dist bench doctor format lint clean

help:
	@echo 'make TARGET [NP=ranks] [CONFIGURATION=release|debug] [TIMEOUT=seconds]'
	@echo
	@grep -E '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "  %-12s %s\n", $$1, $$2 }'

setup: ## install the system packages that are missing, check the Swift toolchain
	@scripts/setup

build: setup ## build everything
	$(SWIFT_BUILD)

run: setup ## the main job: which placement is fastest on a real trace, in minutes
	$(SWIFT_BUILD) --product epsim
	@$(LAUNCH) -- $(BINARIES)/epsim compare --config examples/placement.yaml

run-full: setup ## the main job on the whole trace and all layers, much longer
	$(SWIFT_BUILD) --product epsim
	@$(LAUNCH) -- $(BINARIES)/epsim compare --config examples/placement-full.yaml

run-cluster: setup ## the main job on two emulated nodes, 1 Gbit/s between them (needs root)
	$(SWIFT_BUILD) --product epsim
	@scripts/emulated-cluster with --nodes 2 --rate 1gbit --slots 1 -n 2 -- \
	  $(BINARIES)/epsim compare --config examples/placement.yaml --tokens 1024 --steps 8 --warmup 1

test: ## all tests: one process, then mpirun with 2, 3 and 4 ranks
	@scripts/test

# Ranks of MPICH that share a core wait in a loop and keep each other from working.
test-mpich: TIMEOUT = 300
test-mpich: ## all tests with MPICH instead of Open MPI, installed where it is missing
	@scripts/test-mpich

soak: ## what takes longer: sanitizers, repetition, other libraries
	@scripts/soak

dist: ## a tarball for machines without Swift; DIST=--portable needs no oneDNN either
	@scripts/dist $(DIST)

bench: setup ## each phase as a share of its physical limit, on 2 ranks
	$(SWIFT_BUILD) --product epsim-bench
	@scripts/launch -n $(or $(NP),2) -- $(BINARIES)/epsim-bench

doctor: setup ## what is installed, and what is missing
	$(SWIFT_BUILD) --product epsim
	@$(BINARIES)/epsim doctor

format: ## format all Swift files in place
	swift format -i -r -p Package.swift Sources Tests Benchmarks

lint: ## check imports and format
	@scripts/check-imports
	swift format lint -s -r -p Package.swift Sources Tests Benchmarks

clean: ## remove what was built
	rm -rf $(SCRATCH)
