from setuptools import setup

setup(
    name="wayfarer_export",
    version="0.1.0",
    packages=["wayfarer_export", "wayfarer_export.foreign"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_export"]),
        ("share/wayfarer_export", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
