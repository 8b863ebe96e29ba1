# Two commands do everything on a fresh Debian or Ubuntu machine: `make demo` and `make test`.
# Each first makes what it needs: system libraries, .venv with pinned wheels, our packages built into .venv by colcon.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The wheels' release: kilted, or `make test ROS_DISTRO=jazzy`. Of a sourced ROS in the environment we know nothing.
ifneq ($(origin ROS_DISTRO),command line)
ROS_DISTRO := kilted
endif
unexport PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH RMW_IMPLEMENTATION
$(if $(filter kilted jazzy,$(ROS_DISTRO)),,$(error ROS_DISTRO=$(ROS_DISTRO) must be kilted or jazzy))
SUFFIX := $(patsubst -kilted,,-$(ROS_DISTRO))
VENV := .venv$(SUFFIX)
BUILD := build$(SUFFIX)
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip --quiet
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
DEMO := runs/demo
RIG := runs/rig
ROBOT := fr3
DEMO_SIZE := --episodes 15 --steps 200 --seed 0 --config launch/config/demo.yaml

PACKAGE_DIRS := ros_ws/src policies sim launch
INTERFACES := $(shell find ros_ws/src/*_msgs -type f)
PACKAGE_FILES := $(shell find $(PACKAGE_DIRS) -name package.xml -o -name setup.py -o -name setup.cfg -o -name CMakeLists.txt)

.PHONY: help setup demo test unit bench lint rig lock clean

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

ifeq ($(ROS_DISTRO),kilted)
test: lint $(VENV)/.rigs $(VENV)/.loaders  ## everything: style, types, all tests; ROS_DISTRO=jazzy: nodes and contracts on the Jazzy wheels
	$(VENV)/bin/pytest --hypothesis-profile=repeat tests
else
test: setup $(VENV)/.rigs
	$(VENV)/bin/pytest tests/nodes tests/contract
endif

unit: setup  ## the fast lane: pure logic, under a minute
	$(VENV)/bin/pytest tests/unit -m "not slow" -q -n logical

bench: setup $(VENV)/.bench $(VENV)/.loaders  ## every benchmark, one after the other; they compare with Stable-Baselines3, d3rlpy and stock robosuite
	for name in collect control learning bcq data; do $(PYTHON) tests/benchmarks/$$name.py --json; done

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

rig: setup $(VENV)/.rigs  ## collect episodes on hardware.launch.xml from a simulated FR3 (or ROBOT=panda) that speaks the real one's protocol
	rm -rf $(RIG)
	$(PYTHON) tests/rigs/collect.py --robot $(ROBOT) --out $(RIG)
	$(VENV)/bin/wayfarer bag info $(RIG)

lock: setup  ## write constraints.txt from what .venv holds now
	# a wheel named ros-NAME also brings a distribution NAME with a folder share/NAME: those are not on PyPI
	@{ echo "# Every wheel of .venv, written by 'make lock'. What we ask for, and why, is in pyproject.toml."; \
	   $(PIP) freeze --exclude-editable | grep -E '^[A-Za-z0-9_.-]+==' | sed 's/+cpu$$//' | sort -f \
	   | while IFS='=' read -r name pin; do [ -e $(VENV)/share/$$name ] || echo "$$name=$$pin"; done; } > constraints.txt

clean:  ## remove what make made
	rm -rf .venv .venv-jazzy build build-jazzy log install

# --- how the environment comes about: each file is a finished stage ---

$(VENV)/.system:
	@need=""; have() { ldconfig -p | grep -q "$$1"; }; \
	have libEGL.so.1 && have libGL.so.1 || need="$$need libegl1 libegl-mesa0 libgl1-mesa-dri libgl1"; \
	have libOSMesa.so || need="$$need libosmesa6"; \
	command -v c++ >/dev/null || need="$$need build-essential"; \
	command -v chromium >/dev/null || need="$$need chromium fonts-dejavu-core"; \
	command -v cmake >/dev/null || need="$$need cmake"; \
	command -v ip >/dev/null || need="$$need iproute2"; \
	command -v python3.11 >/dev/null || need="$$need python3.11"; \
	python3.11 -c 'import ensurepip, venv' 2>/dev/null || need="$$need python3.11-venv"; \
	find $$(python3.11 -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null || echo /nowhere) -name Python.h 2>/dev/null | grep -q . || need="$$need python3.11-dev"; \
	if [ -n "$$need" ]; then \
	  echo "installing system packages:$$need"; \
	  $(SUDO) apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$need; \
	fi
	python3.11 -m venv $(VENV)
	touch $@

$(VENV)/.wheels: $(VENV)/.system pyproject.toml constraints.txt
	@echo "installing wheels into $(VENV) (about two minutes the first time)"
	$(PIP) install pip==25.3  # the first with both --group and colcon-proof defaults
	$(if $(SUFFIX),grep -v '^ros-',cat) constraints.txt > $(VENV)/constraints.txt  # those of ros-* are Kilted's
	$(PIP) install -c $(VENV)/constraints.txt --group ros$(SUFFIX) --group run --group dev
	$(PIP) install -c $(VENV)/constraints.txt --no-deps --group simulator
	# The wheels' exported include paths name the machine they were built on, and CMake refuses: drop those.
	sed -i -E 's#/opt/python/[^;"]*;?##g' $(VENV)/share/*/cmake/export_*__rosidl_generator_pyExport.cmake
	touch $@

$(VENV)/.packages: $(VENV)/.wheels $(INTERFACES) $(PACKAGE_FILES) ros_ws/wayfarer_environment.py
	@echo "building the ROS packages into $(VENV)"
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" AMENT_PREFIX_PATH="$(CURDIR)/$(VENV)" CMAKE_PREFIX_PATH="$(CURDIR)/$(VENV)" \
	$(VENV)/bin/colcon --log-base log build --base-paths $(PACKAGE_DIRS) --build-base $(BUILD) --install-base $(VENV) \
	  --merge-install --symlink-install --cmake-args -DPython3_EXECUTABLE="$(CURDIR)/$(PYTHON)" -DBUILD_TESTING=OFF
	# colcon expects an activated environment to find packages; ours needs no activation, and bears another ROS's
	@site=$(VENV)/lib/python3.11/site-packages; \
	ln -sfn $(CURDIR)/ros_ws/wayfarer_environment.py $$site/wayfarer_environment.py; \
	rm -f $$site/wayfarer.pth; \
	{ sed -s -n 1p $$site/*.egg-link; echo 'import wayfarer_environment'; } > $$site/0_wayfarer.pth  # 0: before all others
	touch $@

$(VENV)/.meshes: $(VENV)/.packages sim/wayfarer_sim/wayfarer_sim/meshes.py
	$(PYTHON) -m wayfarer_sim.meshes
	touch $@

$(VENV)/.loaders: $(VENV)/.wheels pyproject.toml
	@echo "installing the official readers of the export formats into $(VENV)/loaders"
	python3.11 -m venv $(VENV)/loaders
	echo "$(CURDIR)/$(VENV)/lib/python3.11/site-packages" > $(VENV)/loaders/lib/python3.11/site-packages/parent.pth
	$(VENV)/loaders/bin/python -m pip --quiet install pip==25.3
	$(VENV)/loaders/bin/python -m pip --quiet install --group loaders
	$(VENV)/loaders/bin/python -m pip --quiet install --no-deps --group loaders-alone
	touch $@

$(VENV)/.rigs: $(VENV)/.wheels pyproject.toml
	@echo "installing the robots that tests and rigs drive into $(VENV)"
	$(PIP) install -c constraints.txt --group fr3 --group panda
	python3.11 -m venv $(VENV)/rig
	$(VENV)/rig/bin/python -m pip --quiet install pip==25.3
	$(VENV)/rig/bin/python -m pip --quiet install --group rig
	$(VENV)/rig/bin/python -m pip --quiet install --no-deps --group rig-clients
	python3.11 -m venv $(VENV)/rig_limits
	$(VENV)/rig_limits/bin/python -m pip --quiet install pip==25.3
	$(VENV)/rig_limits/bin/python -m pip --quiet install --group rig-limits
	touch $@

$(VENV)/.bench: $(VENV)/.wheels
	$(PIP) install --no-deps --target $(VENV)/bench --upgrade --group bench
	touch $@
