from setuptools import setup

setup(
    name="wayfarer_in_process",
    version="0.1.0",
    packages=["wayfarer_in_process"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_in_process"]),
        ("share/wayfarer_in_process", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
