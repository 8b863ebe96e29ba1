from setuptools import setup

setup(
    name="wayfarer_learner",
    version="0.1.0",
    packages=["wayfarer_learner"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_learner"]),
        ("share/wayfarer_learner", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "learner = wayfarer_learner.__main__:main",
        ],
    },
)
