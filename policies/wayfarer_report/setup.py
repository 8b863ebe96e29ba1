from setuptools import setup

setup(
    name="wayfarer_report",
    version="0.1.0",
    packages=[
        "wayfarer_report",
        "wayfarer_report.drawings",
        "wayfarer_report.live",
        "wayfarer_report.numbers",
        "wayfarer_report.page",
        "wayfarer_report.view",
    ],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wayfarer_report"]),
        ("share/wayfarer_report", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
