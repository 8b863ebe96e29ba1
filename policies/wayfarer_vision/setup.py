from setuptools import setup

setup(
    name="wayfarer_vision",
    version="0.1.0",
    packages=["wayfarer_vision"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_vision"]),
        ("share/wayfarer_vision", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
