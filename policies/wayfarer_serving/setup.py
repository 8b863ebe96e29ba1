from setuptools import setup

setup(
    name="wayfarer_serving",
    version="0.1.0",
    packages=["wayfarer_serving"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_serving"]),
        ("share/wayfarer_serving", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
