from setuptools import setup

setup(
    name="panda_sim",
    version="0.1.0",
    packages=[
        "panda_sim",
        *(f"panda_sim.{room}" for room in ("arm", "protocol", "servers", "world")),
    ],
    package_data={"panda_sim.arm": ["model.c"], "panda_sim.world": ["scenes/*.xml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/panda_sim"]),
        ("share/panda_sim", ["package.xml"]),
    ],
    # And the arm's model, of whose own needs none: pip install --no-deps dm-robotics-panda==0.4.8
    install_requires=["setuptools", "mujoco>=3.9", "numpy"],
    python_requires=">=3.11",
    zip_safe=False,
    entry_points={"console_scripts": ["panda-sim = panda_sim.main:main"]},
)
