# One set of commands, by hand and in CI. Each target sets up what it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
CAMPAIGN := .cache/powerloss
FUZZ_S := 120
C_TIMES := 20
TESTS := tests
SEARCH := --part STM32L476xG --size small
# Where Python may not keep what it compiled, each worker rewrites the asserts of all tests anew, and
# each command that a test starts compiles the project first: three times the CPU to begin with.
unexport PYTHONDONTWRITEBYTECODE
# Two more than processors: tests of ports and processes wait most of their time.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
FUZZ_IMAGES := hex srec ti-txt elf zip tar gzip manifest tlv signed

.PHONY: demo compiled compiled-tree test-compiled same-builds ci-compiled ci-speed front-cache test lock lint types imports format pytest detools random powerloss strategies costs hall mutants mutation kills serial-kills thorough bootloaders core-on-chip line judges flips damage fuzz fuzz-c equivalence core-mutants bench bench-commit bench-paired bench-replay bench-serial stub docs firmware conformance apt clean help

help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

# Development tools are installed as pinned in requirements/, by hash; the project itself without its
# dependencies, for the pins have them.
PINNED := $(BIN)/python -m pip install --quiet --require-hashes --requirement

$(STAMP): pyproject.toml mcu_updater/__init__.py requirements/dev.txt
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(PINNED) requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Of each group of pyproject.toml one file, with what the tests have in the same release.
PINS := $(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --custom-compile-command 'make lock'
WHEELS := --only-binary :all:

lock: $(STAMP)   ## renew the pinned releases in requirements/ from pyproject.toml
	$(PINS) $(WHEELS) --group dev --group interop --extra cluster --extra cpu --extra hosts --extra native --extra console --extra rar --output-file requirements/dev.txt
	$(PINS) --constraint requirements/dev.txt --extra delta --output-file requirements/delta.txt
	for group in bench docs fuzz mutation; do \
	  $(PINS) $(WHEELS) --constraint requirements/dev.txt --group $$group --output-file requirements/$$group.txt || exit 1; \
	done

# detools has no wheels. Tried again in every run until a compiler is there.
detools: $(STAMP)
	@$(BIN)/python -c 'import detools' 2>/dev/null || \
	  { command -v cc >/dev/null && $(PINNED) requirements/delta.txt; } || \
	  echo "detools cannot be built here (C compiler? make apt): tests that ask it are skipped"

demo: $(STAMP)   ## a whole upgrade on the emulated board, cut once and carried on
	@set -eu; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; board=$$folder/demo.board; \
	run() { echo; echo "\$$ mcu-updater $$*"; $(BIN)/mcu-updater "$$@"; }; \
	run board new "$$board" --version 1.0.0 --image fixtures/fixture-1.0.0.bin; \
	code=0; run update fixtures/fixture-2.0.0.hex --board "$$board" --cut-at 600 || code=$$?; \
	echo "=> exit code $$code"; test $$code -eq 9; \
	for command in status why boot status; do run board $$command "$$board"; done; \
	$(BIN)/mcu-updater board status "$$board" --json | $(BIN)/python -c "$$RUNS_NEW"

# Succeeds when the next start runs the new version from the other bank, confirmed.
define RUNS_NEW
import json, sys
bank = next(b for b in json.load(sys.stdin)["banks"] if b["boots_next"])
found = bank["name"], bank["version"], bank["phase"]
sys.exit(0 if found == ("B", "2.0.0", "CONFIRMED") else f"demo: expected 2.0.0 in B: {found}")
endef
export RUNS_NEW

# What takes one processor runs beside what takes one; the tests take all that there are.
test: $(STAMP) $(VENV)/.docs ## everything that must be green
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint types imports docs .cache/collected
	@$(MAKE) --no-print-directory pytest

# In a fresh clone every worker would compile all tests, and rewrite their asserts. What cannot be
# collected is told by pytest.
.cache/collected: $(STAMP)
	@mkdir -p $(@D)
	@$(BIN)/pytest --collect-only -qq >$@ 2>&1 || true

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

pytest: $(STAMP) detools
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

random: $(STAMP) ## the tests that try random examples, with another seed; SEED=N repeats a run
	@seed=$${SEED:-$$($(BIN)/python -c 'import secrets; print(secrets.randbits(32))')}; \
	again="make random SEED=$$seed TESTS='$(TESTS)'"; echo "to repeat this run: $$again"; \
	$(BIN)/pytest -n auto -m hypothesis --hypothesis-profile random --hypothesis-seed $$seed $(TESTS) || \
	  { code=$$?; echo "to repeat this run: $$again"; exit $$code; }

format: $(STAMP) ## let ruff lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

powerloss: $(STAMP)  ## explore every scenario on one part of each class; formats, strategies, whole slots (takes hours)
	@mkdir -p $(CAMPAIGN)
	$(BIN)/mcu-updater powerloss --part each --scenario all --html $(CAMPAIGN)/scenarios.html \
	  --junit $(CAMPAIGN)/scenarios.xml --json-file $(CAMPAIGN)/scenarios.json --certificates $(CAMPAIGN)
	$(BIN)/mcu-updater powerloss --check $(CAMPAIGN)/STM32L476xG_remap_good_bin_3996b_s0.certificate.gz
	$(BIN)/mcu-updater powerloss --scenario good --format hex --format s19
	$(BIN)/mcu-updater powerloss --strategy all
	$(BIN)/mcu-updater powerloss --part each --size full --html $(CAMPAIGN)/slots.html

strategies: $(STAMP) ## six strategies on one part of each class: table, picture and data of docs/explanation/which-strategy-bricks-which-part.md; twenty minutes
	$(BIN)/python -m examples.strategies

costs: $(STAMP)  ## what each power-loss scenario costs, into costs.py and docs/explanation/powerloss.md (takes an hour)
	$(BIN)/python benchmarks/powerloss_costs.py

hall: $(STAMP)   ## failures of the field and their good twins, by four methods, into docs/explanation/hall-of-bricks.md; some minutes
	$(BIN)/python -m examples.hall_of_bricks.hall --write

mutants: $(STAMP) ## are seeded faults found, and by what? into docs/explanation/mutants.md; an hour, and an interrupted run goes on
	$(BIN)/python -m tests.mutants.run --table docs/explanation/mutants.md

mutation: $(STAMP) ## random small edits of journal, boot and decide; see docs/explanation/mutation.md
	$(PINNED) requirements/mutation.txt
	rm -rf .mutation && mkdir .mutation
	cp -r mcu_updater flash_emulator tests pyproject.toml .mutation
	cd .mutation && ../$(BIN)/mutmut run && ../$(BIN)/mutmut results

kills: $(STAMP)  ## kill an update of a served module 200 times over a pty and over TCP, 15 minutes
	MCU_UPDATER_KILLS=200 $(BIN)/pytest -q tests/board/attached/test_two_processes.py -k killed \
	  -o junit_family=xunit1 --junitxml .cache/kills.xml
	@$(BIN)/python -c "$$COUNT_KILLS" .cache/kills.xml

# How many clients were killed while they ran, and how their upgrades ended, by wire.
define COUNT_KILLS
import sys
from collections import Counter
from xml.etree import ElementTree
killed, ended = Counter(), Counter()
for case in ElementTree.parse(sys.argv[1]).iter("testcase"):
    found = {one.get("name"): one.get("value") for one in case.iter("property")}
    wire = case.get("name").partition("[")[2].partition("-")[0]
    killed[wire] += int(found["killed while it ran"])
    ended[wire, found["ended"]] += 1
for what in (killed, ended):
    print(*(f"{count} {key}" for key, count in what.items()), sep="\n")
endef
export COUNT_KILLS

thorough: $(STAMP) ## all tests, each with all that it can try; half an hour and more
	MCU_UPDATER_THOROUGH=1 $(BIN)/pytest -q -n auto --dist worksteal --timeout 3600 $(TESTS)

bootloaders: $(STAMP) ## random bootloaders, searched as usual and by brute force; FROM=0 TO=2000 repeats a run
	@$(BIN)/python -m tests.flash_emulator.explore.compare_bootloaders $${FROM:-0} $${TO:-2000} $(CLASSES)

core-on-chip: $(STAMP) ## the whole C core on the emulated chip beside that in Python, on every state of closures; hours
	$(BIN)/python -m tests.core_c.core_on_chip --table .cache/core-on-chip.md

line: $(STAMP)   ## change, lose and double every byte of the AT line in turn, some minutes
	MCU_UPDATER_LINE=all $(BIN)/pytest -q tests/board/attached/test_line_bytes.py

judges: $(STAMP) ## four clients of others against the emulated boot ROM, a minute
	$(BIN)/pytest -q tests/flash_emulator/bootrom/test_clients.py

serial-kills: $(STAMP)  ## kill a flash of a served chip, host or chip, 200 times, some minutes
	MCU_UPDATER_KILLS=200 $(BIN)/pytest -q --timeout 3600 tests/stm32/test_kills.py

damage: $(STAMP) ## 10,000 random damages of delta packages of each profile, some minutes
	MCU_UPDATER_DAMAGES=10000 $(BIN)/pytest -q tests/core/delta/test_delta_damage.py

fuzz: $(STAMP)   ## coverage-guided fuzzing of both AT grammars, all formats, packages and signed images; FUZZ_S seconds each
	$(PINNED) requirements/fuzz.txt
	for each in module client; do \
	  $(BIN)/python -m tests.fuzz.at $$each .cache/fuzz/at-$$each -max_total_time=$(FUZZ_S) -max_len=4096 || exit 1; \
	done
	for each in $(FUZZ_IMAGES); do \
	  $(BIN)/python -m tests.fuzz.images $$each .cache/fuzz/$$each \
	    -max_total_time=$(FUZZ_S) -max_len=4096 -timeout=10 -rss_limit_mb=1024 || exit 1; \
	done

fuzz-c: $(STAMP) ## the C core's decoders, writer, loader and AT client against Python's: C_TIMES as many random examples as in a test run, under sanitizers
	MCU_UPDATER_C_EXAMPLES=$(C_TIMES) MCU_UPDATER_THOROUGH=1 $(BIN)/pytest -q --timeout 36000 \
	  tests/core_c/test_sanitizers.py

flips: $(STAMP)  ## 10,000 single-bit flips and all truncations of signed images, some minutes
	MCU_UPDATER_FLIPS=10000 $(BIN)/pytest -q tests/core/trust/test_campaign.py

equivalence: $(STAMP) ## the core in C against that in Python, on every state of ten closures on four parts; an hour and more, an interrupted run goes on
	$(BIN)/python -m tests.core_c.equivalence --table .cache/core-in-c.md

core-mutants: $(STAMP) ## seeded mistakes in the C core: what of the comparison with Python finds each; half an hour
	$(BIN)/python -m tests.core_c.mutants --table .cache/core-mutants.md

bench: bench-commit  ## wall time, flash operations per second, peak memory, profile; and the history's next entry
	$(PINNED) requirements/bench.txt
	$(BIN)/python benchmarks/update.py
	$(BIN)/python benchmarks/update.py --profile hex
	$(BIN)/python benchmarks/flash.py
	$(BIN)/python benchmarks/registers.py
	$(BIN)/python -m benchmarks.firmware operations boots restart swaps
	$(BIN)/python -m benchmarks.core_c size states boots
	$(BIN)/python benchmarks/powerloss.py
	$(BIN)/python benchmarks/at_leg.py --check
	$(BIN)/python benchmarks/images.py --check
	$(BIN)/python benchmarks/delta.py apply
	$(BIN)/python benchmarks/delta.py state
	$(BIN)/python benchmarks/delta.py resume
	$(BIN)/python -m benchmarks.served_modules

bench-commit: $(STAMP) ## what fixed pieces of work cost, by turns with commit BEFORE=HEAD^, into the history of docs/explanation/speed.md
	$(BIN)/python -m benchmarks.history run --before $${BEFORE:-HEAD^}

bench-paired: $(STAMP) ## the same, and only said: what costs more than a tenth more than before; two minutes; ONLY='hex boots' for less
	$(BIN)/python -m benchmarks.history say --before $${BEFORE:-HEAD^} --runs 3 $(if $(ONLY),--only $(ONLY))

bench-replay: $(STAMP) ## our STM32 host, stm32flash and stm32loader side by side, in virtual time
	$(BIN)/python benchmarks/stm32_replay.py

bench-serial: $(STAMP) ## the same by the clock, on a machine with nothing else to do (takes an hour)
	$(BIN)/python benchmarks/stm32_serial.py

stub: $(STAMP)   ## the loader stubs: 25 bad lines of each kind, and its figures, some minutes
	MCU_UPDATER_STUB_SEEDS=25 MCU_UPDATER_THOROUGH=1 $(BIN)/pytest -q tests/stm32/stub
	$(BIN)/python -m benchmarks.loader_stub_figures

$(VENV)/.docs: $(STAMP) requirements/docs.txt
	$(PINNED) requirements/docs.txt
	@touch $@

docs: $(VENV)/.docs ## the site, in .cache/site: every link checked, every warning an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

firmware:        ## rebuild fixtures/, the loader stubs and programs of tests from C (needs arm-none-eabi-gcc: make apt)
	$(MAKE) -C fixtures/firmware
	$(MAKE) -C mcu_updater/stm32/stub/firmware
	$(MAKE) -C tests/flash_emulator/machine/firmware
	$(MAKE) -C examples/hall_of_bricks

conformance: $(STAMP) ## instructions and exceptions against QEMU, 360,000 cases, some minutes; the corpus written again
	$(BIN)/python -m tests.flash_emulator.machine.conformance.corpus
	MCU_UPDATER_THOROUGH=1 $(BIN)/pytest -q tests/flash_emulator/machine/conformance

apt:             ## optional Debian packages: compilers, independent image tools and flashers, a browser
	PYTHON=$(PYTHON) .ci/debian-packages

# The wheel, compiled, in a venv of its own with the same pins; the developer's .venv stays pure.
COMPILED := .cache/compiled
WHEEL := .cache/dist

compiled: $(COMPILED)/.installed ## the compiled build: a wheel in .cache/dist, installed in .cache/compiled

$(COMPILED)/.installed: $(STAMP) hatch_build.py $(shell find flash_emulator mcu_updater -name '*.py' -o -name '*.c')
	rm -rf $(WHEEL) && mkdir -p $(WHEEL)
	MCU_UPDATER_PURE=0 $(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(WHEEL) .
	@test -d $(COMPILED) || $(BIN)/python -m venv $(COMPILED)
	$(COMPILED)/bin/python -m pip install --quiet --no-deps --force-reinstall $(WHEEL)/*.whl
	$(BIN)/python -c "$$SITE" > "$$($(COMPILED)/bin/python -c "$$SITE")/of_venv.pth"
	@touch $@

# All else that it imports is what .venv has: a path in a .pth file is looked at last, and what .pth
# files there say, that the sources lie here, is not read.
define SITE
import sysconfig
print(sysconfig.get_path("purelib"))
endef
export SITE

# Where the tests run on it: all of the tree but the packages, which are those that are installed.
COMPILED_ROOMS := tests/flash_emulator/array tests/flash_emulator/device \
  tests/flash_emulator/machine/test_front_cache.py tests/core/test_comparing.py
ROOMS := $(COMPILED_ROOMS) tests/flash_emulator/explore tests/flash_emulator/certificate_check \
  tests/project/test_build.py
BESIDE := tests fixtures examples benchmarks docs requirements .ci hatch_build.py pyproject.toml mkdocs.yml Makefile

compiled-tree: compiled
	rm -rf $(COMPILED)/tree && mkdir $(COMPILED)/tree
	cp -r $(BESIDE) $(wildcard *.md) LICENSE $(COMPILED)/tree
	for each in mcu_updater flash_emulator; do \
	  ln -s "$$($(COMPILED)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/$$each" $(COMPILED)/tree; \
	done

test-compiled: compiled-tree ## the tests of the rooms that are compiled, on the compiled build; ROOMS=tests for all tests
	cd $(COMPILED)/tree && ../bin/python -m pytest -q -n $(WORKERS) --dist worksteal $(ROOMS)

same-builds: compiled ## the same searches on both builds: reports and certificates compared; SEARCH='--scenario all' for more
	@rm -rf .cache/pure-search .cache/compiled-search && mkdir -p .cache/pure-search .cache/compiled-search
	$(BIN)/mcu-updater powerloss --no-config --quiet --json-file .cache/pure-search/report.json --certificates .cache/pure-search $(SEARCH)
	cd .cache && compiled/bin/mcu-updater powerloss --no-config --quiet --json-file compiled-search/report.json --certificates compiled-search $(SEARCH)
	$(BIN)/python -m tests.powerloss.same_searches .cache/pure-search .cache/compiled-search

# What CI asks of it beside the tests: under a minute each, and no clock decides anything.
ci-compiled: $(STAMP)
	@why="$$($(BIN)/python -c 'import hatch_build; print(hatch_build.why_not_here())')"; \
	if [ -n "$$why" ]; then echo "the compiled build is not tested: $$why"; \
	else $(MAKE) test-compiled ROOMS="$(COMPILED_ROOMS)"; fi

ci-speed:
	$(MAKE) bench-paired ONLY="help hex s19 program boots"

front-cache: $(STAMP) ## the machine's C extension, in place: the sources run with it, until `make clean`
	$(BIN)/python hatch_build.py

clean:
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache flash_emulator/machine/_front_cache*.so
