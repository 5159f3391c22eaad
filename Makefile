# The same verbs for people and for the robot.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
WORKERS ?= 2
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadgroup

.PHONY: demo studio test test-slow test-web test-comfyui test-cpus test-device fuzz soak check bench docs gallery screenshots styles dreamnet dreamnet-report site wheel clean

demo: $(READY)  ## set up, and make real pictures with the embedded network
	$(BIN)/python examples/demo.py demo

studio: $(READY)  ## every craft in a page, over a queue that survives anything
	$(BIN)/reverie studio

test: $(READY)  ## offline, on a CPU, in minutes; no test over five seconds (tests/budget.py)
	$(PYTEST) -m "not slow and not accelerator"

test-slow: $(READY)  ## everything
	$(PYTEST)

test-web: $(READY)  ## the studio and exported pages in a real Chromium (Debian: chromium, chromium-driver), with npm
	$(PYTEST) -rs tests/export/test_pages.py tests/pictures/test_strip_in_chromium.py tests/recipes/test_atlas.py tests/studio/test_studio_page.py tests/studio/test_studio_journeys.py

test-comfyui: $(READY)  ## our nodes in a real ComfyUI: COMFYUI=its checkout, COMFYUI_PYTHON=the Python it runs with
	$(or $(COMFYUI_PYTHON),$(BIN)/python) integrations/comfyui/try_in_comfyui.py $(COMFYUI)

test-cpus: $(READY)  ## same seed, same bits: whatever the processor's vectors, the libraries' choices, threads, addresses
	$(BIN)/python -m tests.cpus

test-device: $(READY)  ## on the accelerators of this machine: agreement, same bits, memory; says so where there is none
	$(BIN)/pytest -rs -m accelerator

fuzz: $(READY)  ## untrusted files by the thousand: read, or refused in one line (FUZZ="--seconds 120 --seed 1")
	$(BIN)/python -m fuzz $(FUZZ)

soak: $(READY)  ## the studio under kills, a full disk and a moved clock: every job done once, to the bit (SOAK="--jobs 20")
	$(BIN)/python -m tests.studio.soak soaked $(SOAK)

check: $(READY)  ## style, types, and the documentation's spelling, links and paths
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/python docs/check.py

bench: $(READY)  ## ratios measured side by side, and peaks of memory, into benchmarks/*.json
	$(BIN)/python -m benchmarks.speed benchmarks/results.json
	$(BIN)/python -m benchmarks.terms benchmarks/terms.json docs/controls.md
	$(BIN)/python -m benchmarks.instant benchmarks/instant.json
	$(BIN)/python -m benchmarks.starts benchmarks/starts.json
	$(BIN)/python -m benchmarks.custom_style benchmarks/custom_style.json
	$(BIN)/python -m benchmarks.memory benchmarks/memory.json docs/memory.md
	$(BIN)/python -m benchmarks.video benchmarks/video.json

docs: $(READY)  ## the pictures of the README, made anew, and the drawing of the rooms
	$(BIN)/python docs/draw_rooms.py
	$(BIN)/python examples/readme_pictures.py docs/pictures

gallery: $(READY)  ## a picture for each control, made anew where its commands have changed
	$(BIN)/python examples/gallery.py docs/gallery
	$(BIN)/python examples/presets.py docs/presets
	$(BIN)/python examples/gallery_clips.py docs/gallery

screenshots: $(READY)  ## the studio's pictures in its documentation, taken anew in a real Chromium
	$(BIN)/python -m tests.studio.screenshots docs/pictures/studio

styles: $(READY)  ## paint the sample styles anew
	$(BIN)/python -m painting src/reverie/styles

dreamnet-report: $(READY)  ## the figures of the embedded network's card
	$(BIN)/python training/report_dreamnet.py

site: $(READY) build/extra/live/index.html  ## the chapters of learn/ and zh/, run, with the documentation: build/site/learn/index.html
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,docs]'
	$(BIN)/sphinx-build -q -W --keep-going -c learn -d build/doctrees . build/site

build/extra/live/index.html: $(READY)  # for the chapter on machines, which does without it where npm cannot be run
	-$(BIN)/reverie export instant -o build/extra/live

wheel: $(READY)  ## the wheel and the sdist, tried in an empty environment
	$(BIN)/python .ci/wheel.py dist

clean:
	rm -rf .venv demo soaked build dist

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
