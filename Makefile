# make demo   build, scan and sign a small application with real tools, from nothing
# make test   all tests
# make test-pulling   the demo and some tests as on a host that can pull images
# make test-kubernetes   the plugins as pods, and BuildKit in pods, on a real Kubernetes of one node
# make release-rehearsal   the release of this project, whole, against registries that end with it
# Both do the set-up themselves, and keep what they made for all clones in ~/.cache/gocdnext-plugin-sdk.

PYTHON ?= python3
BIN := .venv/bin
PYTEST_ARGS ?= -n auto
# The environment that the set-up found or made: engine, buildx, stand-ins, tools (testbed/environment.py).
ENV := eval "$$($(BIN)/python -m testbed env)"

.DELETE_ON_ERROR:
.PHONY: demo test test-ci test-kubernetes test-pulling soak scan bench vectors lint setup setup-test images trivy-db lock engine-stop engine-remove clean docs picture wrap release-rehearsal publish publish-needs pins check-pins
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

demo: setup
	@$(ENV); $(BIN)/python examples/release/demo.py

# What is quick first, with how much of the code it goes through; then what needs the real tools.
# With PYTEST_ARGS, what it says and nothing else.
test: setup-test
ifeq ($(origin PYTEST_ARGS),file)
	@mkdir -p build
	@$(ENV); $(BIN)/pytest $(PYTEST_ARGS) --cov --cov-report= tests/contract tests/unit tests/typing
	@$(BIN)/coverage report --skip-covered --fail-under=80 > build/least-covered.txt || bad=$$?; \
		echo "==> coverage, the least covered first (build/least-covered.txt has all)"; \
		sed -n 1,14p build/least-covered.txt; grep -E "^(TOTAL|Coverage failure)" build/least-covered.txt; exit $${bad:-0}
	@$(ENV); $(BIN)/pytest $(PYTEST_ARGS) -m "not soak" tests/dist tests/e2e tests/soak
else
	@$(ENV); $(BIN)/pytest $(PYTEST_ARGS)
endif

# The long suites whole (docs/security.md), then the long proofs that `make test` leaves out, then the property tests
# with many examples, other ones each time.
soak: setup-test
	@$(ENV); GOCDNEXT_SOAK=1 $(BIN)/pytest $(PYTEST_ARGS) tests/soak $(addprefix tests/e2e/test_,builders_agree.py dockerfile.py dockerignore.py originals.py)
	@$(ENV); $(BIN)/pytest $(PYTEST_ARGS) -m soak tests/dist tests/e2e
	@$(BIN)/pytest $(PYTEST_ARGS) -m hypothesis --hypothesis-profile soak tests/contract tests/unit

# The images of the release and the locks, by its own gate and by public advisories (RELEASING.md).
scan: .venv/installed
	@$(BIN)/python -m testbed scan

# A release under the local runners of other CI systems; needs Node 20, and a Debian or Ubuntu for what they run in.
test-ci: setup-test
	@$(ENV); $(BIN)/pytest $(PYTEST_ARGS) tests/ci

# BuildKit in pods, and the plugins as the platform's pods, on a real Kubernetes of one node, which is for all tests.
test-kubernetes: setup-test
	@$(ENV); $(BIN)/pytest $(PYTEST_ARGS) -n 0 tests/kubernetes

# A host that can pull, whole, with stand-ins for what it pulls (testbed/pulling.py). CASES names some of its cases.
PULLING_TESTS ?= tests/unit/testbed tests/e2e/test_base_image.py tests/e2e/test_examples.py -q -n 2
test-pulling: setup-test
	@$(ENV); $(BIN)/python -m testbed pulling $(CASES) --tests "$(PULLING_TESTS)"

bench: setup-test
	@$(ENV); $(BIN)/pytest tests/bench

vectors: .venv/installed
	@$(BIN)/pytest -q tests/contract/test_vectors.py

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(BIN)/lint-imports

setup: .venv/installed
	@$(BIN)/python -m testbed setup demo

setup-test: .venv/installed
	@$(BIN)/python -m testbed setup test

images: .venv/installed
	@$(BIN)/python -m testbed images

