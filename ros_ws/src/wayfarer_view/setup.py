from setuptools import setup

setup(
    name="wayfarer_view",
    version="0.1.0",
    packages=["wayfarer_view"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_view"]),
        ("share/wayfarer_view", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "view = wayfarer_view.__main__:main",
        ],
    },
)
