from setuptools import setup

setup(
    name="wayfarer_launch",
    version="0.1.0",
    packages=["wayfarer_launch"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_launch"]),
        ("share/wayfarer_launch", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
