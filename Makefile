# Rebake: every target sets up what it needs and is quick when that stands already.
.POSIX:

BIN = .venv/bin
# Packer from scripts/get-packer is found by every target below, after one that is on PATH already.
WITH_TOOLS = PATH="$$PATH:$$PWD/.tools/bin"

VERBS = bake smoke roll rollback promote release repair sweep baselines report halt unhalt revoke unlock approve due watch-sources sla patches windows gate status watch history show diff iam init schema
SANDBOX = sandbox-up sandbox-down sandbox-status sandbox-logs

.PHONY: help setup packer base demo demo-cve crash-matrix chaos bench-traffic bench-compliance test check lint lock audit preflight plan clean $(VERBS) $(SANDBOX)

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

## Try it
##   make demo                   the main job on a sandbox: bake, smoke test, promote, roll
##   make demo-cve               from a published fix to a proven fleet: due, patches, diff, SBOM, compliance, gate
##   make chaos                  releases and ways back in a hostile cloud: throttled, answers lost, slow; ARGS names scenarios
##   make crash-matrix           every command, killed before and after each of its AWS calls and run again; ARGS names rows
##   make bench-traffic          rollouts under real HTTP load, good and bad images: what failed, how long, what is left
##   make bench-compliance       the compliance of 5,000 instances: calls, memory, its page in a browser
##
## Work on it
##   make setup                  .venv from requirements.lock (hashes checked)
##   make packer                 Packer into .tools unless one is on PATH
##   make base                   the sandbox's base image, in the background, unless it is there
##   make test                   the whole test suite; ARGS goes to pytest
##   make check                  lint, then the whole suite with its coverage gate: the project's own check
##   make lint                   ruff, bandit, mypy, import-linter, shellcheck
##   make lock                   requirements.lock anew from pyproject.toml; ARGS=--upgrade takes newer versions
##   make audit                  known vulnerabilities of what requirements.lock names; asks a service in the network
##   make clean                  remove all that the targets made, .venv and .tools too
##
## Use it (with rebake.yaml here; ARGS goes to the command, as in ARGS="--json --dry-run")
##   make init                   a commented rebake.yaml to start from
##   make schema                 its JSON Schema for editors
##   make preflight              rebake check --live: what would fail, told before anything is built
##   make plan                   what would be done, and why
##   make due                    which families are due for a release, and why; make watch-sources: as they become due
##   make sla                    how soon fixes come to every fleet, and who is late
##   make patches FAMILY=web     which patches a bake would install (ARGS=--survey: ask the source image first)
##   make baselines              SSM's patch baselines as in the file
##   make bake FAMILY=web        a new candidate image, unless its bake key stands already
##   make smoke FAMILY=web       test the candidate
##   make promote FAMILY=web     move the channel to the tested image
##   make roll FLEET=web-dev     replace the fleet's instances
##   make rollback FLEET=web-dev put the fleet back on the image before
##   make release FAMILY=web     bake, smoke, promote, roll
##   make repair                 put back what a killed run has left (FLEET=web-dev: only there)
##   make sweep                  what killed bakes and tests have left; ARGS=--yes removes it
##   make halt ARGS='--all --reason "…"' stop every rollout, at once; make unhalt ARGS=--all lets go
##   make revoke ARGS='ami-… --reason "…"' take an image out of use, at once and for good
##   make unlock ARGS='--fleet …' let go of a fleet for a run that is dead
##   make approve RUN=…          say yes to a rollout that waits (ARGS=--reject: no)
##   make gate ARGS="--fleet web-prod" the release gate's verdict on what the fleet runs
##   make windows                when fleets may be rolled next
##   make report                 is every instance compliant, and why not (ARGS='--html compliance.html')
##   make status | watch         images, channels and fleets as they stand; the same, live
##   make history | show RUN=…   the runs: who, when, how they ended, and what AWS has of it; one of them, step by step
##   make iam                    the IAM policy that the verbs need; ARGS="--for roll": those of a part of them
##   make diff OLD=ami-… NEW=ami-… the packages that differ between two images
##
## Sandbox
##   make sandbox-up | sandbox-down | sandbox-status | sandbox-logs

setup:
	@scripts/setup-venv

packer:
	@scripts/get-packer >/dev/null

# The base image is made by the system's Python while pip installs; what needs it first waits for its lock.
base:
	@(python3 -m pipeline.sandbox.real >/dev/null 2>&1 &)

demo: base setup packer
	@$(WITH_TOOLS) $(BIN)/python scripts/demo.py $(ARGS)

demo-cve: base setup packer
	@$(WITH_TOOLS) $(BIN)/python scripts/demo_cve.py $(ARGS)

test: base setup packer
	@$(WITH_TOOLS) scripts/run-tests $(ARGS)

# The harness stands on the tests' own sandbox account.
chaos: setup
	@PYTHONPATH=tests $(BIN)/python scripts/chaos.py $(ARGS)

crash-matrix: setup
	@PYTHONPATH=tests $(BIN)/python scripts/crash_matrix.py $(ARGS)

bench-traffic: setup
	@$(BIN)/python scripts/bench_traffic.py $(ARGS)

bench-compliance: setup
	@PYTHONPATH=tests $(BIN)/python scripts/bench_compliance.py $(ARGS)

check: lint test
	@$(BIN)/coverage report

lint: setup
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/bandit --quiet --recursive --configfile pyproject.toml pipeline scripts packer_templates
	@$(BIN)/mypy --no-error-summary
	@report=$$($(BIN)/lint-imports) || { printf '%s\n' "$$report"; exit 1; }
	@scripts/lint-shell

lock: setup
	@$(BIN)/pip-compile --quiet --generate-hashes --all-extras --allow-unsafe --strip-extras --no-header \
	    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
	    --output-file requirements.lock $(ARGS) pyproject.toml

# Exit code of the script: 0 clean, 1 vulnerable, 69 when the service could not be asked.
audit: setup
	@scripts/audit

preflight: setup packer
	@$(WITH_TOOLS) $(BIN)/rebake check --live $(ARGS)

# rebake itself ends with 2 when changes are pending, which is no failure here.
plan: setup
	@$(WITH_TOOLS) $(BIN)/rebake plan $(FAMILY) $(ARGS) || [ $$? = 2 ]

bake release patches: packer

$(VERBS): setup
	@$(WITH_TOOLS) $(BIN)/rebake $@ $(FAMILY) $(FLEET) $(RUN) $(OLD) $(NEW) $(ARGS)

$(SANDBOX): setup
	@verb=$@ && $(WITH_TOOLS) $(BIN)/rebake sandbox "$${verb#sandbox-}" $(ARGS)

clean:
	@rm -rf .venv .tools .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache \
	    .import_linter_cache dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
