from setuptools import setup

setup(
    name="wayfarer_core",
    version="0.1.0",
    packages=["wayfarer_core"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_core"]),
        ("share/wayfarer_core", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
