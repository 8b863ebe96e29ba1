"""`wayfarer calibrate camera`.

It draws a board, records pictures of it, and finds the camera's intrinsics and pose.
"""

import csv
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from wayfarer_core.calibration import load_calibration, save_calibration
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_vision.charuco import COLUMNS, POSES, Board, View

Matrix = NDArray[np.float64]

SUFFIXES = (".png", ".jpg", ".jpeg")

calibrate = typer.Typer(no_args_is_help=True, help="Calibrate the robot's sensors.")
camera = typer.Typer(no_args_is_help=True, help="Intrinsics and pose of the camera, by a board.")
calibrate.add_typer(camera, name="camera")

Images = Annotated[Path, typer.Argument(help="Folder of pictures of the board.")]
Columns = Annotated[int, typer.Option(help="Squares of the board along its longer side.")]
Rows = Annotated[int, typer.Option(help="Squares along its shorter side.")]
Square = Annotated[float, typer.Option(help="Edge of a square as measured on the print [mm].")]
Marker = Annotated[float, typer.Option(help="Edge of a marker [mm].")]
Namespace = Annotated[str, typer.Option(help="Namespace of the nodes.")]


def board_of(columns: int, rows: int, square: float, marker: float) -> Board:
    """Return the board of these options, whose lengths are in mm."""
    return Board(columns, rows, square * 1e-3, marker * 1e-3)


@camera.command("board")
def draw_board(
    out: Annotated[Path, typer.Argument(help="File to write, .pdf or .png.")],
    columns: Columns = 9,
    rows: Rows = 6,
    square: Square = 30.0,
    marker: Marker = 22.0,
) -> None:
    """Write a ChArUco board to print at 100 % (the default fits A4) and glue onto something
    flat.
    """
    board_of(columns, rows, square, marker).draw(out)
    share = marker / square
    print(
        f"{out}: print at 100 %, measure a square, give that as --square, and as --marker "
        f"{share:.3f} of it"
    )


@camera.command()
def record(
    out: Annotated[Path, typer.Argument(help="Folder for the pictures, made where it is missing.")],
    views: Annotated[int, typer.Option(min=1, help="Pictures to take.")] = 15,
    timeout: Annotated[float, typer.Option(min=1.0, help="Time for all of it [s].")] = 600.0,
    namespace: Namespace = "wayfarer",
    columns: Columns = 9,
    rows: Rows = 6,
    square: Square = 30.0,
    marker: Marker = 22.0,
) -> None:
    """Take pictures from a running camera whenever the board rests in a new place.

    If the hand's pose is published, it is recorded, too.
    """
    from wayfarer_cli.calibrate_record import record_views

    record_views(out, views, timeout, namespace, board_of(columns, rows, square, marker))


@camera.command()
def intrinsics(
    images: Images,
    out: Annotated[
        Path, typer.Option(help="Calibration file to write; the report goes beside it.")
    ],
    columns: Columns = 9,
    rows: Rows = 6,
    square: Square = 30.0,
    marker: Marker = 22.0,
) -> None:
    """Find focal lengths, principal point and distortion.

    Too few or too similar pictures are refused.
    """
    from wayfarer_vision.lens import find_lens

    board = board_of(columns, rows, square, marker)
    seen = views_of(images, board)
    lens = find_lens(list(seen.values()), board, date.today())
    save_calibration(lens.calibration, out)
    K = lens.calibration.camera_matrix
    print(f"focal lengths {K[0, 0]:.1f}, {K[1, 1]:.1f} pixels (+- {100 * lens.doubt:.2f} %)")
    print(
        f"principal point ({K[0, 2]:.1f}, {K[1, 2]:.1f}) of "
        f"{lens.calibration.width}x{lens.calibration.height} pixels"
    )
    _report(out, "lens", lens.calibration.reprojection_error, seen, lens.residuals)


