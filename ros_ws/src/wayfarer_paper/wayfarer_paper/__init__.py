"""The experiments of the paper: which jobs, how large, and the page of Figures 2 to 7."""
