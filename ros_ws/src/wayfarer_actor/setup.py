from setuptools import setup

setup(
    name="wayfarer_actor",
    version="0.1.0",
    packages=["wayfarer_actor"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_actor"]),
        ("share/wayfarer_actor", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "actor = wayfarer_actor.__main__:main",
        ],
    },
)
