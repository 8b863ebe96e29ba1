from setuptools import setup

setup(
    name="wayfarer_replay",
    version="0.1.0",
    packages=["wayfarer_replay"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_replay"]),
        ("share/wayfarer_replay", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "replay = wayfarer_replay.__main__:main",
        ],
    },
)
