"""The experiments of the paper: jobs, sizes, and the page of Figures 2 to 7."""
