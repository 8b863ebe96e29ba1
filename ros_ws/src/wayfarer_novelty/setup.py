from setuptools import setup

setup(
    name="wayfarer_novelty",
    version="0.1.0",
    packages=["wayfarer_novelty"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_novelty"]),
        ("share/wayfarer_novelty", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "novelty = wayfarer_novelty.__main__:main",
        ],
    },
)
