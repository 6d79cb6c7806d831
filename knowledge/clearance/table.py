"""Is a box of readings inside a union of measured blocks?"""

from collections.abc import Sequence

Box = tuple[tuple[float, float], ...]
"""(low, high) of each reading, in the order of `model.AXES`."""

_MOST_PIECES = 20_000


def uncovered(box: Box, blocks: Sequence[Box]) -> Box | None:
    """A part of the box that no block covers, or None. Ends belong to a block; more than 20,000 pieces: uncovered."""
    pieces = [(box, 0)]
    for _ in range(_MOST_PIECES):
        if not pieces:
            return None
        piece, start = pieces.pop()
        index = next((i for i in range(start, len(blocks)) if _meets(piece, blocks[i])), None)
        if index is None:
            return piece
        pieces.extend((left, index + 1) for left in _without(piece, blocks[index]))
    return pieces[-1][0] if pieces else None


def _meets(box: Box, block: Box) -> bool:
    """Whether they share more than a face, as far as the box has an extent there."""
    return all(
        low < top and high > bottom if low < high else bottom <= low <= top
        for (low, high), (bottom, top) in zip(box, block, strict=True)
    )


def _without(box: Box, block: Box) -> list[Box]:
    """What is left of the box, as boxes that do not overlap."""
    left = []
    inside = list(box)
    for axis, ((low, high), (bottom, top)) in enumerate(zip(box, block, strict=True)):
        for part in ((low, bottom), (top, high)):
            if part[0] < part[1]:
                left.append((*inside[:axis], part, *inside[axis + 1 :]))
        inside[axis] = (max(low, bottom), min(high, top))
    return left
