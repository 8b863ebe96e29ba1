from setuptools import setup

setup(
    name="wayfarer_control",
    version="0.1.0",
    packages=["wayfarer_control"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_control"]),
        ("share/wayfarer_control", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "control = wayfarer_control.__main__:main",
        ],
    },
)
