from setuptools import setup

setup(
    name="wayfarer_policies",
    version="0.1.0",
    packages=[
        "wayfarer_policies",
        "wayfarer_policies.acting",
        "wayfarer_policies.algorithms",
        "wayfarer_policies.exploration",
    ],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_policies"]),
        ("share/wayfarer_policies", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
