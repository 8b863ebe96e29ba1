# Wayfarer on an installed ROS 2 Jazzy: the recipe of docs/install.md, step by step; a test holds the two together.
# It has not been built where it was written: no registry of images could be reached there.
#   docker build -t wayfarer .
#   docker run --rm -it -v "$PWD/runs:/wayfarer/runs" wayfarer ros2 launch wayfarer_bringup sim.launch.xml run:=runs/mine
FROM ros:jazzy-ros-base

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive MUJOCO_GL=egl
WORKDIR /wayfarer
COPY . .

# EGL is what the simulator draws with where there is no display
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
    python3-venv python3-colcon-common-extensions python3-rosdep libegl1 libegl-mesa0 libgl1-mesa-dri \
 && source /opt/ros/$ROS_DISTRO/setup.bash \
 && rosdep update --rosdistro "$ROS_DISTRO" \
 && rosdep install --ignore-src -y --from-paths ros_ws/src policies sim launch \
 && rm -rf /var/lib/apt/lists/*

RUN python3 -m venv --system-site-packages .venv-colcon && touch .venv-colcon/COLCON_IGNORE \
 && source .venv-colcon/bin/activate \
 && pip install --no-cache-dir pip==25.3 \
 && pip install --no-cache-dir -c constraints.txt --group run \
 && pip install --no-cache-dir --no-deps --ignore-requires-python --group simulator

RUN source /opt/ros/$ROS_DISTRO/setup.bash && source .venv-colcon/bin/activate \
 && python -m colcon build --base-paths ros_ws/src policies sim launch

# The image's own entry point sources ROS; this sources what was built as well
RUN printf '#!/bin/bash\nsource /wayfarer/.venv-colcon/bin/activate\nsource /wayfarer/install/setup.bash\nexec "$@"\n' \
    > /usr/local/bin/wayfarer-entrypoint && chmod +x /usr/local/bin/wayfarer-entrypoint
ENTRYPOINT ["wayfarer-entrypoint"]
CMD ["bash"]