@camera.command()
def pose(
    calibration: Annotated[
        Path, typer.Argument(help="Calibration file of `intrinsics`; the pose is added to it.")
    ],
    images: Images,
    board_at: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(
            help=(
                "The board lies on the table, its top left corner at x y z [m], its top edge along "
                "yaw [degree]."
            )
        ),
    ] = None,
    poses: Annotated[
        Path | None,
        typer.Option(
            help=(
                f"The hand holds the board: its poses, a table of {', '.join(COLUMNS)}; default: "
                f"IMAGES/{POSES}."
            )
        ),
    ] = None,
    table_height: Annotated[
        float | None, typer.Option(help="Top of the table in the base frame [m].")
    ] = None,
    columns: Columns = 9,
    rows: Rows = 6,
    square: Square = 30.0,
    marker: Marker = 22.0,
) -> None:
    """Find the camera's pose in the robot's base frame, from a board at a known place or in
    the robot's hand.
    """
    from wayfarer_vision.placing import place_by_board, place_by_hand

    board, lens = board_of(columns, rows, square, marker), load_calibration(calibration)
    seen = views_of(images, board)

    if board_at is not None:
        placed = place_by_board(lens, list(seen.values()), board, board_on_table(*board_at))
    else:
        hands = read_poses(poses or images / POSES)
        seen = {name: view for name, view in seen.items() if name in hands}
        placed = place_by_hand(
            lens, list(seen.values()), board, [hands[name] for name in seen], table_height
        )

    if table_height is not None:
        placed = replace(placed, calibration=replace(placed.calibration, table_height=table_height))

    save_calibration(placed.calibration, calibration)
    T = placed.calibration.T_base_camera
    if T is None or placed.calibration.pose_error is None:
        raise DataError("no pose was found")

    print(
        f"camera at x {T[0, 3]:.4f}, y {T[1, 3]:.4f}, z {T[2, 3]:.4f} m, looking along "
        f"{np.round(T[:3, 2], 3).tolist()}"
    )
    if placed.calibration.table_height is None:
        print("the table's height is not known: the cube tracker needs it, give --table-height")

    _report(calibration, "pose", placed.calibration.pose_error, seen, placed.residuals)


def views_of(images: Path, board: Board) -> dict[str, View]:
    """Return the board's view in each picture of a folder, by file name, and print the pictures
    without one.
    """
    import cv2

    if not images.is_dir():
        raise ConfigError(
            f"no folder {images}: `wayfarer calibrate camera record {images}` takes pictures"
        )

    files = sorted(p for p in images.iterdir() if p.suffix.lower() in SUFFIXES)
    if not files:
        raise ConfigError(f"{images} holds no picture: looked for {', '.join(SUFFIXES)}")

    seen = {}
    for file in files:
        pixels = cv2.imread(str(file))
        if pixels is None:
            raise DataError(f"{file} is not an image")

        view = board.find(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
        if view is None:
            print(f"{file.name}: the board is not seen well enough, left out")
        else:
            seen[file.name] = view

    return seen


def board_on_table(x: float, y: float, z: float, yaw: float) -> Matrix:
    """Return T_base_board (4, 4) of a board that lies face up.

    x, y, z [m] of its corner, yaw [degree] of its top edge.
    """
    from scipy.spatial.transform import Rotation  # slow to import

    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("z", yaw, degrees=True).as_matrix() @ np.diag([1.0, -1.0, -1.0])
    T[:3, 3] = (x, y, z)

    return T


def read_poses(path: Path) -> dict[str, Matrix]:
    """Return T_base_hand (4, 4) by file name.

    Raises ConfigError for a malformed table.
    """
    from scipy.spatial.transform import Rotation  # slow to import

    try:
        lines = list(csv.DictReader(path.read_text().splitlines()))
        found = {}
        for line in lines:
            numbers = [float(line[column]) for column in COLUMNS[1:]]
            T = np.eye(4)
            T[:3, :3], T[:3, 3] = Rotation.from_quat(numbers[3:]).as_matrix(), numbers[:3]
            found[line["file"]] = T
    except OSError as error:
        raise ConfigError(
            f"no hand poses at {path} ({error.strerror}): give --poses, or --board-at for a board "
            "that lies"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path} must be a table with the columns {','.join(COLUMNS)}: {error}"
        ) from error

    return found


def _report(
    out: Path, what: str, error: float, seen: dict[str, View], residuals: tuple[Matrix, ...]
) -> None:
    from wayfarer_vision.calibration_report import draw_report  # slow to import

    path = out.with_name(f"{out.stem}_{what}.png")
    title = f"{what}: {error:.3f} pixels of reprojection error over {len(seen)} views"
    draw_report(path, title, list(seen), list(seen.values()), residuals)
    print(f"reprojection error {error:.3f} pixels over {len(seen)} views")
    print(f"{out} and {path}")
