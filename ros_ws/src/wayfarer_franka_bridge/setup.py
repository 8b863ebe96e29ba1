from setuptools import setup

setup(
    name="wayfarer_franka_bridge",
    version="0.1.0",
    packages=["wayfarer_franka_bridge", "wayfarer_franka_bridge.drivers"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_franka_bridge"]),
        ("share/wayfarer_franka_bridge", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "franka_bridge = wayfarer_franka_bridge.__main__:main",
        ],
    },
)
