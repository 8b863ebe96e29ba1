from setuptools import setup

setup(
    name="wayfarer_teleop",
    version="0.1.0",
    packages=["wayfarer_teleop"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_teleop"]),
        ("share/wayfarer_teleop", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "teleop = wayfarer_teleop.__main__:main",
            "keyboard = wayfarer_teleop.__main__:keyboard",
        ],
    },
)
