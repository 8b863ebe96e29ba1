from setuptools import setup

setup(
    name="wayfarer_cli",
    version="0.1.0",
    packages=["wayfarer_cli", "wayfarer_cli.doctor", "wayfarer_cli.label", "wayfarer_cli.train"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_cli"]),
        ("share/wayfarer_cli", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "wayfarer = wayfarer_cli.__main__:main",
        ],
    },
)
