# Every target installs what it needs, in .venv and nowhere else. No target needs an AWS account.
VENV ?= .venv
# The interpreter; empty: the first of those below that is 3.11 or later and can make a virtual environment.
PYTHON ?=
py := $(VENV)/bin/python
# The packages of $(VENV).
REQUIREMENTS ?= requirements.txt
# The program uv, if there is one: it installs in a tenth of pip's CPU time. .ci/run gives it.
UV ?=

# The program that deploys: the open-source fork of the Serverless Framework, on npm. deploy/package-lock.json says which
# version, with the hash of everything in it.
OSLS := deploy/node_modules/.bin/osls
# npm writes this last. (The files of a package have the times that their author gave them.)
osls := deploy/node_modules/.package-lock.json
# The parameters of the deployment, in the form that osls takes.
PARAMS ?= --param bucket=my-origin --param distributions=E1A2B3C4D5E6F7,E7F6D5C4B3A2E1

# The worlds to simulate: a number of them from the FIRST on, or the one of a seed, with its trace.
SEEDS ?= 500
FIRST ?= 0
SEED ?=
# The time for inputs at random.
SECONDS ?= 300

# Three times as many workers as processors, because many tests wait for processes of their own.
workers := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 3)))

.PHONY: help demo quick test check lint formatting complexity types security templates format docs simulate fuzz \
	bench bench-deployment bench-planner package zips release requirements clean

help:
	@echo 'make demo              watch uploads become invalidations, on an embedded AWS'
	@echo 'make quick             run the quick tests, while you work: 45 seconds'
	@echo 'make test              run all tests'
	@echo 'make check             check lint, formatting, complexity, types and security; each of these is a target, too'
	@echo 'make templates         have checkov look at the templates that are deployed: two minutes, the first time'
	@echo 'make format            format the code, and fix lint that can be fixed'
	@echo 'make docs              write docs/cli.md, the manual of the command line, from the help of its commands'
	@echo 'make simulate          simulate failures of all kinds in SEEDS=500 worlds, or in the world of SEED=n'
	@echo 'make fuzz              try inputs at random for SECONDS=300: no other error than our own may come of them'
	@echo 'make bench             measure speed and scale: writes benchmarks/results.json, results.md, a plot, the README'
	@echo 'make bench-deployment  simulate deploys, ours and others: writes benchmarks/deployment.json, deployment.md, a plot'
	@echo 'make bench-planner     measure the planner of wildcards beside other tools: writes benchmarks/planner.md'
	@echo "make package           make the deployment package with osls and check it; PARAMS='--param bucket=… …'"
	@echo 'make zips              make the zips of the functions, in .build, which template.yml names'
	@echo 'make release           make the files of a release of the commit, in dist: CONTRIBUTING.md says how to publish them'
	@echo 'make requirements      pin the newest versions, with their hashes, in requirements*.txt and deploy/package-lock.json'
	@echo 'make clean             remove everything that these targets made'
	@echo 'PYTHON=… is the interpreter for .venv and for the bytecode in the package: Lambda runs 3.13, which a release takes.'

# The packages of all other targets contain those of the demo, which are a fifth as large.
demo: $(if $(wildcard $(VENV)/.ready),$(VENV)/.ready,$(VENV)/.local)
	@$(py) -m invalidator demo

quick: $(VENV)/.ready
	@$(py) -m pytest -n $(workers) --dist worksteal -m 'not slow' --hypothesis-profile quick $(PYTEST_ARGS)

test: $(VENV)/.ready
	@$(py) -m pytest -n $(workers) --dist worksteal $(PYTEST_ARGS)

check: lint formatting complexity types security

lint: $(VENV)/.ready
	@$(py) -m ruff check .

formatting: $(VENV)/.ready
	@$(py) -m ruff format --check .

# A function does one thing: boolean operators and comprehensions count as branches, which they do not for ruff.
complexity: $(VENV)/.ready
	@above=$$($(py) -m radon cc --min C --show-complexity --ignore node_modules invalidator benchmarks docs deploy); \
		[ -z "$$above" ] || { printf '%s\n' "$$above" 'make: these have a complexity of more than 10: split them by concept.' >&2; exit 1; }

