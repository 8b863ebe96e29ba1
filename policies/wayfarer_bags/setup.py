from setuptools import setup

setup(
    name="wayfarer_bags",
    version="0.1.0",
    packages=["wayfarer_bags", "wayfarer_bags.files"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_bags"]),
        ("share/wayfarer_bags", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
