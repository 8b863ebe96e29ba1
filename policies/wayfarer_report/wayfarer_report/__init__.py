"""Reports of recorded runs: numbers from bags, drawings, HTML pages, viewers."""
