"""Figures and pictures, as SVG for a page or as files."""
