from setuptools import setup

setup(
    name="wayfarer_sim",
    version="0.1.0",
    packages=["wayfarer_sim"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_sim"]),
        ("share/wayfarer_sim", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
