"""What recorded runs hold, shown: numbers from bags, drawings of them, one page in the end."""
