from setuptools import setup

setup(
    name="wayfarer_sim_bridge",
    version="0.1.0",
    packages=["wayfarer_sim_bridge"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_sim_bridge"]),
        ("share/wayfarer_sim_bridge", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "sim_bridge = wayfarer_sim_bridge.__main__:main",
        ],
    },
)
