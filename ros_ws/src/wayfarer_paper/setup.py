from setuptools import setup

setup(
    name="wayfarer_paper",
    version="0.1.0",
    packages=["wayfarer_paper"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_paper"]),
        ("share/wayfarer_paper", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
