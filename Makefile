# `make demo` and `make test` each set up what they need, on a machine with Python and make.

# The Python to make .venv with; empty: the newest supported one.
PYTHON ?=
PYTEST_OPTIONS ?= -n auto --dist loadfile --no-loadscope-reorder
CORES ?= all
VENV := .venv
SNAKEMAKE := $(VENV)/bin/snakemake --cores $(CORES)
PUBLISHED := results/figures/published
# uv does not read pip's settings: give it the package index that pip is told to use.
ifdef PIP_INDEX_URL
ifndef UV_INDEX_URL
export UV_DEFAULT_INDEX ?= $(value PIP_INDEX_URL)
endif
endif

.PHONY: help demo all figures report plan check docs smoke test test-cluster test-platforms test-portable lint benchmark locks image image-gpu docker-image crate archive clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/cpu ## train the Pendulum demo's three seeds and draw them (minutes)
	@echo "make demo: training pendulum-demo; watch it with: $(VENV)/bin/python -m ddpg status --watch"
	$(SNAKEMAKE) demo

all: $(VENV)/cpu ## train everything from scratch and compare it with what is published (days)
	$(SNAKEMAKE) all

figures: $(VENV)/cpu ## draw every figure and table from the published runs (about 2 minutes)
	$(SNAKEMAKE) figures

report: figures ## put the figures and tables in one page, results/report.html
	$(SNAKEMAKE) figures --report results/report.html
	@echo "make report: results/report.html; its summary alone: results/summary/figures.html"

plan: $(VENV)/cpu ## estimate the cost of training everything
	$(SNAKEMAKE) --quiet progress rules host reason -- plan

check: $(VENV)/cpu ## check the published runs: files, replays, figures, stated numbers (4 minutes)
	$(VENV)/bin/python -m ddpg check

docs: figures ## copy the figures in README.md and docs/results.md from the published runs, render the reference pages
	$(VENV)/bin/python docs/render.py
	$(VENV)/bin/python docs/metadata.py
	cp $(PUBLISHED)/pendulum/pendulum-demo_learning_curve.png docs/images/pendulum-demo.png
	cp $(PUBLISHED)/exercise-2-2/comparison.png docs/images/exercise-2-2.png
	cp $(PUBLISHED)/halfcheetah/comparison.png docs/images/halfcheetah.png
	cp $(PUBLISHED)/networks-or-schedule/factorial.png docs/images/networks-or-schedule.png
	cp $(PUBLISHED)/swimmer/comparison.png docs/images/swimmer.png
	$(VENV)/bin/python docs/films.py

smoke: $(VENV)/cpu ## the whole workflow on experiments shrunk to seconds
	$(SNAKEMAKE) smoke

test: $(VENV)/dev ## run the tests; those that need more (Apptainer, ...) are skipped with a reason
	$(VENV)/bin/python -m pytest $(PYTEST_OPTIONS)

test-cluster: $(VENV)/dev ## test the workflow on a private SLURM (needs its programs and Apptainer)
	$(VENV)/bin/python -m pytest tests/cluster

test-platforms: $(VENV)/dev ## test the installation in a bare Debian 13 (needs root and debootstrap)
	$(VENV)/bin/python -m pytest tests/platforms

test-portable: $(VENV)/dev ## test that other processors compute the same bytes (needs qemu-user)
	$(VENV)/bin/python -m pytest -n auto --dist load --maxschedchunk 1 tests/portable

lint: $(VENV)/dev ## check the style of the code and of the workflow, and the types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/snakefmt --check Snakefile workflow
	$(VENV)/bin/snakemake --lint

benchmark: $(VENV)-benchmark/ready ## compare the speed with other libraries (about 45 minutes)
	$(VENV)-benchmark/bin/python -m benchmarks

$(VENV)-benchmark/ready: containers/locks/benchmark.txt
	@echo "make: installing $< into $(VENV)-benchmark/"
	@containers/environment.sh $(VENV)-benchmark '$(PYTHON)' 3.11
	@$(VENV)-benchmark/bin/pip install --quiet --require-hashes -r $<
	@touch $@

locks: ## pin the dependencies of pyproject.toml with hashes; keeps pinned versions if possible
	containers/lock.sh

image: containers/ddpg.sif ## build the Apptainer image, for snakemake --use-singularity

image-gpu: containers/ddpg-gpu.sif ## build the Apptainer image for NVIDIA GPUs

docker-image: ## build the Docker image `ddpg`, with Docker or Buildah
	containers/build.sh docker cpu ddpg

# An image contains the sources, so it is rebuilt when one of them has changed; also if the command line
# says what to build it from.
ifneq ($(filter command,$(foreach name,BASE_IMAGE INDEX_URL DEBIAN_MIRROR,$(origin $(name)))),)
.PHONY: containers/ddpg.sif containers/ddpg-gpu.sif
endif
containers/ddpg.sif: VARIANT = cpu
containers/ddpg-gpu.sif: VARIANT = gpu
containers/ddpg.sif containers/ddpg-gpu.sif: $(shell containers/build.sh sources | sed 's/ /\\ /g')
	@echo "make: building $@ (takes minutes)"
	containers/build.sh sif $(VARIANT) $@

crate: $(VENV)/cpu ## describe the published runs as an RO-Crate, ro-crate-metadata.json
	$(VENV)/bin/python -m ddpg crate

archive: containers/ddpg.sif crate ## put sources, image and published runs in one file, for a machine without network
	containers/archive.sh

clean: ## remove the environment and the workflow's figures and tables, but keep all runs
	rm -rf $(VENV) .snakemake results/figures results/tables results/summary \
	    results/report.html results/verdict.*

# Python compiles modules when they are first imported. Where it must not write byte code, each process
# would compile TensorFlow's again, which takes 5 s.
COMPILE := $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)

# An environment with exactly what a lock file pins. dev.txt holds all of cpu.txt, in the same
# versions, so `make test` after `make demo` only adds to it.
$(VENV)/%: containers/locks/%.txt containers/locks/uv.txt $(VENV)/bin/python
	@containers/environment.sh $(VENV) '$(PYTHON)'
	@echo "make: installing containers/locks/$*.txt into $(VENV)/"
	@$(VENV)/bin/python -m pip install --quiet --require-hashes -r containers/locks/uv.txt
	@$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python $(COMPILE) \
	    --require-hashes -r $<
	@touch $@

# If .venv or the Python that it was made with is missing, the rule above runs again; also if the
# command line names a Python, which may be another one.
$(VENV)/bin/python:
ifeq ($(origin PYTHON),command line)
.PHONY: $(VENV)/bin/python
endif
