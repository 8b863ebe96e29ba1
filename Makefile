# Two commands do everything on a fresh Debian or Ubuntu machine: `make demo` and `make test`.
# Each first makes what it needs: system libraries, .venv with pinned wheels, our packages built into .venv by colcon.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The wheels' release: jazzy, or `make test ROS_DISTRO=kilted`. Of a sourced ROS in the environment we know nothing.
ifneq ($(origin ROS_DISTRO),command line)
ROS_DISTRO := jazzy
endif
unexport PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH RMW_IMPLEMENTATION
$(if $(filter jazzy kilted,$(ROS_DISTRO)),,$(error ROS_DISTRO=$(ROS_DISTRO) must be jazzy or kilted))
SUFFIX := $(patsubst -jazzy,,-$(ROS_DISTRO))
VENV := .venv$(SUFFIX)
BUILD := build$(SUFFIX)
VENV_PYTHON := $(VENV)/bin/python
INSTALL := $(VENV_PYTHON) -m pip --quiet install --no-warn-conflicts  # some packages come with --no-deps
SITE = $$($(VENV_PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

# PYTHON=python3.12 makes .venv of that one, anew where it is of another; else .venv keeps its own, and a new one gets
# the first of those we support (ros_ws/system.sh).
VERSION = $(shell $(1) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
ifdef PYTHON
ifneq ($(call VERSION,$(PYTHON)),$(call VERSION,$(VENV_PYTHON)))
ANOTHER_PYTHON := FORCE
endif
endif
DEMO := runs/demo
RIG := runs/rig
ROBOT := fr3
DEMO_SIZE := --episodes 15 --steps 200 --seed 0 --config launch/config/demo.yaml

PACKAGE_DIRS := ros_ws/src ros_ws/stand_ins policies sim launch
INTERFACES := $(shell find ros_ws/*/*_msgs -type f)
PACKAGE_FILES := $(shell find $(PACKAGE_DIRS) -name package.xml -o -name setup.py -o -name setup.cfg -o -name CMakeLists.txt)

.PHONY: help setup demo test unit bench lint docs rig lock clean FORCE

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.packages $(VENV)/.meshes  ## make the environment (the other targets call it)

demo: setup  ## explore over ROS in the simulator, beside random actions; show how the policy reaches the goals it is sent to
	rm -rf $(DEMO)
	$(VENV)/bin/wayfarer collect --target sim --method random $(DEMO_SIZE) --out $(DEMO)/random
	$(VENV)/bin/wayfarer collect --target sim --method goal $(DEMO_SIZE) --out $(DEMO)/goal
	$(VENV)/bin/wayfarer bag info $(DEMO)/goal $(DEMO)/random
	$(VENV)/bin/wayfarer evaluate --goals $(DEMO)/goal --steps 30 --picture $(DEMO)/goals.png
	$(VENV)/bin/wayfarer bag draw $(DEMO)/goal

ifeq ($(ROS_DISTRO),jazzy)
test: lint $(VENV)/.browser $(VENV)/.rigs $(VENV)/.loaders $(VENV)/.view  ## everything: style, types, all tests; ROS_DISTRO=kilted: nodes and contracts on the Kilted wheels
	$(VENV)/bin/pytest --hypothesis-profile=repeat tests/unit -n logical
	$(VENV)/bin/pytest --hypothesis-profile=repeat tests --ignore tests/unit
else
test: setup $(VENV)/.rigs $(VENV)/.loaders $(VENV)/.view
	$(VENV)/bin/pytest tests/nodes tests/contract
endif

unit: setup  ## the fast lane: pure logic, under a minute
	$(VENV)/bin/pytest tests/unit -m "not slow" -q -n logical

bench: setup $(VENV)/.bench $(VENV)/.loaders  ## every benchmark, one after the other; they compare with Stable-Baselines3, d3rlpy and stock robosuite
	for name in collect control learning bcq data; do $(VENV_PYTHON) tests/benchmarks/$$name.py --json; done

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/mypy

docs: setup  ## all pages and the API's, from the docstrings, as a site in build/site; a warning is an error
	$(INSTALL) -c $(VENV)/constraints.txt --group docs
	$(VENV_PYTHON) docs/site.py

rig: setup $(VENV)/.rigs  ## collect episodes on hardware.launch.xml from a simulated FR3 (or ROBOT=panda) that speaks the real one's protocol
	rm -rf $(RIG)
	$(VENV_PYTHON) tests/rigs/collect.py --robot $(ROBOT) --out $(RIG)
	$(VENV)/bin/wayfarer bag info $(RIG)

lock: setup  ## bring constraints.txt up to pyproject.toml, for all supported Pythons; pins that still fit stay
	$(INSTALL) --group lock
	cp constraints.txt $(VENV)/lock  # uv keeps the pins it finds in its output
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --output-file $(VENV)/lock \
	  $(foreach group,ros-jazzy run dev docs fr3 panda,--group pyproject.toml:$(group))
	{ echo "# Every wheel of .venv on Python 3.11 to 3.13, written by 'make lock'. What we ask for, and why, is in pyproject.toml."; \
	  grep -v "sys_platform == 'win32'" $(VENV)/lock; } > constraints.txt

clean:  ## remove what make made
	rm -rf .venv .venv-kilted .venv-jazzy build build-kilted build-jazzy log install

# --- how the environment comes about: each file is a finished stage, which says itself what it does ---

.SILENT: $(addprefix $(VENV)/.,$(ROS_DISTRO) browser wheels packages meshes view loaders rigs bench)

$(VENV)/.$(ROS_DISTRO): $(ANOTHER_PYTHON)  # named after the release: an environment of another is made anew
	python=$$(ros_ws/system.sh python $(PYTHON)); \
	rm -rf $(VENV) $(BUILD); \
	"$$python" -m venv $(VENV)
	touch $@

$(VENV)/.browser: $(VENV)/.$(ROS_DISTRO)
	ros_ws/system.sh browser
	touch $@

$(VENV)/.wheels: $(VENV)/.$(ROS_DISTRO) pyproject.toml constraints.txt
	echo "installing wheels into $(VENV) (three minutes or so the first time)"
	$(INSTALL) pip==25.3  # the first with both --group and colcon-proof defaults
	$(if $(SUFFIX),grep -v '^ros-',cat) constraints.txt > $(VENV)/constraints.txt  # those of ros-* are Jazzy's
	$(INSTALL) -c $(VENV)/constraints.txt --group ros-$(ROS_DISTRO) --group run --group dev
	# dm-robotics-panda, of which we use files alone, says that it knows no Python 3.13
	$(INSTALL) -c $(VENV)/constraints.txt --no-deps --ignore-requires-python --group simulator
	# The wheels' exported include paths name the machine they were built on, and CMake refuses: drop those.
	sed -i -E 's#/opt/python/[^;"]*;?##g' $(VENV)/share/*/cmake/export_*__rosidl_generator_pyExport.cmake
	touch $@

$(VENV)/.packages: $(VENV)/.wheels $(INTERFACES) $(PACKAGE_FILES) ros_ws/wayfarer_environment.py
	echo "building the ROS packages into $(VENV) (as long again)"
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" AMENT_PREFIX_PATH="$(CURDIR)/$(VENV)" CMAKE_PREFIX_PATH="$(CURDIR)/$(VENV)" \
	$(VENV)/bin/colcon --log-base log --log-level error build --base-paths $(PACKAGE_DIRS) --build-base $(BUILD) --install-base $(VENV) \
	  --merge-install --symlink-install --cmake-args -DPython3_EXECUTABLE="$(CURDIR)/$(VENV_PYTHON)" -DBUILD_TESTING=OFF
	# colcon expects an activated environment to find packages; ours needs no activation, and bears another ROS's
	site=$(SITE); \
	ln -sfn $(CURDIR)/ros_ws/wayfarer_environment.py $$site/wayfarer_environment.py; \
	rm -f $$site/wayfarer.pth; \
	{ sed -s -n 1p $$site/*.egg-link; echo 'import wayfarer_environment'; } > $$site/0_wayfarer.pth  # 0: before all others
	touch $@

$(VENV)/.meshes: $(VENV)/.packages sim/wayfarer_sim/wayfarer_sim/meshes.py
	$(VENV_PYTHON) -m wayfarer_sim.meshes
	touch $@

$(VENV)/.view: $(VENV)/.wheels pyproject.toml
	echo "installing rerun into $(VENV)"
	$(INSTALL) -c $(VENV)/constraints.txt --group view
	touch $@

$(VENV)/.loaders: $(VENV)/.wheels pyproject.toml
	echo "installing LeRobot and the other official readers of the export formats into $(VENV)/loaders"
	$(VENV_PYTHON) -m venv $(VENV)/loaders
	echo "$(SITE)" > "$$($(VENV)/loaders/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/parent.pth"
	$(VENV)/loaders/bin/python -m pip --quiet install pip==25.3
	$(VENV)/loaders/bin/python -m pip --quiet install --group loaders
	$(VENV)/loaders/bin/python -m pip --quiet install --no-deps --group loaders-alone
	# torchvision's compiled part does not fit every torch; what is imported asks for the names of two operators of it
	extension="$$($(VENV)/loaders/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torchvision/extension.py"; \
	grep -q nms "$$extension" || printf '%s\n' 'if not _has_ops():' '    for _name in ("nms", "qnms"):' \
	  '        torch.library.define(f"torchvision::{_name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor")' \
	  >> "$$extension"
	touch $@

$(VENV)/.rigs: $(VENV)/.wheels pyproject.toml
	echo "installing the robots that tests and rigs drive into $(VENV)"
	$(INSTALL) -c $(VENV)/constraints.txt --group fr3 --group panda
	$(VENV_PYTHON) -m venv $(VENV)/rig
	$(VENV)/rig/bin/python -m pip --quiet install pip==25.3
	$(VENV)/rig/bin/python -m pip --quiet install --group rig
	$(VENV)/rig/bin/python -m pip --quiet install --no-deps --group rig-clients
	$(VENV_PYTHON) -m venv $(VENV)/rig_limits
	$(VENV)/rig_limits/bin/python -m pip --quiet install pip==25.3
	$(VENV)/rig_limits/bin/python -m pip --quiet install --group rig-limits
	$(VENV)/rig_limits/bin/python -m pip --quiet install --no-deps --group rig-limits-alone
	touch $@

$(VENV)/.bench: $(VENV)/.wheels
	$(INSTALL) --no-deps --target $(VENV)/bench --upgrade --group bench
	touch $@
