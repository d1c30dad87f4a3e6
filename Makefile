# The front door. Each target installs what it needs (Debian), builds, and does its job.
BUILD ?= build
ASAN_BUILD ?= build-asan

.PHONY: all build demo test test-long lint asan bench fuzz arm64 model-card install clean
all: build

build:
	@tools/setup.sh build
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) >/dev/null
	@ninja -C $(BUILD) --quiet

demo: build
	@tools/setup.sh demo
	@tools/demo.sh $(BUILD)

test:
	@tools/setup.sh build test
	@tools/run_tests.sh $(BUILD) fast

test-long:
	@tools/setup.sh build test fuzz arm64
	@tools/run_tests.sh $(BUILD) long

lint:
	@tools/setup.sh build lint
	@$(MAKE) --no-print-directory build
	@tools/lint.sh $(BUILD)

asan:
	@tools/setup.sh build test
	@tools/run_tests.sh $(ASAN_BUILD) fast -Db_sanitize=address,undefined -Db_lundef=false

bench: build
	@tools/setup.sh bench
	@bench/run.sh $(BUILD)

fuzz:
	@tools/setup.sh build fuzz
	@tools/fuzz.sh all $(RUNS)

# The whole program for 64-bit Arm, cross-built and tested under qemu.
arm64:
	@tools/setup.sh build test arm64
	@tools/arm64.sh build-arm64

# DATA: what tools/recipe/build.py and balance.py made; RUN: the training run's folder.
model-card: build
	@tools/setup.sh demo recipe
	@tools/model_card.py $(BUILD)/cli/sensus models/sensus-small $(DATA) $(RUN) $(if $(ABLATIONS),--ablations $(ABLATIONS))

install: build
	@meson install -C $(BUILD)

clean:
	rm -rf $(BUILD) $(ASAN_BUILD) build-arm64 build-fuzz
