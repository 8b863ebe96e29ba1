from setuptools import setup

setup(
    name="wayfarer_data",
    version="0.1.0",
    packages=[
        "wayfarer_data",
        "wayfarer_data.cache",
        "wayfarer_data.upkeep",
    ],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_data"]),
        ("share/wayfarer_data", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
