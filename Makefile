# Plain `make` lists the targets. Everything is installed into .venv, from the one file requirements.lock.

PYTHON ?= python3
DATASET ?= drawn_faces
PRESET ?= seed
TRAIN_FLAGS ?=
PYTEST_FLAGS ?= -n 2 --dist loadscope
UTKFACE_DIR ?=
FAIRFACE_DIR ?=
FACES_DIR ?=
RUN ?= runs/$(DATASET)

BIN := .venv/bin
export TF_CPP_MIN_LOG_LEVEL ?= 3

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run model web test test-slow benchmark check lock clean settings FORCE

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | sort | expand -t 18
	@echo
	@echo "  make run DATASET=utkface                       downloads UTKFace with kagglehub"
	@echo "  make run DATASET=utkface UTKFACE_DIR=folder    takes UTKFace from a folder"
	@echo "  make run DATASET=fairface FAIRFACE_DIR=folder  takes FairFace from a folder"
	@echo "  make run DATASET=face_folder FACES_DIR=folder  takes your own pictures, in male/ and female/"
	@echo "  Also: PRESET=smoke TRAIN_FLAGS='--epochs=3' RUN=runs/another PYTHON=python3.12"

# ---- Installing. A stamp is written after its step, so that an interrupted step is repeated from its start.