trivy-db: .venv/installed
	@$(BIN)/python -m testbed trivy-db build

.venv/installed: requirements-dev.lock pyproject.toml
	@echo "==> installing the Python packages into .venv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# What the images and the developers install, pinned by hash, anew; extras stay, since an older pip asks
# for `coverage[toml]` by hash and does not take `coverage==` for it.
COMPILE = $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-strip-extras --custom-compile-command "make lock" \
	--no-emit-package gocdnext-plugin-sdk
lock: .venv/installed
	@$(COMPILE) --python-version 3.13 --python-platform linux --extra plugin --output-file sdk/requirements.lock pyproject.toml
	@printf 'cryptography>=46.0.6\npyjwt>=2.12\n' | $(COMPILE) --python-version 3.13 --python-platform linux --output-file sdk/sigstore/requirements.lock -
	@printf 'hatchling\ntwine\n' | $(COMPILE) --python-version 3.13 --python-platform linux --output-file .gocdnext/plugins/python-package/requirements.lock -
	@printf 'pypiserver[passlib]\n' | $(COMPILE) --python-version 3.13 --python-platform linux --output-file testbed/tools/pypiserver/requirements.lock -
	@printf 'hatchling\neditables\n' | $(COMPILE) --universal --extra dev --output-file requirements-dev.lock pyproject.toml -
	@$(COMPILE) --python-version 3.11 --python-platform linux --resolution lowest-direct --extra cli --output-file tests/dist/oldest.lock pyproject.toml
	@$(COMPILE) --universal --extra docs --output-file docs/requirements.lock pyproject.toml

# Newer releases of what tools.toml pins, written to every file that must agree: RELEASING.md.
pins: .venv/installed
	@$(BIN)/python -m testbed pins --write
	@$(BIN)/gocdnext-plugin manifest plugins/* > /dev/null

# Whether registries and signers still say of the pinned images what tools.toml says; needs the internet.
check-pins: .venv/installed
	@$(BIN)/python -m testbed check-pins

# The documentation, as a site in site/.
docs: build/docs/installed
	@NO_MKDOCS_2_WARNING=1 build/docs/bin/mkdocs build --quiet
	@echo "==> site/index.html"

# The picture of the rooms and who imports whom, drawn from the code.
picture: .venv/installed
	@$(BIN)/python docs/picture.py

# The prose of all Markdown files that people write, at one width.
wrap:
	@$(PYTHON) docs/wrap.py

build/docs/installed: docs/requirements.lock
	@$(PYTHON) -m venv build/docs
	@build/docs/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement docs/requirements.lock
	@touch $@

# The pipeline that releases this project, run to its end on this machine; nothing leaves it.
release-rehearsal: setup-test
	@$(ENV); $(BIN)/python -m testbed rehearse

# The same pipeline for real (RELEASING.md): SECRETS names the file with the logins of both registries, the variables
# SIGNER, ISSUER and SIGSTORE_ID_TOKEN who signs. An empty SIGNER would be an input that is not given: no signature
# would be verified.
publish: publish-needs setup
	@$(ENV); $(BIN)/python -m testbed images >&2; $(BIN)/gocdnext-plugin run .gocdnext/release.yaml --event tag --publish \
		--secrets-file "$(SECRETS)" --id-token SIGSTORE_ID_TOKEN \
		--var SIGNER="$(SIGNER)" --var SIGSTORE_ISSUER="$(ISSUER)" \
		$(foreach name,image-check python-package,--local gocdnext-plugin-$(name)=.gocdnext/plugins/$(name)) \
		$(foreach name,buildx trivy cosign docker-push,--use-image gocdnext-plugin-$(name)=localhost/gocdnext-plugin-$(name):dev)

publish-needs:
	@: $(foreach name,SECRETS SIGNER ISSUER,$(or $(strip $($(name))),$(error make publish needs $(name): RELEASING.md says what it is)))

engine-stop: .venv/installed
	@$(BIN)/python -m testbed engine down

engine-remove: .venv/installed
	@$(BIN)/python -m testbed engine remove

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache build dist
