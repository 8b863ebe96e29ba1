"""Train one network on bags of two robots: it predicts the hand's position from an image.

.venv/bin/python examples/train_on_two_robots.py runs/simulated runs/real

Runs, and bags of the contract's topics from `ros2 bag record`, open alike. Their images must have
the same size.
"""

import sys
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader
from wayfarer_data.cache.dataset import Dataset, Transitions, as_it_is

EPOCHS = 3


def main(*folders: str) -> None:
    """Train on all of the runs' valid steps, and print the error after each pass."""
    dataset = Dataset.open([Path(folder) for folder in folders])
    print(f"{len(dataset)} steps of {len(dataset.runs)} runs, {dataset.lost_steps} lost")

    torch.manual_seed(0)
    loader = DataLoader(Transitions(dataset), batch_size=32, shuffle=True, collate_fn=as_it_is)
    network = nn.Sequential(nn.Conv2d(3, 16, 8, 4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)

    for epoch in range(EPOCHS):
        total = 0.0
        for batch in loader:
            where = network(batch.states / 255.0)  # (B, 3) [m], base frame
            loss = nn.functional.mse_loss(where, batch.ee_positions)

            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += float(loss.detach()) * len(where)

        print(f"pass {epoch + 1}: mean squared error {total / len(dataset):.4f} m^2")


if __name__ == "__main__":
    main(*sys.argv[1:])