types: $(VENV)/.ready
	@$(py) -m mypy

security: $(VENV)/.ready
	@$(py) -m bandit --quiet --configfile pyproject.toml --recursive invalidator deploy docs

# Not a part of "check", because it takes a minute or two to install.
ifeq ($(shell command -v npm 2>/dev/null),)
templates:
	@echo 'make: the templates are not checked: npm was not found, with which osls is installed.' >&2
else
templates: $(VENV)/.ready .venv-checkov/.ready $(osls)
	@rm -rf .build/templates
	@$(py) -m tests.doubles.packaged .build/templates
	@.venv-checkov/bin/checkov --config-file deploy/checkov.yml --directory .build/templates
endif

format: $(VENV)/.ready
	@$(py) -m ruff check --fix --exit-zero --quiet .
	@$(py) -m ruff format .

docs: $(VENV)/.ready
	@$(py) -m docs.generate

fuzz: $(VENV)/.ready
	@$(py) -m tests.fuzz --seconds $(SECONDS)

simulate: $(VENV)/.ready
	@$(py) -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST))

bench-deployment: $(VENV)/.ready
	@$(py) -m benchmarks.deployment

bench-planner: $(VENV)/.ready
	@$(py) -m benchmarks.planner

bench: $(VENV)/.ready
	@$(py) -m benchmarks

