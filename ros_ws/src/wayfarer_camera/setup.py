from setuptools import setup

setup(
    name="wayfarer_camera",
    version="0.1.0",
    packages=["wayfarer_camera"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_camera"]),
        ("share/wayfarer_camera", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "camera = wayfarer_camera.__main__:main",
        ],
    },
)
