"""The levels' colours stay apart for colour-blind eyes, in light and dark, as marks and as text."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

CSS = (Path(__file__).parents[2] / "anomaly_server" / "static" / "console" / "console.css").read_text()
LEVELS = ("high", "medium", "low")
# Machado, Oliveira and Fernandes 2009, severity 1; on linear RGB.
EYES = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
# sRGB to XYZ, white D65.
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = XYZ.sum(axis=1)
# From about 2 on two colours can be told apart side by side; these are seen apart from each other.
APART = 15.0


def colours(theme: str, prefix: str) -> dict[str, np.ndarray]:
    """The levels' colours as linear RGB."""
    block = re.search({"light": r":root \{(.*?)\}", "dark": r"\.dark \{(.*?)\}"}[theme], CSS, re.DOTALL)
    assert block is not None
    found = dict(re.findall(rf"--c-{prefix}(high|medium|low): #([0-9a-f]{{6}});", block[1]))
    return {level: linear(found[level]) for level in LEVELS}


def linear(code: str) -> np.ndarray:
    parts = np.array([int(code[place : place + 2], 16) / 255 for place in (0, 2, 4)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b*."""
    ratio = XYZ @ np.clip(rgb, 0, 1) / WHITE
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def distances(of: dict[str, np.ndarray], eye: np.ndarray) -> dict[tuple[str, str], float]:
    """Delta E (1976) of each pair of levels, as that eye sees them."""
    return {
        (one, other): float(np.linalg.norm(lab(eye @ of[one]) - lab(eye @ of[other])))
        for one, other in combinations(LEVELS, 2)
    }


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("prefix", ["fill-", ""])
def test_levels_are_told_apart(theme: str, prefix: str, eye: str):
    found = distances(colours(theme, prefix), EYES[eye])
    assert {pair: distance for pair, distance in found.items() if distance < APART} == {}


def test_the_measure_sees_colours_that_only_some_eyes_tell_apart():
    red_green = {"high": linear("d03030"), "medium": linear("7f7a00"), "low": linear("0060c0")}
    assert distances(red_green, EYES["usual"])["high", "medium"] > 50
    assert distances(red_green, EYES["deuteranopia"])["high", "medium"] < APART