package: $(VENV)/.ready $(osls)
	@PYTHON=$(PYTHON) $(OSLS) package $(PARAMS)
	@$(VENV)/bin/cfn-lint --template .serverless/cloudformation-template-update-stack.json && echo 'cfn-lint has no objections.'
	@for zip in .build/*.zip; do echo; echo "$$zip, $$(wc -c <$$zip) bytes:"; $(py) -m zipfile --list $$zip; done

# As deploy/package.js does it, but without Node.js.
zips:
	@pythons=$$(for candidate in $(or $(PYTHON),python3.13 python3 $(VENV)/bin/python python); do \
		"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$candidate"; \
	done); \
	if [ -z "$$pythons" ]; then \
		echo 'make: the zips were not made, for which Python 3.11 or later is needed. $(if $(PYTHON),PYTHON=$(PYTHON) is no such Python.,None was found. Name one with PYTHON=…)' >&2; exit 1; \
	fi; \
	set -- $$pythons; PYTHON=$(PYTHON) "$$1" -Es -m deploy.pythons .build "$$@"

# -Es: environment variables could change what is made.
release: .venv-release/.ready
	@.venv-release/bin/python -Es $(run) deploy.release
	@.venv-release/bin/python -Es -m twine $$([ -t 2 ] || echo --no-color) check --strict dist/*.whl dist/*.tar.gz >&2

# --universal: with the hashes of the files for all platforms.
pin = $(py) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-emit-package invalidator --custom-compile-command 'make requirements'

requirements: $(VENV)/.ready
	@$(py) -m pip install --quiet uv
	@$(pin) --upgrade --all-extras pyproject.toml --output-file requirements.txt
	@$(pin) --extra local --constraint requirements.txt pyproject.toml --output-file requirements-local.txt
	@echo hatchling | $(pin) --upgrade --constraint requirements.txt pyproject.toml - \
		--output-file requirements-cli.txt
	@printf 'aws-lambda-powertools\nbotocore\n' | $(pin) --constraint requirements.txt - --output-file deploy/requirements-lambda.txt
	@echo uv | $(pin) --upgrade - --output-file deploy/requirements-uv.txt
	@printf 'cyclonedx-python-lib\nhatchling\npyyaml\ntwine\n' | $(pin) --upgrade --constraint requirements.txt - \
		--output-file deploy/requirements-release.txt
	@echo checkov | $(pin) --upgrade - --output-file deploy/requirements-checkov.txt
	@printf 'aws-cdk-lib\npython-hcl2\n' | $(pin) --upgrade - --output-file deploy/requirements-cdk.txt
	@npm update --prefix deploy --package-lock-only --omit-lockfile-registry-resolved

clean:
	rm -rf .venv .venv-* .serverless .build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache deploy/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Install the packages of a file for a Python: only what the file names, with the hashes that it names, and nothing that
# would be built by programs without one. What uv cannot install, pip may: it reads other settings.
# Compiling all modules takes longer than installing them, and most are never imported. To put pip into a virtual environment
# takes ten seconds: a third argument is a Python that has it.
define install
	@trap 'exit 130' INT; \
	[ -n "$(UV)" ] && $(UV) pip install --python $(1) --quiet --no-deps --require-hashes --only-binary :all: --requirement $(2) \
		|| $(or $(3),$(1)) $(run) pip --python $(1) install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes \
		--only-binary :all: --requirement $(2)
endef

# Run a module, which Ctrl-C ends without a traceback.
run := -c 'import runpy, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); \
	runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)'

# Make $(VENV) anew, with the packages of a file.
define set-up
	@# Through a link, venv --clear empties what the link leads to, and then fails.
	@[ ! -L $(VENV) ] || { echo 'make: $(VENV) is a link. Remove the link, or name another folder: make VENV=…' >&2; exit 1; }
	@echo 'Installing into $(VENV), once: this takes a minute …' >&2
	@python=$$(for candidate in $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python); do \
		"$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
			&& echo "$$candidate" && exit; \
	done); \
	if [ -z "$$python" ]; then \
		echo 'make: $(if $(PYTHON),PYTHON=$(PYTHON) is no,no) Python 3.11 or later with venv$(if $(PYTHON),, was found). Install one (on Debian and Ubuntu: apt install' \
			'python3-venv), or name one: make PYTHON=/path/to/python3.13' >&2; exit 1; \
	fi; \
	"$$python" $(run) venv --clear $(VENV)
	$(call install,$(py),$(1))
	@touch $@
endef

$(VENV)/.ready: $(REQUIREMENTS)
	$(call set-up,$(REQUIREMENTS))

$(VENV)/.local: requirements-local.txt
	$(call set-up,requirements-local.txt)

# It wants other versions of boto3 and others than the tests do.
.venv-checkov/.ready: deploy/requirements-checkov.txt | $(VENV)/.ready
	@echo 'Installing checkov into .venv-checkov, once …' >&2
	@$(py) $(run) venv --clear --without-pip .venv-checkov
	$(call install,.venv-checkov/bin/python,deploy/requirements-checkov.txt,$(py))
	@touch $@

# With what the examples for CDK and Terraform are tried, which is four times as large as all the rest.
.venv-cdk/.ready: deploy/requirements-cdk.txt | $(VENV)/.ready
	@echo 'Installing CDK into .venv-cdk, once …' >&2
	@$(py) $(run) venv --clear --without-pip .venv-cdk
	$(call install,.venv-cdk/bin/python,deploy/requirements-cdk.txt,$(py))
	@touch $@

# The zips of a release have bytecode for Lambda's Python, which only that Python makes.
.venv-release/.ready: deploy/requirements-release.txt
	@echo 'Installing what makes a release into .venv-release, once …' >&2
	@python=$$(for candidate in $(or $(PYTHON),python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13.*/bin/python python3); do \
		"$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null \
			&& echo "$$candidate" && exit; \
	done); \
	if [ -z "$$python" ]; then \
		echo 'make: $(if $(PYTHON),PYTHON=$(PYTHON) is no,no) Python 3.13 with venv$(if $(PYTHON),, was found), which Lambda runs. Name one: make release PYTHON=/path/to/python3.13' >&2; \
		exit 1; \
	fi; \
	"$$python" $(run) venv --clear .venv-release
	$(call install,.venv-release/bin/python,deploy/requirements-release.txt)
	@touch $@

$(osls): deploy/package.json deploy/package-lock.json
	@command -v npm >/dev/null || { echo 'make: npm was not found. Install Node.js 20 or later' \
		'(on Debian and Ubuntu: apt install npm).' >&2; exit 1; }
	@npm ci --prefix deploy --no-audit --no-fund --loglevel error