VERSIONS := 3.11 3.12 3.13
version_of = $(shell $(1) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
# A PYTHON that somebody named wins over a .venv made with another version; the default one does not.
ifneq ($(filter command environment,$(firstword $(origin PYTHON))),)
OTHER_PYTHON = $(if $(filter-out $(call version_of,$(BIN)/python),$(or $(call version_of,$(PYTHON)),none)),FORCE)
endif

define require_python
$(if $(filter $(VERSIONS),$(call version_of,$(PYTHON))),,$(error PYTHON=$(PYTHON) is \
$(or $(addprefix Python ,$(call version_of,$(PYTHON))),no Python that runs here) and one of $(VERSIONS) is needed: \
name it, as in PYTHON=python3.12))
endef

.venv/.locked: requirements.lock $(OTHER_PYTHON)
	$(require_python)
	@echo "Installing requirements.lock into .venv, some minutes the first time"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install -qq --requirement requirements.lock
	@touch $@

.venv/.installed: .venv/.locked setup.cfg
	@rm -f $@
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check
	@touch $@

# uv has an environment of its own, so that a lock that can't be installed can still be renewed.
build/uv/.installed:
	$(require_python)
	@$(PYTHON) -m venv --clear build/uv
	@build/uv/bin/python -m pip install -qq uv
	@touch $@

lock: build/uv/.installed ## renew requirements.lock from setup.cfg, for every Python version and system
	@UV_CUSTOM_COMPILE_COMMAND="make lock" build/uv/bin/uv pip compile --quiet --upgrade --universal \
		--python-version $(firstword $(VERSIONS)) --extra dev --annotation-style line \
		--generate-hashes --no-emit-index-url --no-emit-find-links setup.cfg --output-file requirements.lock
	@echo "requirements.lock names $$(grep -c == requirements.lock) releases, with the hashes of their files"

# ---- Checking

test: .venv/.installed ## run the tests, but those of test-slow
	@$(BIN)/python -m pytest $(PYTEST_FLAGS)

test-slow: .venv/.installed ## run the tests that take longest, which `make test` leaves out
	@$(BIN)/python -m pytest $(PYTEST_FLAGS) -m slow

benchmark: .venv/.installed ## measure speed, some 20 quiet minutes: UTKFACE_DIR=folder
	@if [ ! -d '$(UTKFACE_DIR)' ]; then \
		echo "error: make benchmark needs UTKFACE_DIR=folder; '$(UTKFACE_DIR)' is not a directory" >&2; exit 2; fi
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/run_all.py '$(UTKFACE_DIR)'

check: .venv/.installed ## check style, layout and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

clean: ## remove what was installed and built, but no run
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache

# ---- The whole road. Steps follow one another by their stamps and outputs: a second `make run` does what is left.
# .venv is an order-only prerequisite: installing anew is no reason to train anew.

DATASETS := drawn_faces utkface fairface face_folder
# data set -> the variable that says where its pictures lie, if they lie in a folder
FOLDER_OF_utkface := UTKFACE_DIR
FOLDER_OF_fairface := FAIRFACE_DIR
FOLDER_OF_face_folder := FACES_DIR
FOLDER_NAME := $(FOLDER_OF_$(DATASET))
FOLDER := $($(FOLDER_NAME))

ifneq ($(words $(DATASET)) $(filter $(DATASETS),$(DATASET)),1 $(DATASET))
$(error DATASET=$(DATASET) is not a data set that `make run` knows: give one of $(DATASETS))
endif
ifneq ($(filter run,$(MAKECMDGOALS)),)
$(foreach name,$(filter-out $(DATASET),$(DATASETS)),$(if $(filter command,$(firstword $(origin $(FOLDER_OF_$(name))))),\
$(error $(FOLDER_OF_$(name))=$($(FOLDER_OF_$(name))) is not used with DATASET=$(DATASET): add DATASET=$(name))))
ifeq ($(FOLDER),)
ifneq ($(filter fairface face_folder,$(DATASET)),)
$(error DATASET=$(DATASET) is taken from a folder: add $(FOLDER_NAME)=folder)
endif
endif
endif

DATA := $(RUN)/data
WORKDIR := $(RUN)/run
ARTEFACTS := $(RUN)/artefacts
PICTURES := $(RUN)/pictures
SETTINGS := $(strip --preset=$(PRESET) $(TRAIN_FLAGS))
# A stamp whose output is gone is worth nothing.
unless = $(if $(wildcard $(1)),,FORCE)

# The settings of an interrupted training are compared by --resume; a finished one is not run again, so here.
settings:
	@if [ -n '$(FOLDER)' ] && [ ! -d '$(FOLDER)' ]; then \
		echo "error: $(FOLDER_NAME)=$(FOLDER) is not a directory; give the folder of $(DATASET)" >&2; exit 2; fi
	@if [ -e $(RUN)/.trained ] && [ -e $(WORKDIR)/cnn_gender_classifier.keras ] && \
		[ "$$(cat $(RUN)/.trained)" != '$(SETTINGS)' ]; then \
		echo "error: $(WORKDIR) was trained with $$(cat $(RUN)/.trained), not with $(SETTINGS);" \
			"remove it, or keep both with RUN=another_folder" >&2; exit 2; fi
	@if [ -n '$(FOLDER)' ] && [ -e $(RUN)/.built ] && [ -d $(DATA)/$(DATASET) ] && \
		[ "$$(cat $(RUN)/.built)" != '$(FOLDER)' ]; then \
		echo "error: $(DATA) was built from $$(sed 's/^$$/a download/' $(RUN)/.built), not from $(FOLDER);" \
			"remove it, or keep both with RUN=another_folder" >&2; exit 2; fi

$(RUN)/.built: $(call unless,$(DATA)/$(DATASET)) | settings .venv/.installed
	@echo "== Building the data set $(DATASET) in $(DATA)"
	@mkdir -p $(RUN)
	@$(BIN)/tfds build --data_dir=$(DATA) $(if $(FOLDER),--manual_dir='$(FOLDER)') \
		--imports=gender_tfds.$(DATASET) $(DATASET)
	@echo '$(FOLDER)' > $@

# One data set, so none of the weights that a preset gives to several.
$(RUN)/.trained: $(RUN)/.built $(call unless,$(WORKDIR)/cnn_gender_classifier.keras) \
		$(call unless,$(WORKDIR)/metrics.json)
	@rm -f $@
	@echo "== Training in $(WORKDIR), and judging on the test faces"
	@$(BIN)/gender-train --dataset=$(DATASET) --dataset_weights= --data_dir=$(DATA) --workdir=$(WORKDIR) $(SETTINGS) --resume
	@echo '$(SETTINGS)' > $@

# 3: a format was refused, with its reason, as int8 may be of a model that has hardly been trained; the others are there.
$(RUN)/.exported: $(RUN)/.trained $(call unless,$(ARTEFACTS)/export.json)
	@echo "== Exporting to $(ARTEFACTS)"
	@$(BIN)/gender-export --workdir=$(WORKDIR) --data_dir=$(DATA) --output_dir=$(ARTEFACTS) || [ $$? -eq 3 ]
	@touch $@

$(RUN)/.drawn: $(call unless,$(PICTURES)) | settings .venv/.installed
	@echo "== Drawing pictures to score in $(PICTURES)"
	@$(BIN)/python -m gender_tfds.drawn_faces.draw --output_dir=$(PICTURES) --count=200
	@touch $@

ifeq ($(FOLDER_NAME),)
pictures_to_score = echo $(PICTURES)
else ifneq ($(FOLDER),)
# The other folders of UTKFace's archive hold the same faces again.
pictures_to_score = if [ -d '$(FOLDER)/UTKFace' ]; then echo '$(FOLDER)/UTKFace'; else echo '$(FOLDER)'; fi
else
pictures_to_score = $(BIN)/python -m gender_tfds.utkface.download
endif

# A table that is out of date holds another model's scores, finished or not: it is replaced, never gone on with.
$(RUN)/.scored: $(RUN)/.exported $(if $(FOLDER_NAME),,$(RUN)/.drawn) \
		$(call unless,$(RUN)/predictions.csv)
	@echo "== Scoring pictures"
	@pictures=$$($(pictures_to_score)) && { \
		$(BIN)/gender-score --model=$(ARTEFACTS)/model_float32.tflite --input="$$pictures" \
			--output=$(RUN)/predictions.csv --overwrite || [ $$? -eq 3 ]; }
	@touch $@

define RESULTS
run/cnn_gender_classifier.keras|the trained model, for keras.models.load_model
run/metrics.json|accuracy and more on the test split
run/report.html|the run, for reading
run/confusion_matrix.png|what is taken for what
run/accuracy_plot.png|accuracy by epoch
run/loss_plot.png|loss by epoch
run/sample_predictions.png|test pictures with their predictions
run/model_plot.png|the network
artefacts/saved_model/1|for TensorFlow Serving
artefacts/model_float32.tflite|for gender-score, a phone, a page
artefacts/model_float16.tflite|half the size
artefacts/model_dynamic_int8.tflite|a quarter of the size
artefacts/model_int8.tflite|a quarter of the size, whole numbers throughout
predictions.csv|a row for each scored picture
endef
export RESULTS

run: settings $(RUN)/.trained $(RUN)/.scored ## build the data set, train, judge, export, score; all under runs/DATASET/
	@echo
	@echo "Done. The results:"
	@echo "$$RESULTS" | while IFS='|' read -r file what; do \
		if [ -e "$(RUN)/$$file" ]; then printf '  %-52s %s\n' "$(RUN)/$$file" "$$what"; fi; done
ifeq ($(DATASET),drawn_faces)
	@echo "The same on UTKFace:"
	@echo "  make run DATASET=utkface                       downloads it with kagglehub"
	@echo "  make run DATASET=utkface UTKFACE_DIR=folder    takes it from a folder"
endif

# ---- The page, a plain folder. Nothing else here needs Node and npm.

WEB_MODEL ?=
WEB_MODULES := build/web_modules

web: .venv/.installed ## assemble the page in build/web: WEB_MODEL=name or file.tflite
	@command -v npm >/dev/null || { \
		echo "error: make web fetches the browser's runtime with npm, which is not here; install Node.js" >&2; exit 2; }
	@mkdir -p $(WEB_MODULES)
	@cp export/web/package.json export/web/package-lock.json $(WEB_MODULES)
	@cd $(WEB_MODULES) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@$(BIN)/gender-web --node_modules=$(WEB_MODULES)/node_modules --output_dir=build/web $(if $(WEB_MODEL),--model='$(WEB_MODEL)')

# ---- The packaged models, in export/models and, to train on from, gender_tfds/models. One of the preset teacher and its deeper
# sibling teach best, which is `accurate`; that teaches `device`. Hours on two cores; interrupted, the same command goes on.

MODEL_RUN := runs/model
MODEL_FILES := export/models
KERAS_FILES := gender_tfds/models
train_model = $(BIN)/gender-train --preset=$(1) --data_dir=$(MODEL_RUN)/data --workdir=$(MODEL_RUN)/$(or $(2),$(1)) --resume $(3) $(TRAIN_FLAGS)
trained = $(MODEL_RUN)/$(1)/cnn_gender_classifier.keras
DEEP := --width=32 --depth=1,2,2,2 --image_size=128

model: .venv/.installed ## train the packaged models anew: UTKFACE_DIR=folder FAIRFACE_DIR=folder
	@for folder in '$(UTKFACE_DIR)' '$(FAIRFACE_DIR)'; do if [ ! -d "$$folder" ]; then \
		echo "error: make model needs UTKFACE_DIR=folder and FAIRFACE_DIR=folder; '$$folder' is not a directory" >&2; \
		exit 2; fi; done
	@$(BIN)/tfds build --data_dir=$(MODEL_RUN)/data --manual_dir='$(UTKFACE_DIR)' --imports=gender_tfds.utkface utkface
	@$(BIN)/tfds build --data_dir=$(MODEL_RUN)/data --manual_dir='$(FAIRFACE_DIR)' --imports=gender_tfds.fairface fairface
	@$(call train_model,teacher) --seed=1
	@$(call train_model,teacher,deep,$(DEEP)) --seed=1
	@$(call train_model,best) --init_from=$(call trained,teacher) --teacher=$(call trained,teacher),$(call trained,deep) --seed=1
	@$(call train_model,device) --teacher=$(call trained,best) --seed=1
	@$(BIN)/gender-export --workdir=$(MODEL_RUN)/best --output_dir=$(MODEL_RUN)/best/artefacts --formats=int8
	@$(BIN)/gender-export --workdir=$(MODEL_RUN)/device --output_dir=$(MODEL_RUN)/device/artefacts --formats=int8,float32
	@cp $(MODEL_RUN)/best/artefacts/model_int8.tflite $(MODEL_FILES)/gender_accurate_int8.tflite
	@cp $(MODEL_RUN)/device/artefacts/model_int8.tflite $(MODEL_FILES)/gender_device_int8.tflite
	@cp $(MODEL_RUN)/device/artefacts/model_float32.tflite $(MODEL_FILES)/gender_device_float32.tflite
	@cp $(call trained,best) $(KERAS_FILES)/accurate.keras
	@cp $(call trained,device) $(KERAS_FILES)/device.keras
	@echo "Made $(MODEL_FILES)/gender_*.tflite and $(KERAS_FILES)/*.keras; measured on test faces in $(MODEL_RUN)/*/metrics.json: update its README.md"
