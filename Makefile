# Both of README's commands create .venv themselves and are quick when it is there already.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VARIANT ?= cpu
OVERLAY := .venv-torchquantum
FORK := .venv-torchquantum-ng
MINIMUM := .venv-minimum
WORKERS ?= logical
# The two variables hold for what compiling the native engine needs, in old and in new versions of pip.
PINNED := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt
INSTALL := $(PINNED) $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
NATIVE := $(addprefix src/qlit/engines/native/,CMakeLists.txt) $(wildcard src/qlit/engines/native/*.?pp)
SANITIZED := build/sanitized
# What an environment does not have itself is found in .venv.
laid_over = below=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
	here=$$($(1)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
	echo "import site; site.addsitedir('$$below')" >"$$here/below.pth"

.DEFAULT_GOAL := help
.PHONY: help setup fit test site docs minimum torchquantum conformance parity sanitize cuda image lint types format check bench ui clean

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/installed ## create .venv with qlit and the small body of the quick start

fit: $(VENV)/installed ## run the main job on the built-in sample (some ten seconds)
	$(BIN)/qlit fit --config configs/quickstart.yaml

test: $(VENV)/installed-dev ## run the whole test suite on all cores (WORKERS=0: in one process)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile

site: $(VENV)/installed-docs ## build the documentation as a site in build/site, with warnings as errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

docs: $(VENV)/installed-dev ## check the links, commands, files and Python of README and docs
	$(BIN)/python -m pytest tests/test_docs.py

# Old libraries warn about newer ones that they use: warnings are no errors there.
minimum: $(MINIMUM)/installed ## run the test suite with the oldest versions that pyproject.toml allows
	$(MINIMUM)/bin/python -m pytest -W default --numprocesses $(WORKERS) --dist loadfile

torchquantum: $(OVERLAY)/installed ## create .venv-torchquantum: TorchQuantum on top of what .venv has

conformance: $(VENV)/installed-dev $(OVERLAY)/installed $(FORK)/installed ## test the torchquantum engine with TorchQuantum 0.1.8 and with its fork
	$(OVERLAY)/bin/python -m pytest --numprocesses $(WORKERS) -k torchquantum tests/engines tests/heads/test_export_table.py \
		tests/test_parity.py
	$(FORK)/bin/python -m pytest --numprocesses $(WORKERS) -k torchquantum tests/engines tests/heads/test_export_table.py \
		tests/test_parity.py

parity: $(VENV)/installed-dev $(OVERLAY)/installed ## print how far the engines and TorchQuantum are from one another (docs/parity.md)
	@$(OVERLAY)/bin/python benchmarks/parity.py

# The sanitizers' libraries come first: the interpreter is not linked to them, and exceptions are looked up in libstdc++.
# Leaks are not looked for: interpreter and torch keep much until the process ends.
sanitize: $(VENV)/installed-dev $(SANITIZED)/installed ## test the native engine with address and undefined-behaviour sanitizers
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	QLIT_NATIVE_LIBRARY="$$(ls $(CURDIR)/$(SANITIZED)/qlit/engines/_native*.so)" \
		$(BIN)/python -m pytest --numprocesses $(WORKERS) tests/engines/test_native_engine.py

cuda: $(VENV)/installed-cuda ## compile the CUDA kernels for every supported GPU and run them on the CPU; needs no GPU
	$(BIN)/python -m pytest --numprocesses $(WORKERS) tests/engines/test_cuda_*.py

image: $(VENV)/installed-dev ## build the container image and run its commands in it (VARIANT=cuda; docs/containers.md)
	docker/build $(VARIANT)
	QLIT_IMAGE=localhost/qlit:$(VARIANT) $(BIN)/python -m pytest tests/docker/test_image.py

check: lint types ## lint and type check

lint: $(VENV)/installed-dev ## check formatting and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/installed-dev ## check types
	$(BIN)/mypy

format: $(VENV)/installed-dev ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/installed ## time a training step of our engines and of the peers installed (BENCH="--qubits 10")
	$(BIN)/python benchmarks/bench.py $(BENCH)

ui: $(VENV)/installed ## serve the runs kept under mlruns/ in MLflow's UI on port 5000
	@echo "open http://127.0.0.1:5000/#/experiments?workflowType=machine_learning"
	$(BIN)/mlflow ui --backend-store-uri sqlite:///$(CURDIR)/mlruns/mlflow.db --port 5000

clean: ## remove environments, builds and caches; runs stay
	rm -rf $(VENV) $(OVERLAY) $(FORK) $(MINIMUM) build .mypy_cache .pytest_cache .ruff_cache

$(VENV)/installed: pyproject.toml constraints.txt $(NATIVE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "qlit needs Python 3.11 or newer; name one with: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing qlit and what it needs into $(VENV); the first time takes a few minutes"
	@# Until November 2026 the distribution was called qlit; two that contain the same files would overwrite each other.
	@$(BIN)/python -m pip uninstall --quiet --yes --disable-pip-version-check qlit 2>/dev/null
	$(INSTALL) --editable '.[quickstart]'
	@$(BIN)/python -c 'from qlit.engines.native_engine import is_built; is_built() or print("installed without the native\
	 engine, which could not be compiled; circuits run on the torch engine, many times slower: see README.md")'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(INSTALL) 'qlit-heads[quickstart,dev]' # is installed: its extras are added, and nothing is compiled again
	@touch $@

$(VENV)/installed-cuda: $(VENV)/installed-dev
	$(INSTALL) 'qlit-heads[cuda]'
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(INSTALL) 'qlit-heads[docs]'
	@touch $@

$(MINIMUM)/installed: pyproject.toml .ci/lower_bounds.py $(NATIVE)
	@echo "installing the oldest versions of what qlit needs into $(MINIMUM)"
	@rm -rf $(MINIMUM)
	$(PYTHON) -m venv $(MINIMUM)
	$(PYTHON) .ci/lower_bounds.py >$(MINIMUM)/constraints.txt
	$(MINIMUM)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(MINIMUM)/constraints.txt \
		--editable '.[quickstart,dev]'
	@touch $@

# An environment of its own, for TorchQuantum's old dependencies have no place in .venv; what it does not have is found
# there. Some 75 MB to load: no TensorFlow, no second torch.
$(OVERLAY)/installed: torchquantum-requirements.txt $(VENV)/installed
	@echo "installing TorchQuantum into $(OVERLAY)"
	@rm -rf $(OVERLAY)
	$(BIN)/python -m venv --without-pip $(OVERLAY)
	@$(call laid_over,$(OVERLAY))
	$(BIN)/python -m pip --python $(OVERLAY)/bin/python install --quiet --disable-pip-version-check --no-deps \
		--requirement $<
	@$(OVERLAY)/bin/python -c 'import torch; from qlit.engines.torchquantum_copy import torchquantum_in; \
	torchquantum_in(torch.float32)'
	@touch $@

# The extra `torchquantum`: its fork, which fits the libraries of .venv, and what it declares, 200 MB.
$(FORK)/installed: pyproject.toml constraints.txt $(VENV)/installed-dev
	@echo "installing the fork of TorchQuantum into $(FORK)"
	@rm -rf $(FORK)
	$(BIN)/python -m venv --without-pip $(FORK)
	@$(call laid_over,$(FORK))
	$(PINNED) $(BIN)/python -m pip --python $(FORK)/bin/python install --quiet --disable-pip-version-check \
		'qlit-heads[torchquantum]'
	@touch $@

# Where it cannot be compiled, pip installs qlit without it: hence the look at the library.
$(SANITIZED)/installed: pyproject.toml constraints.txt $(NATIVE) | $(VENV)/installed
	rm -rf $(SANITIZED)
	$(INSTALL) --no-deps --target $(SANITIZED) --config-settings=cmake.define.QLIT_SANITIZE=ON \
		--config-settings=cmake.define.QLIT_EMULATE_AVX512=ON .
	@ls $(SANITIZED)/qlit/engines/_native*.so
	@touch $@
