from setuptools import setup

setup(
    name="wayfarer_collector",
    version="0.1.0",
    packages=["wayfarer_collector"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_collector"]),
        ("share/wayfarer_collector", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "collector = wayfarer_collector.__main__:main",
        ],
    },
)
