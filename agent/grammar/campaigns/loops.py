"""What is done at each place of a campaign, as one loop: get there, focus beside it, image, detect."""

from eucentric.agent.grammar.campaigns.image import Image
from eucentric.agent.grammar.campaigns.recipe import aside_nm
from eucentric.agent.grammar.draft import Draft
from eucentric.core.plan import Step


def flake_loop(draft: Draft, targets: str, most: int, image: Image, detect: str) -> None:
    """Add the loop over chosen flakes, each found again in its survey frame."""
    head, aside = _head(draft), aside_nm(image[1]["fov_nm"], draft)
    go = Step(
        id=f"{head}_goto",
        tool="go_to_target",
        inputs={"target": "item"},
        reason="move, register to the survey, let drift settle",
    )
    do = [
        go,
        _focus(head, aside, "focus beside the area, not on it"),
        _image(head, image, "the image itself"),
        *_detection(head, image, detect, "count, with what is not counted"),
    ]
    draft.steps.append(
        Step(id=head, for_each=targets, at_most=most, do=tuple(do), reason="each chosen flake")
    )
    draft.assume(
        f"at each flake: autofocus {aside:g} nm beside the area; if fewer than {most} are found, only those are imaged"
    )


def place_loop(draft: Draft, places: str, most: int, image: Image, detect: str, focus: bool) -> None:
    """Add the loop over positions."""
    head = _head(draft)
    go = Step(
        id=f"{head}_move",
        tool="move_stage",
        args={"mode": "absolute"},
        inputs={"x_um": "item.x_um", "y_um": "item.y_um"},
        reason="to the position",
    )
    do = [
        go,
        *([_focus(head, aside_nm(image[1]["fov_nm"], draft), "focus beside the area")] if focus else []),
        _image(head, image, "image there"),
        *_detection(head, image, detect, "defects in that image"),
    ]
    draft.steps.append(
        Step(id=head, for_each=places, at_most=most, do=tuple(do), reason=f"at most {most} positions")
    )


def _head(draft: Draft) -> str:
    """Id of the loop that comes next."""
    return f"s{draft.count() + 1}"


def _focus(head: str, aside_nm: float, reason: str) -> Step:
    return Step(id=f"{head}_focus", tool="autofocus", args={"beside_nm": aside_nm}, reason=reason)


def _image(head: str, image: Image, reason: str) -> Step:
    tool, args = image
    return Step(id=f"{head}_image", tool=tool, args=args, reason=reason)


def _detection(head: str, image: Image, kind: str, reason: str) -> list[Step]:
    """The step that looks for defects of a kind in the image before it; none if no kind was named."""
    field = "sum" if image[0] == "acquire_series" else "frame"
    frame = {"frame": f"{head}_image.{field}"}
    step = Step(id=f"{head}_detect", tool="detect_defects", args={"kind": kind}, inputs=frame, reason=reason)
    return [step] if kind else []
