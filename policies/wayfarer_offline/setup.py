from setuptools import setup

setup(
    name="wayfarer_offline",
    version="0.1.0",
    packages=["wayfarer_offline"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_offline"]),
        ("share/wayfarer_offline", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
