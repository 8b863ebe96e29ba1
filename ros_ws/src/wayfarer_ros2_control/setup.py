from setuptools import setup

setup(
    name="wayfarer_ros2_control",
    version="0.1.0",
    packages=["wayfarer_ros2_control"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_ros2_control"]),
        ("share/wayfarer_ros2_control", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "ros2_control = wayfarer_ros2_control.__main__:main",
            "panda_names = wayfarer_ros2_control.panda:main",
        ],
    },
)
