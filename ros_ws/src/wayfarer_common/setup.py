from setuptools import setup

setup(
    name="wayfarer_common",
    version="0.1.0",
    packages=["wayfarer_common"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_common"]),
        ("share/wayfarer_common", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
